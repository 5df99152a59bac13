"""Records of a run: its run record, its case scores, and the numbers of its rounds."""
