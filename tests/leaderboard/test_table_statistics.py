"""Intervals, comparisons and rankings of tables, computed again from the files with pandas, scipy and statsmodels."""

import csv
import io
import json
import random
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.comparisons import ComparisonRow
from adpfl_bench.leaderboard.csv_files import csv_files
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.rankings import RankingRow
from adpfl_bench.leaderboard.table import tabulate
from tests.leaderboard.golden_runs import CLIENTS, write_golden_runs
from tests.leaderboard.records import case_row, write_run


def tables_of(root):
    groups, _, _ = compare_runs(find_runs([root]))
    return [table for group in groups for table in tabulate(group)]


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    root = tmp_path_factory.mktemp("statistics")
    write_golden_runs(root)
    return root / "toy"


@pytest.fixture(scope="module")
def tables(golden):
    return tables_of(golden)


def lines_of(root):
    """Every test line of every run that counts, in one frame."""
    frames = []
    for path in sorted(root.glob("*/seed*/cases.csv")):
        record = json.loads((path.parent / "run.json").read_text())
        frames.append(pd.read_csv(path).assign(method=record["method"], seed=record["seed"]))
    return pd.concat(frames)


def patient_means(lines, region, metric="dice"):
    """Patients by methods: means over seeds, then over the patient's cases."""
    of_region = lines[lines.region == region]
    return (
        of_region.groupby(["method", "patient", "case"])[metric].mean().groupby(["method", "patient"]).mean().unstack(0)
    )


def test_comparisons_are_those_of_scipy_and_statsmodels(golden, tables):
    lines = lines_of(golden)
    for table in tables:
        means = patient_means(lines, table.region)
        rows = table.statistics.comparisons
        assert len(rows) == 10
        order = [row.label for row in table.rows]
        assert [(row.first, row.second) for row in rows] == [
            (a, b) for i, a in enumerate(order) for b in order[i + 1 :]
        ]
        p_values = []
        for row in rows:
            differences = (means[row.first] - means[row.second]).to_numpy()
            test = stats.wilcoxon(differences, method="exact")
            p_values.append(test.pvalue)
            assert row.p == pytest.approx(test.pvalue, rel=1e-9)
            walsh = [(a + b) / 2 for i, a in enumerate(differences) for b in differences[i:]]
            assert row.median_difference == pytest.approx(np.median(walsh))
            ranks = stats.rankdata(abs(differences))
            assert row.rank_biserial == pytest.approx((np.sign(differences) * ranks).sum() / ranks.sum())
            assert row.patients == sum(CLIENTS.values())
        adjusted = multipletests(p_values, method="holm")[1]
        assert [row.p_holm for row in rows] == pytest.approx(list(adjusted))


def test_differences_are_those_of_the_table(tables):
    for table in tables:
        dice = {row.label: row for row in table.rows}
        for row in table.statistics.comparisons:
            assert row.difference == pytest.approx(dice[row.first].mean - dice[row.second].mean)
            assert row.difference_low < row.difference < row.difference_high
            assert row.first_sd_seeds == pytest.approx(dice[row.first].sd_seeds)
            assert row.second_sd_seeds == pytest.approx(dice[row.second].sd_seeds)


def test_intervals_are_near_those_of_a_plain_bootstrap_of_patients_and_seeds(tmp_path):
    """With many seeds and patients what the intervals are widened by is small."""
    noise, seeds, patients = random.Random(0), 12, 60
    effects = [noise.gauss(0, 0.08) for _ in range(patients)]
    scores = {}
    for method, level in {"fedavg": 0.8, "dp_fl": 0.7}.items():
        for seed in range(seeds):
            run = level + noise.gauss(0, 0.02)
            dice = [min(run + effect + noise.gauss(0, 0.01), 1.0) for effect in effects]
            scores[method, seed] = dice
            rows = [case_row(f"p{number:02d}", value) for number, value in enumerate(dice)]
            write_run(tmp_path / f"{method}{seed}", method, rows, seed)
    (table,) = tables_of(tmp_path)
    generator = np.random.default_rng(0)

    def resampled(method):
        values = np.array([scores[method, seed] for seed in range(seeds)])
        drawn_seeds = generator.integers(seeds, size=(4000, seeds))
        return np.array([values[s][:, p].mean() for s, p in zip(drawn_seeds, drawn_patients, strict=True)])

    drawn_patients = generator.integers(patients, size=(4000, patients))
    means = {method: resampled(method) for method in ("fedavg", "dp_fl")}
    for row in table.rows:
        low, high = np.quantile(means[row.method], [0.025, 0.975])
        assert [row.ci_low, row.ci_high] == pytest.approx([low, high], abs=0.2 * (high - low))
    low, high = np.quantile(means["fedavg"] - means["dp_fl"], [0.025, 0.975])
    (pair,) = table.statistics.comparisons
    assert (pair.first, pair.second) == ("fedavg", "dp_fl")
    assert [pair.difference_low, pair.difference_high] == pytest.approx([low, high], abs=0.2 * (high - low))


def ranks_of(lines, regions, metrics):
    """Mean over patients, regions and metrics of the ranks within a patient."""
    ranked = []
    for region in regions:
        for metric in metrics:
            means = patient_means(lines, region, metric).round(12)
            ranked.append(means.rank(axis=1, ascending=metric == "hd95"))
    return pd.concat(ranked).mean()


def test_ranking_is_that_of_pandas(golden, tables):
    lines = lines_of(golden)
    for table in tables:
        mean_ranks = ranks_of(lines, [table.region], ["dice", "hd95", "nsd"])
        rows = table.statistics.ranking
        assert [row.mean_rank for row in rows] == sorted(row.mean_rank for row in rows)
        assert {row.label: row.mean_rank for row in rows} == pytest.approx(dict(mean_ranks))
        assert {row.label: row.rank for row in rows} == dict(mean_ranks.rank(method="min").astype(int))
        assert (rows[0].regions, rows[0].metrics) == (table.region, "Dice; HD95; NSD")
        for row in rows:
            shares = [float(share) for share in row.rank_shares.split()]
            assert sum(shares) == pytest.approx(1, abs=2e-3)
            assert row.first_share == pytest.approx(shares[0], abs=1e-4)
            assert sum(shares[row.rank_low - 1 : row.rank_high]) >= 0.95 - 1e-3
            assert sum(shares[: row.rank_low - 1]) < 0.025
            assert sum(shares[row.rank_high :]) <= 0.025 + 1e-4


def test_a_group_with_several_regions_is_ranked_over_them_too(golden, tables):
    lines = list(csv.DictReader(io.StringIO(csv_files(tables)["ranking.csv"])))
    assert [line["regions"] for line in lines] == [*["whole"] * 5, *["core"] * 5, *["whole; core"] * 5]
    mean_ranks = ranks_of(lines_of(golden), ["whole", "core"], ["dice", "hd95", "nsd"])
    assert {line["label"]: float(line["mean_rank"]) for line in lines[10:]} == pytest.approx(dict(mean_ranks))
    assert "### Ranking by Dice, HD95, NSD, regions whole, core" in to_markdown(tables, [])


@pytest.mark.parametrize(("kind", "name"), [(ComparisonRow, "comparisons.csv"), (RankingRow, "ranking.csv")])
def test_csv_gives_back_every_number_at_full_precision(tables, kind, name):
    lines = list(csv.DictReader(io.StringIO(csv_files(tables)[name])))
    rows = [r for t in tables for r in (t.statistics.comparisons if kind is ComparisonRow else t.statistics.ranking)]
    assert len(rows) == (20 if kind is ComparisonRow else 10)
    for line, row in zip(lines, rows, strict=False):
        assert {type(value) for value in vars(row).values()} <= {str, int, float, type(None)}
        for field in fields(kind):
            value = getattr(row, field.name)
            assert (type(value)(line[field.name]) if line[field.name] else None) == value, field.name


def test_a_methods_own_interval_does_not_depend_on_the_others(golden, tables):
    (group,), *_ = compare_runs(find_runs([golden / "fedavg"]))
    alone = {table.region: table.rows[0] for table in tabulate(group)}
    for table in tables:
        (row,) = [row for row in table.rows if row.label == "fedavg"]
        ends = row.ci_low, row.ci_high
        assert ends == pytest.approx((alone[table.region].ci_low, alone[table.region].ci_high), rel=1e-12)


def test_phantom_and_real_are_never_compared(golden, tmp_path):
    write_golden_runs(tmp_path)
    for folder in (tmp_path / "toy" / "dp_fl").iterdir():
        record = json.loads((folder / "run.json").read_text())
        record["data"]["kind"] = "real"
        (folder / "run.json").write_text(json.dumps(record))
    lines = list(csv.DictReader(io.StringIO(csv_files(tables_of(tmp_path))["comparisons.csv"])))
    assert len(lines) == 2 * 6
    assert "dp_fl" not in {line[name] for line in lines for name in ("first", "second")}
    assert {line["kind"] for line in lines} == {"phantom"}
