"""Verification of a run's folder: what its files prove of each other, without the data."""
