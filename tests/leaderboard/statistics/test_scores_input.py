"""Scores: what is refused, and sums and means over a patient's cases."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from score_arrays import make_scores

import adpfl_bench.leaderboard.statistics
from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.leaderboard.statistics.paired_scores import PairedRun, PairedScores

VALUES = {"a": [[0.1, 0.2, 0.3, 0.9], [0.5, 0.6, 0.7, 0.1]], "b": [[0.4, 0.4, 0.4, 0.4]]}
PATIENTS = ["p2", "p1", "p2", "p3"]


@pytest.fixture
def scores():
    return make_scores(VALUES, PATIENTS, ["x", "x", "x", "y"])


def test_a_patient_is_the_mean_of_its_cases_and_of_all_seeds(scores):
    assert scores.patients == ("p1", "p2", "p3")
    assert scores.cases_per_patient.tolist() == [1, 2, 1]
    assert scores.patient_means("a") == pytest.approx([(0.2 + 0.6) / 2, (0.1 + 0.3 + 0.5 + 0.7) / 4, (0.9 + 0.1) / 2])
    assert scores.patient_sums("a") == pytest.approx(np.array([[0.2, 0.4, 0.9], [0.6, 1.2, 0.1]]))


def test_methods_may_have_other_seeds_and_fewer(scores):
    assert scores.seeds("a") == (0, 1)
    assert scores.seeds("b") == (0,)
    assert scores.mean("a") == pytest.approx(np.mean(VALUES["a"]))
    assert scores.seed_deviation("a") == pytest.approx(np.std([0.375, 0.475], ddof=1))
    assert scores.seed_deviation("b") is None


def test_an_unknown_method_is_named(scores):
    for ask in (scores.seeds, scores.values, scores.patient_means):
        with pytest.raises(ConfigError, match="one of the methods a, b, but found c"):
            ask("c")


def test_the_order_of_cases_does_not_matter(scores):
    cases, patients, clients = list(scores.cases), PATIENTS, ["x", "x", "x", "y"]
    shuffled = {0: [3, 1, 0, 2], 1: [0, 2, 1, 3]}  # each run in an order of its own
    turned = PairedScores(
        {
            method: {
                seed: PairedRun(
                    *([column[place] for place in shuffled[seed]] for column in (cases, patients, clients)),
                    scores.values(method)[position][shuffled[seed]],
                )
                for position, seed in enumerate(scores.seeds(method))
            }
            for method in scores.methods
        }
    )
    assert turned.cases == scores.cases
    assert turned.patient_sums("a").tolist() == scores.patient_sums("a").tolist()
    assert turned.values("a").tolist() == scores.values("a").tolist()


def test_only_rounding_is_settled():
    scores = make_scores({"a": [0.5, 0.25]})
    settled = scores.settle_ties(np.array([0.1 + 0.2 - 0.3, -1e-16, 0.3, 0.1 + 0.2, 1e-9]))
    assert settled.tolist() == [0.0, 0.0, 0.3, 0.3, 1e-9]
    assert not np.signbit(settled).any()
    large = make_scores({"a": [300.0, 2e5]})
    assert large.settle_ties(np.array([1e-8, 1e-3])).tolist() == [0.0, 1e-3]


def run(cases="c", score=0.5, patient="p", client="x"):
    n = len(cases)
    return PairedRun(list(cases), [patient] * n, [client] * n, np.full(n, score))


@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        ({}, "there is no run or no case"),
        ({"a": {0: run("")}}, "there is no run or no case"),
        ({"a": {0: run()}, "b": {}}, "method b has no run"),
        (
            {"a": {0: run("cdefgh")}, "b": {3: run("c")}},
            "same 6 cases, but b with seed 3 lacks d, e, f and 2 more: score it again",
        ),
        ({"a": {0: run(), 1: run("cd")}}, "a with seed 1 also has d"),
        ({"a": {0: run("cdc")}}, "a score for each case, but a with seed 0 has case c twice"),
        ({"a": {0: run("cd"), 1: run("cdd")}}, "a with seed 1 has case d twice"),
        ({"a": {0: run(score=float("nan"))}}, "finite score, but a with seed 0 has nan for case c"),
        ({"a": {0: run(score=float("inf"))}}, "has inf for case c"),
        ({"a": {0: run(), 1: run(patient="q")}}, "case c to be patient p's at client x.*patient q"),
        ({"a": {0: run(), 1: run(client="y")}}, "has patient p at client y"),
    ],
)
def test_contradictions_are_refused(runs, sentence):
    with pytest.raises(DataError, match=sentence):
        PairedScores(runs)


def test_nothing_else_of_the_suite_is_needed():
    """Statistics are pure numbers: of the suite they import the ground floor alone, and no torch."""
    folder = Path(adpfl_bench.leaderboard.statistics.__file__).parent
    imported = {
        node.module
        for file in folder.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("adpfl_bench")
    }
    others = {name for name in imported if not name.startswith("adpfl_bench.leaderboard.statistics")}
    assert others == {"adpfl_bench.errors", "adpfl_bench.seeding", "adpfl_bench.text"}
    heavy = "[name for name in ('torch', 'lightning') if name in sys.modules]"
    loaded = f"import sys; from adpfl_bench.leaderboard.statistics import bootstrap, pairwise, ranking; print({heavy})"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout.strip() == "[]"
