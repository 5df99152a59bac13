"""Tasks: LightningModules with a loss for each example and scores of cases; segmentation, and its modalities."""
