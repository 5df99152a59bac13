"""Report: plots, pictures and the page that people read."""
