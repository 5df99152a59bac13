"""Errors that tell users what to do."""

import traceback

from adpfl_bench.errors import BenchError, add_note


def test_notes_are_those_of_python_wherever_it_has_them() -> None:
    error = BenchError("The cup is broken.")
    add_note(error, "It fell.")
    add_note(error, "Nobody was there.")
    assert error.__notes__ == ["It fell.", "Nobody was there."]
    if hasattr(error, "add_note"):
        error.add_note("Honestly.")
        assert "".join(traceback.format_exception(error)).splitlines()[-3:] == [*error.__notes__]
