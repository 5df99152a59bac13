"""Partitioning of patients among clients, and into training, validation and test."""
