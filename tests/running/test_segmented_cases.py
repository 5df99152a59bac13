"""Cases are read ahead and written behind: in order, and what was segmented is written whatever ends the rest."""

from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from adpfl_bench.data.case import Case
from adpfl_bench.errors import DataError, RecordError
from adpfl_bench.running.segmented_cases import Segmentation, segment_cases

CASES = [Case(name, name, (Path(f"{name}.png"),), None) for name in "abcd"]


class Hospital:
    """A model and the files of its cases; the model waits until the next case is read."""

    def __init__(self, breaks: str = "", unwritable: str = "") -> None:
        self.breaks, self.unwritable = breaks, unwritable
        self.read = {case.case_id: Event() for case in CASES}
        self.written: list[str] = []
        self.model = SimpleNamespace(predicted=("lesion",))
        self.datamodule = self

    def new_case(self, case: Case) -> Any:
        self.read[case.case_id].set()
        if case.case_id == "b":
            raise DataError("b is broken")
        return SimpleNamespace(case=case.case_id, spacing=None, grid=None)

    def masks(self, brought: Any) -> Any:
        following = chr(ord(brought.case) + 1)
        assert following not in self.read or self.read[following].wait(10)
        if brought.case == self.breaks:
            raise KeyboardInterrupt
        return np.zeros((1, 2, 2), dtype=bool)

    def write_prediction(self, folder: Path, case: str, *_: object) -> None:
        if case == self.unwritable:
            raise OSError("no space")
        self.written.append(case)


def told(hospital: Any, tmp_path: Path, error: type[BaseException] | None = None) -> list[tuple[str, str | None]]:
    rows: list[tuple[str, str | None]] = []
    wanted = Segmentation([tmp_path], [], tmp_path)
    arguments = ([hospital], CASES, wanted, lambda case, reason: rows.append((case.case_id, reason)))
    if error is None:
        segment_cases(*arguments)
    else:
        with pytest.raises(error):
            segment_cases(*arguments)
    assert hospital.written == [case for case, reason in rows if reason is None]
    return rows


def test_cases_are_told_in_order_and_read_ahead(tmp_path: Path) -> None:
    assert told(Hospital(), tmp_path) == [("a", None), ("b", "b is broken"), ("c", None), ("d", None)]


def test_what_was_segmented_before_a_stop_is_written_and_told(tmp_path: Path) -> None:
    assert told(Hospital(breaks="d"), tmp_path, KeyboardInterrupt) == [("a", None), ("b", "b is broken"), ("c", None)]


def test_masks_that_cannot_be_written_end_it_and_are_not_told(tmp_path: Path) -> None:
    assert told(Hospital(unwritable="c"), tmp_path, RecordError) == [("a", None), ("b", "b is broken")]
