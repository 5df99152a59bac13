"""Reliability plot: the methods whose records state a calibration, by what tables judge them by."""

import numpy as np
import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.metrics.functional.reliability import Reliability
from adpfl_bench.records.calibration_block import CalibrationBlock
from adpfl_bench.report.reliability_plot import draw_reliability
from tests.leaderboard.records import edit_record, write_run

DICE = {"a1": 0.5, "b": 0.6}


def block(seed, overconfident, models="global", region="lesion", size=2000):
    generator = np.random.default_rng(seed)
    probabilities = generator.random(size)
    truth = generator.random(size) < probabilities ** (3 if overconfident else 1)
    return CalibrationBlock.of(models, region, [Reliability.of(probabilities, truth)])


def drawn(folder):
    (group,) = compare_runs(find_runs([folder])).groups
    (table,) = tabulate(group)
    return draw_reliability(table)


def test_methods_are_drawn_with_the_error_over_their_seeds(tmp_path):
    blocks = [block(0, True), block(1, True)]
    for seed, stated in enumerate(blocks):
        folder = write_run(tmp_path / f"fedavg{seed}", "fedavg", DICE, seed=seed)
        others = [block(9, False, models="own"), block(9, False, region="other")]
        edit_record(folder, calibration=[each.model_dump() for each in (*others, stated)])
    write_run(tmp_path / "dp_fl", "dp_fl", DICE)
    plot = drawn(tmp_path)["calibration"]
    error = (blocks[0].reliability + blocks[1].reliability).error
    assert error > 0.1
    assert plot.alt.endswith(f"expected calibration errors: fedavg {100 * error:.2f} %")
    above, below = plot.figure.axes
    line = above.get_lines()[1]
    assert line.get_label() == f"fedavg (ECE {100 * error:.2f} %)"
    assert np.polyval(np.polyfit(line.get_xdata(), line.get_ydata(), 3), 0.5) == pytest.approx(0.5**3, abs=0.05)
    assert len(line.get_xdata()) == 15
    assert len(below.patches) == 1


def test_bins_of_few_voxels_are_not_drawn_and_none_without_a_calibration(tmp_path):
    folder = write_run(tmp_path / "fedavg", "fedavg", DICE)
    assert drawn(tmp_path) == {}
    edit_record(folder, calibration=[block(0, False, size=60).model_dump()])
    assert len(drawn(tmp_path)["calibration"].figure.axes[0].get_lines()[1].get_xdata()) == 0
