"""Entry point: training goes to LightningCLI, everything else starts without torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import adpfl_bench
from adpfl_bench.errors import BenchError

_TRAINING = {
    "fit": "Train a federation, then score it on validation and test cases.",
    "validate": "Score a trained run's model on its validation cases.",
    "test": "Score a trained run's model on its test cases.",
    "predict": "Write a trained run's masks of its test cases as files.",
}
_COMMANDS = {
    "prepare": ("adpfl_bench.cli.prepare", "prepare", "Check and prepare volumes before training."),
    "verify": ("adpfl_bench.datasets.verify", "verify", "Read every file of a dataset and list all that is wrong."),
    "phantom": ("adpfl_bench.phantoms", "phantom", "Write a synthetic cohort in a dataset's own layout."),
    "benchmark": (
        "adpfl_bench.grid.benchmark",
        "benchmark",
        "Make every run of a grid of tasks, methods and seeds, and tables of them.",
    ),
    "leaderboard": ("adpfl_bench.report.commands", "leaderboard", "Make tables and pictures from finished runs."),
    "report": ("adpfl_bench.report.commands", "report", "Make one page of finished runs, to be read offline."),
    "wandb": ("adpfl_bench.wandb.upload", "upload", "Log a leaderboard's tables and page to Weights & Biases."),
}
_PRIVACY = {
    "privacy": "Epsilon by round and client before anything is trained, or what a run has spent.",
    "audit": "Train with canaries in one client, and bound its epsilon from below.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; by default the process's own.

    Returns:
        The exit status: 0, or 1 after an error that was printed as a sentence or if `verify` found problems.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print(_help())
        return 0
    if words[0] == "--version":
        print(f"adpfl-bench {adpfl_bench.__version__}")
        return 0
    try:
        return _dispatch(words)
    except BenchError as error:
        print(f"adpfl-bench: {error}", file=sys.stderr)
        return 1


def _dispatch(words: list[str]) -> int:
    command, rest = words[0], words[1:]
    if command in _TRAINING:
        from adpfl_bench.running.training import run  # deferred: importing torch and Lightning takes seconds

        run(words)
    elif command == "audit":
        from adpfl_bench.running.audit_run import run_audit  # deferred likewise

        return run_audit(rest)
    elif command in _PRIVACY:
        from adpfl_bench.cli.privacy import privacy  # deferred likewise; it defers torch itself

        return privacy(rest)
    elif command in _COMMANDS:
        from adpfl_bench.cli.function_command import run_function  # deferred likewise

        module, name, _ = _COMMANDS[command]
        return run_function(getattr(import_module(module), name), rest, f"adpfl-bench {command}")
    else:
        known = ", ".join([*_TRAINING, *_PRIVACY, *_COMMANDS])
        print(f"adpfl-bench: there is no command {command}; possible are {known}.", file=sys.stderr)
        return 2
    return 0


def _help() -> str:
    others = {name: text for name, (_, _, text) in _COMMANDS.items()}
    commands = {**_TRAINING, **_PRIVACY, **others}
    lines = "\n".join(f"  {name:<12} {text}" for name, text in commands.items())
    return f"""usage: adpfl-bench COMMAND [options]

Federated medical image segmentation under (adaptive) differential privacy.

commands:
{lines}

A run is read as task + method + place:
  adpfl-bench fit --config tasks/isic.yaml --config callbacks/adp_fl.yaml --data.root PATH
  adpfl-bench fit --config tasks/isic.yaml --config callbacks/adp_fl.yaml --config configs/phantom.yaml

adpfl-bench COMMAND --help lists a command's options; --version prints the version."""
