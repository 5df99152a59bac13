"""Everything that hooks the Trainer: the federated loop, differential privacy, records and progress."""
