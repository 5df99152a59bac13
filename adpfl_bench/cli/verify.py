"""The command ``adpfl-bench verify``: reads every file of a dataset and lists all that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from adpfl_bench.cli.data_settings import read_settings
from adpfl_bench.data.ignored_files import ignored_images
from adpfl_bench.data.inventory import Inventory, duplicate_problems
from adpfl_bench.data.problems import Problem
from adpfl_bench.datasets.catalogue import DatasetName, find_datamodule
from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.processors import check_workers, in_parallel
from adpfl_bench.text import count, say_loading
from adpfl_bench.trust import trusting

_USUAL_ADVICE = "take the file again from the publisher, mend it, or leave the case out"
_WIDE = 100_000  # characters; a table that goes to a file or a program is not wrapped


def verify(
    dataset: DatasetName,
    *,
    root: Path,
    release: str | None = None,
    config: str | None = None,
    workers: int | None = None,
    trust: tuple[str, ...] = (),
) -> int:
    """Read every file of a dataset and list all that is wrong with it.

    Errors are missing and damaged files, shapes and positions that disagree, voxels that are no numbers, constant
    images, unexpected labels, empty label maps, and copies of an image under two patients. Warnings are of what can be
    used and is probably not as it was meant: MRI whose background is not 0, sequences that are the same, CT without
    Hounsfield units, affines that nobody filled in or that are sheared, pictures that are to be shown turned, inverted
    masks, and files that look like images and are not read. The exit status is 1 if there is any error; warnings alone
    leave it at 0.

    Args:
        dataset: What the folder holds; or the class path of a datamodule of your own that reads it, such as
            clinic.ClinicDataModule, with its folder on PYTHONPATH and --trust clinic.
        root: Folder of the dataset as its publisher ships it.
        release: Name of the release, where the folder does not give it away.
        config: Task file that states what the files of a dataset of your own hold, under data.description.
        workers: Processes that read, each a case at a time; by default one for each processor.
        trust: Module of your own whose class the command line names, such as clinic; may be given several times.
    """
    if workers is not None:
        check_workers("--workers", workers)
    say_loading("verify")
    with trusting(trust):
        datamodule = find_datamodule(dataset)
    stated = {} if config is None else read_settings(config, datamodule, datamodule.described_by)
    source = datamodule(root=root, **stated)
    inventory = source.inventory(root, release)
    if release not in (None, inventory.name):
        raise ConfigError(f"{root} holds {inventory.name}, and not {release}; leave --release out.")
    if not inventory.cases and not inventory.problems:
        raise DataError(f"{inventory.name} in {root} has no case with a label map; there is nothing to verify.")
    print(f"{root}: {inventory.name}, {count(inventory.cases, 'case')} to read", flush=True)
    summary, sound = read_inventory(inventory, root, source.left_out, workers)
    print(summary)
    return 0 if sound else 1


def read_inventory(
    inventory: Inventory, root: Path, left_out: Sequence[str] = (), workers: int | None = None
) -> tuple[str, bool]:
    """Read every file of an inventory, and print a table of what is wrong.

    Args:
        inventory: What is to be read.
        root: The dataset's folder, or its table.
        left_out: Names of files that are passed over on purpose.
        workers: Processes that read; by default one for each processor.

    Returns:
        What was found, as a clause, and whether there is no error.
    """
    folder, table = (root, False) if root.is_dir() else (root.parent, True)
    ignored = ignored_images(folder, inventory.cases, inventory.problems, left_out, beside=table)
    found = [*inventory.problems, *ignored, *_check_all(inventory, workers)]
    errors = [problem for problem in found if problem.severity == "error"]
    if found:
        _print_table(sorted(found, key=lambda problem: (problem.case, problem.severity, str(problem.path))))
    return _summary(errors, len(found) - len(errors), inventory), not errors


def _summary(errors: Sequence[Problem], warnings: int, inventory: Inventory) -> str:
    cases = sorted({problem.case for problem in errors if problem.case})
    problems = count(errors, "problem") if errors else "no problems"
    problems = f"{problems} in {count(cases if errors else inventory.cases, 'case')}"
    return f"{problems}, {count(warnings, 'warning')}" if warnings else problems


def _check_all(inventory: Inventory, workers: int | None) -> list[Problem]:
    """Read all cases, and find copies among them."""
    problems: list[Problem] = []
    images: dict[str, tuple[str, str, Path]] = {}
    for case, checked in in_parallel(inventory.check, inventory.cases, "Reading", workers, processes=True):
        problems += [*checked.problems, *checked.warnings]
        if case.images:
            images[case.case_id] = (case.patient_id, checked.digest, case.images[0])
    return problems + duplicate_problems(images)


def _print_table(problems: Sequence[Problem]) -> None:
    table = Table()
    for name in ("case", "problem", "severity", "what to do", "file"):
        table.add_column(name, overflow="fold")
    for problem in problems:
        cells = problem.case, problem.problem, problem.severity, problem.advice or _USUAL_ADVICE, str(problem.path)
        table.add_row(*map(Text, cells))
    console = Console()
    (console if console.is_terminal else Console(width=_WIDE)).print(table)
