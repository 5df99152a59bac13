"""Overlap and boundary metrics per case and region, none of which gets better by missing a structure."""
