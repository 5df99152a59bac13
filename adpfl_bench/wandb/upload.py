"""The command ``adpfl-bench wandb``: a leaderboard's tables and page in Weights & Biases."""

import base64
import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.text import plain_cell
from adpfl_bench.wandb.session import default_mode, load_wandb

TABLES = ("leaderboard", "clients", "comparisons", "ranking", "thresholds", "hospitals")
_OTHERS = ("leaderboard.md", "leaderboard.tex")
_PAGE = "report.html"
_NEVER_NUMBERS = re.compile(
    r"fingerprint|test_set|hospital_contents|seeds|.*settings"
)  # a digest may happen to look like a number
_EMBEDDED = re.compile(r"data:image/[\w.+-]+;base64,([A-Za-z0-9+/=]+)")


def upload(results: Path, project: str = "adpfl-bench", name: str | None = None, images: bool = False) -> None:
    """Log a leaderboard's tables and report to Weights & Biases, offline unless someone is logged in.

    The run of type ``leaderboard`` holds each CSV file with any line as a table and the report as a panel (``report``)
    and, with the files beside it, as an artifact of the type ``report``.

    Args:
        results: Folder that adpfl-bench leaderboard has written.
        project: W&B project.
        name: Name of the run; by default that of the folder.
        images: Upload the report even if it shows patients' images.

    Raises:
        RecordError: The folder holds no leaderboard, or a file of it cannot be read.
        ConfigError: The report shows patients' images, or wandb cannot be imported.
    """
    files = {path.stem: path for table in TABLES if (path := results / f"{table}.csv").is_file()}
    page = results / _PAGE
    if "leaderboard" not in files or not page.is_file():
        raise RecordError(
            f"Expected leaderboard.csv and {_PAGE} in {results}, but they are not both there: give the --output folder"
            " of adpfl-bench leaderboard."
        )
    tables = {table: _read_table(path) for table, path in files.items()}
    if not images and _shows_patients(page, tables["leaderboard"]):
        raise ConfigError(
            f"{page} shows patients' images, which would be uploaded: make it without, by adpfl-bench leaderboard"
            " --overlays false, or give --images true if they may leave this machine."
        )
    wandb = load_wandb()
    run = wandb.init(
        project=project,
        name=name or results.resolve().name,
        job_type="leaderboard",
        dir=str(results.resolve()),
        mode=default_mode(),
        reinit="create_new",
    )
    try:
        run.log({table: _as_table(wandb, header, rows) for table, (header, rows) in tables.items() if rows})
        run.log({"report": wandb.Html(page.read_text(encoding="utf-8"), inject=False)})
        artifact = wandb.Artifact("leaderboard", type="report")
        for path in (*files.values(), *(results / other for other in _OTHERS), page):
            if path.is_file():
                artifact.add_file(str(path))
        run.log_artifact(artifact)
    finally:
        run.finish()


def _read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and cells of a CSV file.

    Raises:
        RecordError: It is no table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = ([plain_cell(cell) for cell in row] for row in csv.reader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise RecordError(f"{path} cannot be read as a table: {error}") from error
    if any(len(row) != len(header) for row in rows):
        raise RecordError(f"{path} has lines that are not as long as its header: make it again.")
    return header, rows


def _as_table(wandb: Any, header: list[str], rows: list[list[str]]) -> Any:
    """Columns of numbers become numbers, and empty cells ``None``."""
    columns = [_values(name, [row[index] for row in rows]) for index, name in enumerate(header)]
    return wandb.Table(columns=header, data=[list(row) for row in zip(*columns, strict=True)])


def _values(name: str, cells: list[str]) -> list[str | float | None]:
    stated = [cell for cell in cells if cell]
    if _NEVER_NUMBERS.fullmatch(name) or not stated or not all(_is_number(cell) for cell in stated):
        return [cell or None for cell in cells]
    return [float(cell) if cell else None for cell in cells]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _shows_patients(page: Path, leaderboard: tuple[list[str], list[list[str]]]) -> bool:
    """Whether a page on real data holds a picture that is none of the plots beside it.

    The plots are drawn from scores and lie as ``GROUP/NAME.png`` next to the page; ``overlays.png`` is made of images.
    """
    header, rows = leaderboard
    kinds = {dict(zip(header, row, strict=True)).get("kind") for row in rows}
    if kinds <= {"phantom"}:
        return False
    plots = _encoded(path for path in page.parent.glob("*/*.png") if path.stem != "overlays")
    return not set(_EMBEDDED.findall(page.read_text(encoding="utf-8"))) <= plots


def _encoded(paths: Iterable[Path]) -> set[str]:
    return {base64.b64encode(path.read_bytes()).decode() for path in paths}
