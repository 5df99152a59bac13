"""Runs the tutorials, each in an empty folder, and with ``--keep`` writes their outputs back: ``make tutorials``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

from adpfl_bench.processors import count_processors

_SECONDS_OF_A_CELL = 300
_FOLDER = Path(__file__).resolve().parents[1] / "tutorials"


def run_tutorial(path: Path, keep: bool) -> None:
    """Run a notebook from its first cell to its last.

    Args:
        path: The notebook.
        keep: Write it back with what came out.

    Raises:
        CellExecutionError: A cell failed; it shows the cell and what it said.
        CellTimeoutError: A cell took longer than five minutes.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=_SECONDS_OF_A_CELL,
            record_timing=False,  # or every run would change every cell
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        )
        client.execute()
    if keep:
        for cell in notebook.cells:
            for output in cell.get("outputs", ()):
                if output.output_type == "stream":
                    output.text = "\n".join(line.rstrip() for line in output.text.split("\n"))
        notebook.metadata = {"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}}
        nbformat.write(notebook, path)


def main() -> int:
    """Run those that the command line names, or all, as many at a time as there are processors.

    Returns:
        1 if one failed.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(_FOLDER.glob("*.ipynb")))
    parser.add_argument("--keep", action="store_true", help="write the outputs into the notebooks")
    given = parser.parse_args()
    if not given.notebooks:
        parser.error(f"there is no notebook in {_FOLDER}; expected *.ipynb")
    if missing := [path for path in given.notebooks if not path.is_file()]:
        parser.error(f"there is no notebook {missing[0]}")
    # What cells start is the suite of this Python, which writes lines as into a file: no bars that move, no colours.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ |= {"COLUMNS": "160", "OMP_NUM_THREADS": "1", "TTY_COMPATIBLE": "0", "NO_COLOR": "1"}
    failed = False
    with ProcessPoolExecutor(min(count_processors(), len(given.notebooks))) as pool:
        for line, failure in pool.map(partial(_attempt, keep=given.keep), given.notebooks):
            failed = failed or failure is not None
            print(failure or line, file=sys.stderr if failure else sys.stdout, flush=True)
    return 1 if failed else 0


def _attempt(path: Path, keep: bool) -> tuple[str, str | None]:
    """Return a line on a notebook that ran, and what to say of one that failed."""
    started = time.perf_counter()
    try:
        run_tutorial(path, keep)
    except (CellExecutionError, CellTimeoutError) as error:
        return "", f"{path} failed:\n{error}"
    return f"{path.name}: {time.perf_counter() - started:.0f} s", None


if __name__ == "__main__":
    sys.exit(main())
