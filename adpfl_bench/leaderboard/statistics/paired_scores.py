"""Paired scores: what methods reached on the same cases, run by run; and resamples of the patients."""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.seeding import numpy_generator
from adpfl_bench.text import a_few

FloatArray = NDArray[np.float64]

_DIGITS = 12
"""Scores that agree in so many digits are equal: means of equal scores differ in the last of a float's sixteen."""


class PairedScore(NamedTuple):
    """Score of one run on one case.

    Attributes:
        score: The score, finite.
        patient: Id of the patient. Cases with the same id are one patient's, wherever they are held.
        client: The client that holds the case.
    """

    score: float
    patient: str
    client: str


class PairedScores:
    """One metric of one region: a score for every method, seed and case.

    All runs score the same cases; methods may have different seeds and numbers of them. Patients and cases are kept in
    the order of their ids, so that no result depends on the order in which cases were read.

    Args:
        runs: By method and seed, the score of each case by its id.
        higher_is_better: The metric's direction. Only rankings need it.

    Attributes:
        methods: Names of the methods, in the order given.
        cases: Ids of the N cases, sorted.
        patients: Ids of the P patients, sorted.
        cases_per_patient: Shape ``[P]``.
        higher_is_better: As given.

    Raises:
        DataError: There is no method, run or case; a run lacks cases that others have; a case has two patients or
            clients; a score is not finite.

    Example:
        >>> case = {"c1": PairedScore(0.8, "p1", "a"), "c2": PairedScore(0.6, "p1", "a")}
        >>> case |= {"c3": PairedScore(0.9, "p2", "b")}
        >>> scores = PairedScores({"fedavg": {0: case}})
        >>> scores.patient_means("fedavg").tolist()
        [0.7, 0.9]
    """

    def __init__(
        self, runs: Mapping[str, Mapping[int, Mapping[str, PairedScore]]], higher_is_better: bool = True
    ) -> None:
        by_run = {(method, seed): run for method, of_method in runs.items() for seed, run in of_method.items()}
        empty = [method for method, of_method in runs.items() if not of_method]
        if empty or not by_run or not all(by_run.values()):
            what = f"method {empty[0]} has no run" if empty else "there is no run or no case"
            raise DataError(f"Expected methods with at least one run over at least one case each, but {what}.")
        first = next(iter(by_run.values()))
        for (method, seed), run in by_run.items():
            _check_run(f"{method} with seed {seed}", run, first)
        self._runs = runs
        self.higher_is_better = higher_is_better
        self.methods = tuple(runs)
        self.cases = tuple(sorted(first))
        self.patients = tuple(sorted({case.patient for case in first.values()}))
        position = {patient: index for index, patient in enumerate(self.patients)}
        self._patient_of = np.array([position[first[case].patient] for case in self.cases])
        self.cases_per_patient = np.bincount(self._patient_of, minlength=len(self.patients))
        self._values = {
            method: np.array([[run[case].score for case in self.cases] for run in of_method.values()], dtype=float)
            for method, of_method in runs.items()
        }

    def seeds(self, method: str) -> tuple[int, ...]:
        """Return the seeds of a method's runs, in the order given."""
        self._check_method(method)
        return tuple(self._runs[method])

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
        largest = max(float(np.abs(scores).max()) for scores in self._values.values())
        magnitude = math.floor(math.log10(largest)) + 1 if largest > 0 else 0
        settled: FloatArray = np.round(values, _DIGITS - magnitude) + 0.0  # no negative zeros
        return settled

    def _check_method(self, method: str) -> None:
        if method not in self._runs:
            raise ConfigError(f"Expected one of the methods {', '.join(self.methods)}, but found {method}.")


def _check_run(name: str, run: Mapping[str, PairedScore], first: Mapping[str, PairedScore]) -> None:
    missing, added = first.keys() - run.keys(), run.keys() - first.keys()
    if missing or added:
        what = f"lacks {a_few(sorted(missing))}" if missing else f"also has {a_few(sorted(added))}"
        raise DataError(
            f"Expected every run to score the same {len(first)} cases, but {name} {what}: score it again on all test"
            " cases, or leave the run out."
        )
    for case, (score, patient, client) in run.items():
        if not math.isfinite(score):
            raise DataError(f"Expected a finite score, but {name} has {score} for case {case}: leave the metric out.")
        if (patient, client) != first[case][1:]:
            raise DataError(
                f"Expected case {case} to be patient {first[case].patient}'s at client {first[case].client} in every"
                f" run, but {name} has patient {patient} at client {client}: compare runs with the same division."
            )


_FEWEST_RESAMPLES = 100
_CHUNK = 2**20
"""Draws held at once, which bounds the memory to some 30 MB."""


def patient_counts(patients: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Draw as many patients as there are with replacement, many times.

    Args:
        patients: Number of patients P.
        resamples: Number of resamples.
        seed: Everything follows from it; the draws do not depend on what is resampled.

    Yields:
        Consecutive resamples: how often each patient was drawn, of shape ``[some, P]``.

    Raises:
        ConfigError: There are fewer than 100 resamples, which give no usable quantiles.
    """
    if resamples < _FEWEST_RESAMPLES:
        raise ConfigError(f"Expected at least {_FEWEST_RESAMPLES} resamples, but found {resamples}: give 10000.")
    generator = numpy_generator(seed, "resampling", "patients")
    size = max(1, _CHUNK // patients)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = generator.integers(patients, size=(rows, patients)) + patients * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * patients).reshape(rows, patients)
        yield counts.astype(np.float64)
