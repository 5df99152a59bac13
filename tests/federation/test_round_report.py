"""Numbers of a round, by client and over all."""

import pytest
import torch

from adpfl_bench.federation.round_report import RoundReport
from adpfl_bench.federation.round_schedule import RoundSchedule


def turn(report, client, losses, norm, which="shared"):
    report.begin_turn()
    for loss in losses:
        report.step(torch.tensor(loss))
    report.end_turn(client, which, norm)


def test_losses_are_averaged_as_deltas_are():
    report = RoundReport()
    report.begin(RoundSchedule(1), 0, ["a", "b"], 0.1)
    turn(report, "a", [1.0, 3.0, float("nan")], 5.0)  # the last batch was empty
    turn(report, "b", [4.0], 6.0)
    assert report.numbers({"a": 0.75, "b": 0.25}) == [
        (None, "learning_rate", 0.1),
        ("a", "train_loss", 2.0),
        ("a", "delta_norm", 5.0),
        ("b", "train_loss", 4.0),
        ("b", "delta_norm", 6.0),
        (None, "train_loss", 2.5),
    ]
    assert report.loss == 4.0


def test_where_nobody_sends_clients_count_alike():
    report = RoundReport()
    report.begin(RoundSchedule(1), 0, ["a", "b"], 0.1)
    assert report.loss is None
    turn(report, "a", [2.0], 1.0, "personal")
    turn(report, "b", [4.0], 1.0, "personal")
    assert report.numbers({})[-1] == (None, "train_loss", pytest.approx(3.0))


def test_who_drops_out_or_straggles_is_noted_once():
    schedule, names = RoundSchedule(1, seed=1, dropout={"a": 0.999}, straggling=1.0), ["a", "b", "c"]
    report = RoundReport()
    report.begin(schedule, 0, names, 0.1)
    noted = report.numbers({"b": 1.0})[1:] if schedule.absent(0, names) else []
    assert ("a", "dropped_out", 1.0) in noted
    assert [entry for entry in noted if entry[1] == "straggled"] == [("b", "straggled", 1.0), ("c", "straggled", 1.0)]
    assert not any(name == "train_loss" for _, name, _ in noted)  # of a round that nobody here has trained in
