"""Account of a cohort: what its units may be in for all runs together, what runs were promised, and what they spent."""
