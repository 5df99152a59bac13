"""Paired scores: what methods reached on the same cases, run by run; and resamples of the patients."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.seeding import numpy_generator
from adpfl_bench.text import a_few

FloatArray = NDArray[np.float64]

_DIGITS = 12
"""Scores that agree in so many digits are equal: means of equal scores differ in the last of a float's sixteen."""


class PairedRun(NamedTuple):
    """Scores of one run on N cases, each once, in any order.

    Attributes:
        cases: Ids of the cases.
        patients: Of each case the id of its patient. Cases with the same id are one patient's, wherever they are held.
        clients: Of each case the client that holds it.
        scores: Shape ``[N]``, finite.
    """

    cases: Sequence[str]
    patients: Sequence[str]
    clients: Sequence[str]
    scores: FloatArray


class PairedScores:
    """One metric of one region: a score for every method, seed and case.

    All runs score the same cases; methods may have different seeds and numbers of them. Patients and cases are kept in
    the order of their ids, so that no result depends on the order in which cases were read.

    Args:
        runs: Scores by method and seed.
        higher_is_better: The metric's direction. Only rankings need it.

    Attributes:
        methods: Names of the methods, in the order given.
        cases: Ids of the N cases, sorted.
        patients: Ids of the P patients, sorted.
        cases_per_patient: Shape ``[P]``.
        higher_is_better: As given.

    Raises:
        DataError: There is no method, run or case; a run lacks cases that others have, or has one twice; a case
            has two patients or clients; a score is not finite.

    Example:
        >>> run = PairedRun(["c1", "c2", "c3"], ["p1", "p1", "p2"], ["a", "a", "b"], np.array([0.8, 0.6, 0.9]))
        >>> scores = PairedScores({"fedavg": {0: run}})
        >>> scores.patient_means("fedavg").tolist()
        [0.7, 0.9]
    """

    def __init__(self, runs: Mapping[str, Mapping[int, PairedRun]], higher_is_better: bool = True) -> None:
        by_run = {(method, seed): run for method, of_method in runs.items() for seed, run in of_method.items()}
        empty = [method for method, of_method in runs.items() if not of_method]
        if empty or not by_run or not all(len(run.cases) for run in by_run.values()):
            what = f"method {empty[0]} has no run" if empty else "there is no run or no case"
            raise DataError(f"Expected methods with at least one run over at least one case each, but {what}.")
        first = next(iter(by_run.values()))
        order = _order(first.cases)
        ordered = {key: _values(f"{key[0]} with seed {key[1]}", run, first, order) for key, run in by_run.items()}
        self.higher_is_better = higher_is_better
        self.methods = tuple(runs)
        self.cases = tuple(first.cases[place] for place in order.tolist())
        self.patients = tuple(sorted(set(first.patients)))
        position = {patient: index for index, patient in enumerate(self.patients)}
        self._patient_of = np.array([position[first.patients[place]] for place in order.tolist()])
        self.cases_per_patient = np.bincount(self._patient_of, minlength=len(self.patients))
        self._seeds = {method: tuple(of_method) for method, of_method in runs.items()}
        self._values = {
            method: np.stack([ordered[method, seed] for seed in of_method]) for method, of_method in runs.items()
        }

    def seeds(self, method: str) -> tuple[int, ...]:
        """Return the seeds of a method's runs, in the order given."""
        self._check_method(method)
        return self._seeds[method]

    def values(self, method: str) -> FloatArray:
        """Return a method's scores, of shape ``[S, N]``: its seeds by the cases."""
        self._check_method(method)
        return self._values[method]

    def patient_sums(self, method: str) -> FloatArray:
        """Sums of a method's scores over each patient's cases, of shape ``[S, P]``."""
        return np.stack(
            [np.bincount(self._patient_of, run, minlength=len(self.patients)) for run in self.values(method)]
        )

    def patient_means(self, method: str) -> FloatArray:
        """Return a method's scores averaged over seeds and over each patient's cases, of shape ``[P]``."""
        means: FloatArray = self.patient_sums(method).mean(axis=0) / self.cases_per_patient
        return means

    def mean(self, method: str) -> float:
        """Return the mean over a method's seeds and cases."""
        return float(self.values(method).mean())

    def seed_deviation(self, method: str) -> float | None:
        """Standard deviation (ddof=1) over seeds of a run's mean over cases; ``None`` for one seed."""
        means = self.values(method).mean(axis=1)
        return float(means.std(ddof=1)) if len(means) > 1 else None

    def settle_ties(self, values: FloatArray) -> FloatArray:
        """Round to twelve digits of the largest score, so that what is equal but for rounding is equal."""
        settled: FloatArray = np.round(values, _DIGITS - self._magnitude) + 0.0  # no negative zeros
        return settled

    @cached_property
    def _magnitude(self) -> int:
        """Number of digits before the point of the largest score."""
        largest = max(float(np.abs(scores).max()) for scores in self._values.values())
        return math.floor(math.log10(largest)) + 1 if largest > 0 else 0

    def _check_method(self, method: str) -> None:
        if method not in self._seeds:
            raise ConfigError(f"Expected one of the methods {', '.join(self.methods)}, but found {method}.")


def _order(cases: Sequence[str]) -> NDArray[np.int64]:
    """Places of cases in the order of their ids."""
    return np.array(sorted(range(len(cases)), key=cases.__getitem__))


def _values(name: str, run: PairedRun, first: PairedRun, order: NDArray[np.int64]) -> FloatArray:
    """Check a run against the first, and return its scores in the order of the cases' ids."""
    own = order if run.cases == first.cases else _order(run.cases)
    if run[:3] != first[:3] or run is first:
        _check_cases(name, run, first)
    values = np.asarray(run.scores, dtype=np.float64)[own]
    if not np.isfinite(values).all():
        place = int(own[np.argmax(~np.isfinite(values))])
        raise DataError(
            f"Expected a finite score, but {name} has {run.scores[place]} for case {run.cases[place]}: leave the"
            " metric out."
        )
    return values


def _check_cases(name: str, run: PairedRun, first: PairedRun) -> None:
    if len(set(run.cases)) < len(run.cases):
        twice = next(case for case in run.cases if run.cases.count(case) > 1)
        raise DataError(f"Expected a score for each case, but {name} has case {twice} twice: score it again.")
    missing, added = set(first.cases) - set(run.cases), set(run.cases) - set(first.cases)
    if missing or added:
        what = f"lacks {a_few(sorted(missing))}" if missing else f"also has {a_few(sorted(added))}"
        raise DataError(
            f"Expected every run to score the same {len(first.cases)} cases, but {name} {what}: score it again on all"
            " test cases, or leave the run out."
        )
    owners = dict(zip(first.cases, zip(first.patients, first.clients, strict=True), strict=True))
    for case, patient, client in zip(*run[:3], strict=True):
        if (patient, client) != owners[case]:
            raise DataError(
                f"Expected case {case} to be patient {owners[case][0]}'s at client {owners[case][1]} in every run, but"
                f" {name} has patient {patient} at client {client}: compare runs with the same division."
            )


_FEWEST_RESAMPLES = 100
_CHUNK = 2**20
"""Draws held at once, which bounds the memory to some 30 MB."""


def patient_counts(patients: int, resamples: int, seed: int, whose: str = "patients") -> Iterator[NDArray[np.float64]]:
    """Draw as many patients as there are with replacement, many times.

    Args:
        patients: Number of patients P.
        resamples: Number of resamples.
        seed: Everything follows from it and ``whose``; the draws do not depend on what is resampled.
        whose: What is drawn; other words give independent draws.

    Yields:
        Consecutive resamples: how often each patient was drawn, of shape ``[some, P]``.

    Raises:
        ConfigError: There are fewer than 100 resamples, which give no usable quantiles.
    """
    if resamples < _FEWEST_RESAMPLES:
        raise ConfigError(f"Expected at least {_FEWEST_RESAMPLES} resamples, but found {resamples}: give 10000.")
    generator = numpy_generator(seed, "resampling", whose)
    size = max(1, _CHUNK // patients)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = generator.integers(patients, size=(rows, patients)) + patients * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * patients).reshape(rows, patients)
        yield counts.astype(np.float64)
