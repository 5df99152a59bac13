"""adpfl-bench: federated medical image segmentation under (adaptive) differential privacy."""

__version__ = "0.1.0"
