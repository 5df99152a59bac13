"""LightningModules: a segmentation base and one small file per modality."""
