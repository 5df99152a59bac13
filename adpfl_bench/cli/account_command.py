"""The command ``adpfl-bench account``: what all runs on a cohort may come to, and what they have come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from adpfl_bench.cli.function_command import run_one_of
from adpfl_bench.privacy.account.account_checks import ACCOUNT_CHECKS, check_account
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.account.sealed_lines import AccountDamaged
from adpfl_bench.report.account_receipt import write_receipt
from adpfl_bench.report.account_report import show_account
from adpfl_bench.report.account_statement import AccountStatement
from adpfl_bench.text import count

AccountUnit = Literal["patient", "record", "client"]

_HELP = """usage: adpfl-bench account create PATH --epsilon E --delta D [--unit patient] [--name NAME] [--simulation]
       adpfl-bench account show PATH
       adpfl-bench account verify PATH [--seal SEAL]
       adpfl-bench account receipt PATH [--output FOLDER]

The account of a cohort: one (epsilon, delta) that all runs together may reach, for every unit, as long as the cohort
lives. Runs with --privacy.account PATH reserve there what they plan, and are refused where no room is left.

  create    make an account, which is a folder that a hospital keeps
  show      its runs, what they have spent together, and what is left
  verify    check its key, its lines, their sums and the journals of its runs; the exit status is 1 where one is wrong
  receipt   write receipt.html and receipt.txt: one page for a data-protection officer

adpfl-bench account COMMAND --help lists a command's options; docs/account.md says what is promised, and what not."""


def account(words: Sequence[str]) -> int:
    """Run the command.

    Args:
        words: The command line after the program's name.

    Returns:
        The exit status: 0, or 1 where ``verify`` found something.

    Raises:
        BenchError: An option is wrong, or the account cannot be read.
    """
    return run_one_of("account", _COMMANDS, _HELP, words)


def create(
    folder: Path,
    *,
    epsilon: float,
    delta: float,
    unit: AccountUnit = "patient",
    name: str = "",
    simulation: bool = False,
) -> None:
    """Make the account of a cohort.

    Args:
        folder: Its folder, which a hospital keeps, and of which it keeps copies.
        epsilon: What all runs together may reach, for every unit.
        delta: The delta that epsilon holds at; far below 1 / (number of patients).
        unit: What it protects: patient, record or client.
        name: What people call it; by default the folder's name.
        simulation: Take runs with noise from a seed too, as simulations have; nothing is promised to persons then.
    """
    made = CohortAccount.create(folder, epsilon, delta, unit, name, simulation)
    show_account(AccountStatement.of(made))
    print(f"Keep {folder}/key from everybody who must not know who is in the account, and keep a copy of both.")


def show(folder: Path) -> None:
    """Show an account: its runs, what they have spent together, and what is left.

    Args:
        folder: The account's folder.
    """
    show_account(AccountStatement.of(CohortAccount(folder)))


def verify(folder: Path, seal: str = "") -> int:
    """Check an account: its key, its lines, their sums, and the journals of its runs that are still there.

    Args:
        folder: The account's folder.
        seal: A seal that somebody has kept, of a receipt or of a run.json: it must still be in the account.
    """
    try:
        found = CohortAccount(folder)
    except AccountDamaged as error:
        print(f"{error.part}: {error}")
        return 1
    findings = check_account(found, seal)
    for finding in findings:
        print(f"{finding.check}: {finding.text}")
    if not findings:
        state = found.state()
        checks = [name for name in ACCOUNT_CHECKS if name != "seal" or seal]
        print(f"{folder}: verified ({', '.join(checks)}), {count(len(state.runs), 'run')}, {state.units:,} units")
    return int(bool(findings))


def receipt(folder: Path, output: Path | None = None) -> None:
    """Write one page for a data-protection officer, as HTML that needs nothing beside it, and as text.

    Args:
        folder: The account's folder.
        output: Where receipt.html and receipt.txt go; by default the working directory.
    """
    for path in write_receipt(CohortAccount(folder), output or Path()):
        print(path)


_COMMANDS: MappingProxyType[str, Callable[..., Any]] = MappingProxyType(
    {"create": create, "show": show, "verify": verify, "receipt": receipt}
)
