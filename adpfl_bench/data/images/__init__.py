"""Pictures, decoded and resized once."""
