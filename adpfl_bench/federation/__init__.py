"""Federated learning: what a server and a client do, as pure tensor code without Lightning or datasets."""
