"""Sentences in a terminal are broken between words, and stay whole in a log."""

import pytest

from adpfl_bench.text import say

LINES = (
    "isic / fedavg / seed 0: 32 phantom cases; into runs/isic/a_name_that_is_longer_than_the_terminal/seed0\n  test: 1"
)


def test_a_log_has_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    say(LINES)
    assert capsys.readouterr().out == f"{LINES}\n"


def test_a_terminal_has_whole_words(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    say(LINES)
    printed = capsys.readouterr().out
    assert printed.split() == LINES.split()
    assert printed.splitlines() == [
        "isic / fedavg / seed 0: 32 phantom",
        "  cases; into",
        "  runs/isic/a_name_that_is_longer_than_the_terminal/seed0",
        "  test: 1",
    ]
