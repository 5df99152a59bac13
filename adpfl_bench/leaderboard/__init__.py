"""Leaderboard: which runs may be compared, their tables, and the statistics of these."""
