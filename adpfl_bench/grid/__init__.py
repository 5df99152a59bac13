"""A grid of runs that gets to its end: planned, started, watched, continued and tabulated."""
