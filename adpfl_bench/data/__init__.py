"""Cases, clients, partitions and the loaders that feed a federated round."""
