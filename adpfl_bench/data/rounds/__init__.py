"""What a round trains on."""
