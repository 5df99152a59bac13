"""Configuration: YAML files, found, merged, and named."""
