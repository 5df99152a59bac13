"""Grids of runs: planned, started, watched, continued and tabulated."""
