"""Privacy audit in one run: canaries, each in or out by a coin, and how well releases tell them apart."""
