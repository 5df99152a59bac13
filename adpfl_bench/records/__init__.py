"""What a run leaves behind: its record, its case scores, and the numbers of its rounds."""
