"""The suite's own grid."""

from collections import Counter
from pathlib import Path

import pytest

from adpfl_bench.grid.grid import read_grid
from adpfl_bench.grid.plan import make_plan, read_patterns
from tests.grid.fakes import check


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_grid_is_tasks_by_methods_by_seeds() -> None:
    runs = make_plan(read_grid("configs/benchmark.yaml"), check=check)
    assert len(runs) == 4 * 9 * 3
    assert Counter(run.task for run in runs) == dict.fromkeys(("isic", "lgg_slices", "kits", "brats"), 27)
    assert {run.method for run in runs} == {
        *("local", "centralized", "fedavg", "fedprox", "dp_fl"),
        *("adp_fl", "adp_fl_quantile", "adp_fl_histogram", "dp_sgd"),
    }
    assert {run.seed for run in runs} == {0, 1, 2}
    assert {run.files.folder.parts[:2] for run in runs} == {("benchmark", "runs")}


def test_fit_takes_every_method_and_every_task_on_phantoms_and_reads_no_data() -> None:
    runs = make_plan(read_grid("configs/benchmark.yaml"), read_patterns("isic/*/0,*/adp_fl_quantile/0"))
    assert len(runs) == 9 + 3
    assert all(run.settings["data.init_args.root"] == '"phantom"' for run in runs)
    assert not list(Path().iterdir())
