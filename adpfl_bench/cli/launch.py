"""Launch of the processes that share a run: those that the command line asks for, or this one's place among others.

PyTorch's elastic agent starts, watches and ends them, as torchrun does; nothing is started anew by itself.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from multiprocessing import forkserver
from typing import Any

from adpfl_bench.cli.training_help import asks_the_parser
from adpfl_bench.config.config_files import settle
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.peers import LAUNCHED
from adpfl_bench.running.places import (
    Asked,
    as_chosen,
    asked_for,
    check_place,
    computing_with,
    found_place,
    joined,
)
from adpfl_bench.stopping import STOPPING, Stopped, exit_status
from adpfl_bench.text import count

_PRELOADED = ["adpfl_bench.running.training", "monai.networks.nets", "monai.inferers"]
_TIME_TO_END_S = 120  # a round's checkpoint may be on its way to a slow disk
_ROOM_OF_NODES = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK")


def run(words: Sequence[str]) -> int:
    """Run one of fit, validate, test and predict, in as many processes as are asked for.

    Args:
        words: The command line after the program's name.

    Returns:
        The exit status.
    """
    if asks_the_parser(words):
        return _train(words)
    line = settle(words[1:])
    asked, place = asked_for(line, words[0]), found_place()
    if asked.chosen:
        words = [words[0], *as_chosen(line, words[1:])]
        if place is None:
            print(_said(asked), end="", file=sys.stderr, flush=True)
    if place is None and asked.total > 1:
        return _launch(words, asked)
    if place is None:
        with computing_with(asked.threads):
            return _train(words)
    check_place(place, asked)
    with joined(place, asked.threads if LAUNCHED in os.environ else None):
        return _train(words)


def _train(words: Sequence[str]) -> int:
    from adpfl_bench.running.training import run as train  # deferred: what only launches needs none of it

    train(words)
    return 0


def _said(asked: Asked) -> str:
    """Say how a run is shared, where the suite has chosen it."""
    if asked.total > 1:
        return (
            f"{asked.total} processes share this run, each with {count(asked.threads or 1, 'thread')}"
            " (--trainer.devices 1: only one).\n"
        )
    return "" if asked.reason is None else f"One process makes this run: {asked.reason}.\n"


def _launch(words: Sequence[str], asked: Asked) -> int:
    os.environ[LAUNCHED] = "1"
    try:
        return _start(words, asked)
    finally:
        del os.environ[LAUNCHED]


def _start(words: Sequence[str], asked: Asked) -> int:
    multiprocessing.set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()  # it imports what all need while this process imports what starts them
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=asked.machines,
        max_nodes=asked.machines,
        nproc_per_node=asked.processes,
        run_id="adpfl-bench",
        max_restarts=0,
        start_method="forkserver",  # they start from one process that has imported everything
        logs_specs=DefaultLogsSpecs(log_dir=os.devnull),
        shutdown_timeout=_TIME_TO_END_S,
        **_meeting(asked.machines),
    )
    logging.disable(logging.CRITICAL)  # how the processes ended is said below, or by themselves
    try:
        elastic_launch(config, _work)(list(words), os.getpid())
    except SignalException as error:
        raise Stopped(signal.Signals(error.sigval)) from None
    except ChildFailedError as error:
        failure = error.get_first_failure()[1]
        return _status(failure.exitcode)
    finally:
        logging.disable(logging.NOTSET)
    return 0


def _meeting(machines: int) -> dict[str, Any]:
    """Where the processes meet: on this machine, or where the environment says."""
    if machines == 1:
        return {"rdzv_backend": "c10d", "rdzv_endpoint": "127.0.0.1:0", "local_addr": "127.0.0.1"}
    if missing := [name for name in _ROOM_OF_NODES if name not in os.environ]:
        raise ConfigError(
            f"trainer.num_nodes is {machines}, but the environment lacks {', '.join(missing)}, by which the machines"
            " find each other: start the command with srun or torchrun, or set all three on each machine (NODE_RANK 0"
            " is the machine of MASTER_ADDR)."
        )
    address, port, rank = (os.environ[name] for name in _ROOM_OF_NODES)
    return {"rdzv_backend": "static", "rdzv_endpoint": f"{address}:{port}", "rdzv_configs": {"rank": int(rank)}}


def _status(found: int) -> int:
    if found in map(exit_status, STOPPING) or found == 1:
        return found  # it has said why
    how = "left no word" if found > 0 else f"was killed by {signal.Signals(-found).name}"
    raise BenchError(
        f"One of the run's processes {how}, and the others have ended with it. If memory was short, let fewer processes"
        " share the run; the same command with --ckpt_path last goes on after the last whole round, also with another"
        " number of processes."
    )


def _work(words: list[str], command: int) -> None:
    from adpfl_bench.cli.main import main

    # What started this process would start its loaders too, which could not be handed what they load.
    multiprocessing.set_start_method(None, force=True)
    if hasattr(os, "pidfd_open"):  # of Linux
        threading.Thread(target=_stop_after, args=(os.pidfd_open(command),), daemon=True).start()
    try:
        sys.exit(main(words))
    except Exception:  # the agent would keep it to itself
        traceback.print_exc()
        sys.exit(1)


def _stop_after(command: int) -> None:
    """Stop this process as SIGTERM does when the command that started it has been killed, and so could not."""
    select.select([command], [], [])
    os.kill(os.getpid(), signal.SIGTERM)
