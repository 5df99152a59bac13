"""A run in a few lines."""

import pytest

from adpfl_bench.errors import RecordError
from adpfl_bench.leaderboard.run_summary import privacy_text, summarize_run
from adpfl_bench.metrics.registry import DICE, HD95, UNSTATED
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.score_columns import ScoreColumns
from adpfl_bench.records.score_means import ScoreMeans, count_missed
from tests.leaderboard.records import NOT_PRIVATE, case_row, private, record_of, write_run

ROWS = [case_row("a1", 0.9), case_row("a2", 0.5), case_row("b", 0.4)]


def means_of(rows):
    return ScoreMeans(ScoreColumns.of(rows), UNSTATED)


def test_scores_by_hand():
    means = means_of(ROWS)
    assert means.distance_unit == "px"
    assert [means.mean(metric) for metric in UNSTATED] == pytest.approx(
        [0.6, (0.9 / 1.1 + 0.5 / 1.5 + 0.4 / 1.6) / 3, 4, 0.15]
    )
    assert (means.worst_client, means.clients["south"]) == ("south", pytest.approx(0.4))
    assert means.spread == pytest.approx(0.3)
    assert count_missed(ScoreColumns.of([*ROWS, case_row("b", 0.0)])) == 1


def test_a_missing_or_mixed_distance_has_no_mean():
    assert means_of([*ROWS, case_row("b", 0.0, hd95=None)]).mean(HD95) is None
    mixed = means_of([*ROWS, case_row("b", 0.0, distance_unit="mm")])
    assert (mixed.mean(HD95), mixed.distance_unit) == (None, "mm/px")
    assert mixed.mean(DICE) == pytest.approx(0.45)


def test_client_means_weigh_cases_equally_and_are_sorted():
    means = means_of(ROWS[::-1]).clients
    assert list(means) == ["north", "south"]
    assert means == {"north": pytest.approx(0.7), "south": pytest.approx(0.4)}


@pytest.mark.parametrize(
    ("privacy", "text"),
    [
        (
            NOT_PRIVATE,
            "not private; epsilon nominal none, accounted none, audited none (no audit beside this run)",
        ),
        (
            private(),
            "unit batch; epsilon nominal 0.001, accounted 8.5 at delta 0.0001, audited none (no audit beside this run)",
        ),
        (
            private(None, None),
            "unit batch; epsilon nominal none, accounted none (the threshold is raw), audited none"
            " (no audit beside this run)",
        ),
    ],
)
def test_privacy_in_words(privacy, text):
    assert privacy_text(record_of(privacy=privacy).privacy) == text


def test_summary_of_a_run(tmp_path):
    rows = [*ROWS, case_row("b", 0.25, "core", split="validation")]
    run = write_run(tmp_path / "run", "dp_fl", rows, privacy=private())
    assert summarize_run(RunDirectory(run)).splitlines() == [
        "      test lesion: Dice 0.6000 (SD over 3 cases 0.2646), HD95 4.00 px, NSD 0.1500, missed 0;"
        " worst client south 0.4000",
        "validation core: Dice 0.2500 (SD over 1 cases 0.0000), HD95 7.50 px, NSD 0.0625, missed 0;"
        " worst client south 0.2500",
        "   privacy unit batch; epsilon nominal 0.001, accounted 8.5 at delta 0.0001, audited none"
        " (no audit beside this run)",
        f"    record {run}",
    ]


def test_summary_of_a_run_without_scores_is_a_sentence(tmp_path):
    run = write_run(tmp_path / "run", "fedavg", None)
    with pytest.raises(RecordError, match="has not been scored yet"):
        summarize_run(RunDirectory(run))
