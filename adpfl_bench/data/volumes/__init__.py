"""Volumes: CT and MRI datasets from their publishers' files to patches and back to the native grid."""
