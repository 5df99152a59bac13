"""What is shown of a run's rounds: a line for each, above a bar that says how long the whole run will take."""

import re
import threading
from io import StringIO

import pytest
import rich
from lightning.pytorch import Callback

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.progress import RoundLines, RoundProgressBar
from adpfl_bench.callbacks.round_clock import RoundClock, left_text


class Seconds:
    """A clock that stands still until it is told to go on."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_time_left_is_that_of_all_rounds_to_come():
    now = Seconds()
    clock = RoundClock(10, now=now)
    assert clock.left is None
    now.now += 2
    clock.advance(0.25)  # a whole round takes 8 s
    assert clock.left == pytest.approx(78)
    now.now += 10
    assert clock.end_round() == pytest.approx(12)
    assert clock.left == pytest.approx(9 * 12)
    now.now += 3
    assert clock.left == pytest.approx(9 * 12 - 3)
    now.now += 30  # a round that takes longer than those before is not more than all of it
    assert clock.left == pytest.approx(8 * 12)


def test_time_left_of_a_continued_run_is_judged_by_the_rounds_since():
    now = Seconds()
    clock = RoundClock(10, done=7, now=now)
    now.now += 4
    clock.end_round()
    assert clock.left == pytest.approx(8)
    for _ in range(2):
        now.now += 4
        clock.end_round()
    assert clock.left == 0


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-:--:-- left"), (75.4, "0:01:15 left"), (100_000, "1 day, 3:46:40 left")]
)
def test_time_left_in_words(seconds, text):
    assert left_text(seconds) == text


class Watched(Callback):
    """Draws a bar after every step; by itself it is drawn so many times a second."""

    def __init__(self, bar):
        self.bar = bar

    def on_train_batch_end(self, *_):
        self.bar.refresh(hard=True)


LINE = r"round (\d)/3  loss \d\.\d{3}  dice \d\.\d{3}  \d+\.\d s"
LONG = "hospital of a city with a very long name"


@pytest.mark.parametrize("columns", [80, 120])
def test_a_bar_fits_the_terminal_and_every_round_leaves_its_line(fit, toy_task, toy_data, columns):
    shown = StringIO()
    bar = RoundProgressBar({"file": shown, "force_terminal": True, "width": columns, "color_system": None})
    try:
        data = toy_data({LONG: 12, "bay": 9})
        fit(toy_task(), data, FederatedLoop(rounds=3), bar, Watched(bar), enable_progress_bar=True)
    finally:
        rich.reconfigure()
    text = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "\n", shown.getvalue())
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", text)]
    assert [match[1] for line in lines if (match := re.fullmatch(LINE, line))] == ["1", "2", "3"]
    bars = [line for line in lines if line.startswith("Round ")]
    assert any(
        re.search(r"Round 2/3 .* \d+/\d+ 0:00:0\d left loss: \d\.\d{3} client: hospital …$", line) for line in bars
    )
    assert all(len(line) <= columns for line in lines)
    assert not [line for line in lines if line and not line.startswith(("Round ", "round ", "Validation"))]


def test_nobody_draws_the_bar_while_a_line_is_printed(fit, toy_task, toy_data):
    free = []

    class Bar(RoundProgressBar):
        def _init_progress(self, trainer):
            super()._init_progress(trainer)
            live, inner = self.progress.live, self.progress.console.print

            def tried():
                free.append(live._lock.acquire(blocking=False))
                if free[-1]:
                    live._lock.release()

            def printed(*objects, **options):
                if str(objects[0]).startswith("round "):
                    other = threading.Thread(target=tried)
                    other.start()
                    other.join()
                inner(*objects, **options)

            self.progress.console.print = printed

    bar = Bar({"file": StringIO(), "force_terminal": True, "width": 80})
    try:
        fit(toy_task(), toy_data(), FederatedLoop(rounds=3), bar, enable_progress_bar=True)
    finally:
        rich.reconfigure()
    assert len(free) >= 3
    assert not any(free)


def test_the_largest_numbers_fit_80_columns_too():
    parts = ["Round 1200/1250", "━" * 10, "999/1000", left_text(86_399), "loss: 0.123", "client: hospital …"]
    assert len(" ".join(parts)) <= 80


def test_lines_of_a_log_are_the_lines_of_a_terminal(fit, toy_task, toy_data, capsys):
    fit(toy_task(), toy_data(), FederatedLoop(rounds=3), RoundLines())
    assert [re.fullmatch(LINE, line)[1] for line in capsys.readouterr().out.splitlines()] == ["1", "2", "3"]
