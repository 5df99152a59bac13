"""Cheats of five families, each in a way that is refused, accounted as none, or found by an audit by name."""
