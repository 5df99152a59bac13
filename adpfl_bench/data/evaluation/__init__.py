"""Evaluation: cases to be scored, in batches."""
