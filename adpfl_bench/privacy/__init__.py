"""Clipping thresholds, noise mechanisms and privacy accounting, as pure tensor and number code."""
