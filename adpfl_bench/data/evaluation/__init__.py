"""Cases to be scored."""
