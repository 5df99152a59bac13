"""One file for each dataset, and the catalogue that every command asks."""
