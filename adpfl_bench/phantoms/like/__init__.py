"""Phantoms of any dataset, made of what a task file states of it and of nothing else."""
