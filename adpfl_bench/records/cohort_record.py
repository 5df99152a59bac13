"""Cohort record: what another hospital's data were that a run's models have scored, and by which weights."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.records.block import Block
from adpfl_bench.records.blocks import DataBlock
from adpfl_bench.text import folder_name_problem


class CohortRecord(Block):
    """``cohort.json``, beside ``cases.csv`` with the scores."""

    format: Literal[1] = 1
    """Version of the file's format."""
    name: str
    """Name of the cohort."""
    data: DataBlock
    """The cohort's data; all of it is scored."""
    weights: dict[str, str]
    """By whose model it is (``global``, or a client's), the SHA-256 of the weights, in hexadecimal."""
    chain: str
    """Last link of the run's chain of rounds when it was scored, in hexadecimal; empty where the run has none."""
    cases_sha256: str
    """SHA-256 of ``cases.csv``, in hexadecimal."""

    def to_json(self) -> str:
        """The file's text."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"


def cohort_home(run: Path) -> Path:
    """Folder of all cohorts' scores within that of a run."""
    return run / "cohorts"


def cohort_folder(run: Path, name: str) -> Path:
    """Folder of a cohort's scores within that of a run.

    Raises:
        ConfigError: The name is none of a folder.
    """
    if (problem := folder_name_problem(name)) is not None:
        raise ConfigError(f"The cohort is called {name[:80]!r}, which {problem}; give it another name.")
    return cohort_home(run) / name


def read_cohort(folder: Path) -> CohortRecord:
    """Read a cohort's record.

    Args:
        folder: Folder of the cohort's scores.

    Raises:
        RecordError: It is missing or damaged.
    """
    path = folder / "cohort.json"
    try:
        return CohortRecord.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} cannot be read as the record of a cohort: {error}") from error
