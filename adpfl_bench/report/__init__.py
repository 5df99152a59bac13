"""Plots, pictures and the page that people read."""
