"""Several command lines one after the other in one process, each with its place among others."""

import json
import os
import sys

from adpfl_bench.cli import main


def run_all(arguments: list[str]) -> int:
    """Run the command lines, as JSON: each with the port at which its processes meet, and none of one process."""
    for words, port in json.loads(arguments[0]):
        if port is not None:
            os.environ["MASTER_PORT"] = str(port)
        if status := main(words):
            return status
    if "wandb" in sys.modules:
        sys.modules["wandb"].finish()  # as a command does that was started, and not forked
    return 0
