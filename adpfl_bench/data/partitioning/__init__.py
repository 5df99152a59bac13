"""Who holds which patients, and which of them train, validate and test."""
