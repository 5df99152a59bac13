"""Rounds: what clients train on, step by step."""
