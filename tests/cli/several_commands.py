"""Several command lines one after the other in one process, each with its place among others."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from adpfl_bench.cli import main
from tests.callbacks.shared_runs import free_port
from tests.processes import Command


def start(folder: Path, count: int, commands: Sequence[Sequence[str]]) -> list[Command]:
    """Start the processes that share some commands."""
    lines = [[list(words), free_port() if count > 1 else None] for words in commands]
    places = [{} if count == 1 else {"RANK": str(rank), "WORLD_SIZE": str(count)} for rank in range(count)]
    meeting = {"MASTER_ADDR": "127.0.0.1", "WANDB_SILENT": "true"}
    return [Command(folder, [json.dumps(lines)], meeting | place, run_all) for place in places]


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
