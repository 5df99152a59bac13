"""What the index says of a task."""

import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.report.task_summary import best_rows
from tests.leaderboard.records import case_row, private, write_run

PROVED = "Proved for a person, epsilon up to 10"


def best(root):
    groups, *_ = compare_runs(find_runs([root]))
    (table,) = (table for group in groups for table in tabulate(group))
    return {line[0]: line[1] for line in best_rows(table).cells}


@pytest.mark.parametrize(
    ("unit", "epsilon", "counts"),
    [
        ("record", 10.0, True),
        ("patient", 8.0, True),
        ("record", 10.1, False),
        ("record", None, False),
        ("batch", 1.0, False),
    ],
)
def test_what_is_proved_of_a_batch_or_at_a_large_epsilon_protects_nobody(tmp_path, unit, epsilon, counts):
    rows = {name: [case_row("a1", score), case_row("b", score)] for name, score in {"dp": 0.7, "none": 0.9}.items()}
    write_run(tmp_path / "dp", "dp", rows["dp"], privacy={**private(epsilon), "unit": unit})
    write_run(tmp_path / "fedavg", "fedavg", rows["none"])
    found = best(tmp_path)
    assert found["Best of all"] == found["Federated, not private"] == "fedavg"
    assert found["Private, proved or not"] == "dp"
    assert found.get(PROVED) == ("dp" if counts else None)
