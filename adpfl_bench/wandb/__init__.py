"""Weights & Biases: the logger, cases, single numbers, and the upload of tables."""
