"""Datasets of the suite, a file for each, and the catalogue that every command asks."""
