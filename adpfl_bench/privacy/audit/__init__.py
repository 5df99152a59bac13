"""Auditing in one run: canaries that are in or out by a coin, and how well they can be told apart by the releases."""
