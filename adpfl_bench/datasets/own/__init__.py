"""Datasets of one's own: described by YAML, a ``dataset.json`` or a table of paths, and read without any code."""
