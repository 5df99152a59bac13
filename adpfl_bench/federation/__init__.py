"""What a server and a client do, as pure tensor code: no Lightning, no datasets."""
