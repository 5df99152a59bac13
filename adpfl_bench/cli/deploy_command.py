"""The command ``adpfl-bench deploy``: a run at hospitals, from its first files on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any

from adpfl_bench.cli.deploy_check import check
from adpfl_bench.cli.deploy_setup import certificates, init, node
from adpfl_bench.cli.deploy_worker import serve
from adpfl_bench.cli.function_command import run_one_of

_COMMANDS: MappingProxyType[str, Callable[..., Any]] = MappingProxyType(
    {"init": init, "certificates": certificates, "check": check, "serve": serve, "node": node}
)

_HELP = """usage: adpfl-bench deploy init FOLDER --config FILE [--config FILE ...] --hospital NAME [--hospital NAME ...]
       adpfl-bench deploy certificates FOLDER [--host HOST]
       adpfl-bench deploy check HOSPITAL.yaml
       adpfl-bench deploy serve HOSPITAL.yaml
       adpfl-bench deploy node HOSPITAL.yaml --superlink HOST:PORT

A run at hospitals that share nothing but what their clients send, over Flower, which is an extra: adpfl-bench[deploy].

  init          write the files of the server and of the hospitals
  certificates  make certificates and keys for a trial
  check         say what a hospital would take part in, before anything is joined
  serve         be a hospital's worker, which has its data, noise, ledger and account
  node          connect a hospital to the server

adpfl-bench deploy COMMAND --help lists a command's options; docs/hospitals.md goes from nothing to a trained model."""


def deploy(words: Sequence[str]) -> int:
    """Run the command.

    Args:
        words: The command line after the program's name.

    Returns:
        The exit status: 0, or that of the command.

    Raises:
        BenchError: An option is wrong, or what the command needs is not there.
    """
    return run_one_of("deploy", _COMMANDS, _HELP, words)
