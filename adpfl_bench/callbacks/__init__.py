"""Trainer callbacks: the federated loop, differential privacy, audits, run records, checkpoints and progress."""
