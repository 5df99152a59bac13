"""Run records in; tables and pictures out."""
