"""Draws the pictures of phantoms in docs/images."""
