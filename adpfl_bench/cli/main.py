"""Entry point: a table of commands, each imported when it is asked for, so that most answer without loading torch."""

import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import adpfl_bench
from adpfl_bench.cli.training_help import asks_for_help, training_help, with_all_settings
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.files import file_trouble
from adpfl_bench.grid.python_command import SAFE_PATH
from adpfl_bench.kept_memory import keep_freed_memory
from adpfl_bench.peers import LAUNCHED, PEER_LOST, PeerLost, peers
from adpfl_bench.shortage import shortage
from adpfl_bench.stopping import Stopped, exit_status, heeding_stops
from adpfl_bench.text import is_text, say_loading


class Command(NamedTuple):
    """A command of the table.

    Attributes:
        module: Where its function is.
        function: Does what the command says, and may return an exit status.
        text: What the help says of it.
        reads_words: The function takes the command line itself, in place of parameters that become options.
    """

    module: str
    function: str
    text: str
    reads_words: bool = False


COMMANDS = {
    "fit": Command("cli.launch", "run", "Train a federation, then score it on validation and test cases.", True),
    "validate": Command("cli.launch", "run", "Score a trained run's model on its validation cases.", True),
    "test": Command("cli.launch", "run", "Score a trained run's model on its test cases.", True),
    "predict": Command("cli.launch", "run", "Write a trained run's masks of its test cases as files.", True),
    "evaluate": Command("cli.evaluate", "evaluate", "Score another hospital's data by the models of runs.", True),
    "segment": Command(
        "cli.segment", "segment", "Segment images of new patients, without masks, by a trained model.", True
    ),
    "export": Command("cli.export", "export", "Write a trained model as a MONAI bundle with a model card.", True),
    "benchmark": Command(
        "grid.benchmark", "benchmark", "Make every run of a grid of tasks, methods and seeds, and tables of them."
    ),
    "privacy": Command(
        "cli.privacy",
        "privacy",
        "Epsilon by round and client before anything is trained, or what a run has spent.",
        True,
    ),
    "account": Command("cli.account_command", "account", "One privacy budget for a cohort across all its runs.", True),
    "audit": Command(
        "running.audit_run", "run_audit", "Train with canaries in one client, and bound its epsilon from below.", True
    ),
    "deploy": Command(
        "cli.deploy_command", "deploy", "Make a run at hospitals that share nothing but what their clients send.", True
    ),
    "prepare": Command("cli.prepare", "prepare", "Check and prepare volumes before training."),
    "plan": Command("cli.plan_command", "plan", "Read a dataset of your own, and write a task file that fits it."),
    "verify": Command("cli.verify", "verify", "Read every file of a dataset and list all that is wrong."),
    "phantom": Command("cli.phantom", "phantom", "Write a synthetic cohort in a dataset's own layout."),
    "verify-run": Command(
        "cli.verify_run", "verify_run", "Check what the records of runs prove, and their scores again.", True
    ),
    "manifest": Command("cli.manifest_command", "manifest", "State the digests of published files, or check them."),
    "leaderboard": Command("report.commands", "leaderboard", "Make tables and pictures from finished runs."),
    "report": Command("report.commands", "report", "Make one page of finished runs, to be read offline."),
    "list": Command("cli.listing", "list_offers", "List tasks, methods, places, datasets, networks, metrics ...", True),
    "show": Command("cli.listing", "show", "Say what one of these is, and what can be set.", True),
    "completion": Command("cli.completion", "completion", "Print a script by which a shell completes commands.", True),
    "wandb": Command("wandb.upload", "upload", "Log a leaderboard's tables and page to Weights & Biases."),
}

AFTER_STOP = {
    "fit": "the same command with --ckpt_path last continues after the last whole round",
    "audit": "an audit cannot be continued: start it anew with --record.overwrite true",
    "benchmark": "the same command goes on",
    "deploy": "the same command goes on",
    "prepare": "what was prepared stays, and the same command goes on",
    "plan": "nothing was written",
    "verify": "nothing was changed",
    "segment": "what was written stays, and the same command with --overwrite starts anew",
}
"""What a command that was stopped by a signal has to be told next; others start anew."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; by default the process's own.

    Returns:
        The exit status: 0; 1 after an error that was printed as a sentence, or if `verify` or `verify-run` found
        problems; 143, 130 or 129 after SIGTERM, SIGINT or SIGHUP; 141 where nobody reads the output any more.
    """
    if arguments is None:  # what this process starts finds no modules in the working directory, as it does not itself
        os.environ.setdefault(SAFE_PATH, "1")
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what a terminal has no letters for is no reason to end
    if not words or words[0] in ("-h", "--help"):
        print(_help())
        return 0
    if words[0] == "--version":
        print(f"adpfl-bench {adpfl_bench.__version__}")
        return 0
    if words[0] not in COMMANDS:
        print(f"adpfl-bench: there is no command {words[0]}; possible are {', '.join(COMMANDS)}.", file=sys.stderr)
        return 2
    # Threads that spin while they wait collapse as soon as anything else wants a core; libraries read it as they load.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    keep_freed_memory()
    # Of several processes the first to end makes the others' connections complain, which say it themselves.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    with heeding_stops() as stops:
        try:
            _check_text(words)
            status = _run(COMMANDS[words[0]], words)
            sys.stdout.flush()
            return status
        except BaseException as error:
            came = stops.came or (error.number if isinstance(error, Stopped) else None)
            if came is None and isinstance(error, PeerLost):
                return _after_loss(error)
            # After a stop it may be anything: the error of an import that was broken off, say.
            text = str(error) if isinstance(error, BenchError) else shortage(error) or file_trouble(error)
            if came is None and not isinstance(error, Exception):
                raise
            if came is None and text is None:
                from adpfl_bench.cli import unexpected  # deferred: nearly all commands end without

                if unexpected.reader_has_left(error):
                    return exit_status(signal.SIGPIPE)
                text = unexpected.say_unexpected(error, words)
            if came is None:
                print(f"adpfl-bench: {text}", file=sys.stderr)
                return 1
        if peers().speaks:
            then = AFTER_STOP.get(words[0], "the same command starts anew")
            print(f"adpfl-bench: stopped by {came.name}; {then}.", file=sys.stderr)
        return exit_status(came)


def _after_loss(error: PeerLost) -> int:
    """Say that another process has ended, unless it has said so itself, or what has started all will."""
    if error.said:
        return 1
    if peers().speaks:
        print(f"adpfl-bench: {error}", file=sys.stderr)
    return PEER_LOST


def _check_text(words: Sequence[str]) -> None:
    for word in words:
        if not is_text(word):
            raise ConfigError(
                f"{os.fsencode(word)!r} on the command line is not UTF-8, so that no record could state it; rename the"
                " file or folder."
            )


def _run(command: Command, words: Sequence[str]) -> int:
    if asks_for_help(words):
        print(training_help(words[0]))
        return 0
    words = with_all_settings(words)
    another = LAUNCHED in os.environ or os.environ.get("RANK", "0") != "0"  # of the processes that share a run
    if (command.module.startswith("running.") or command.module == "cli.launch") and not another:
        say_loading(words[0])
    function = getattr(import_module(f"adpfl_bench.{command.module}"), command.function)
    if command.reads_words:
        status = function(words)
    else:
        from adpfl_bench.cli.function_command import run_function  # deferred likewise: jsonargparse

        status = run_function(function, words[1:], f"adpfl-bench {words[0]}")
    return status if isinstance(status, int) else 0


def _help() -> str:
    lines = "\n".join(f"  {name:<12} {command.text}" for name, command in COMMANDS.items())
    return f"""usage: adpfl-bench COMMAND [options]

Federated medical image segmentation under (adaptive) differential privacy.

commands:
{lines}

A run is read as task + method + place:
  adpfl-bench fit --config tasks/isic.yaml --config callbacks/adp_fl.yaml --data.root PATH
  adpfl-bench fit --config tasks/isic.yaml --config callbacks/adp_fl.yaml --config configs/phantom.yaml

adpfl-bench list and adpfl-bench show find and explain tasks, methods, places and what they are made of.
adpfl-bench COMMAND --help lists a command's options; --version prints the version."""
