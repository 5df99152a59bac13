"""Groups: runs whose scores may be compared, and their methods."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from adpfl_bench.leaderboard.audits import Audit
from adpfl_bench.leaderboard.method_order import FIRST_METHODS, LOWER_REFERENCE, method_order
from adpfl_bench.leaderboard.protection import ids_word
from adpfl_bench.leaderboard.scored_run import ScoredRun
from adpfl_bench.metrics.registry import Metric
from adpfl_bench.records.digests import json_sha256
from adpfl_bench.records.score_columns import join_scores
from adpfl_bench.records.score_means import mean_score

MOST_SHOWN = 28
"""So many methods have a colour, line style and marker of their own in plots."""


@dataclass(frozen=True, eq=False)
class Variant:
    """A method with its settings: the runs of one table row, which differ in nothing but their seeds.

    Attributes:
        method: Name of the method.
        digest: Tells apart settings of the same method.
        label: What tables call it: the method, with the digest if the group has the method more than once.
        runs: One run per seed, by seed.
        audits: Audits of this method with the privacy settings, data and network of these runs.
    """

    method: str
    digest: str
    label: str
    runs: tuple[ScoredRun, ...]
    audits: tuple[Audit, ...] = ()

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of the runs."""
        return tuple(run.seed for run in self.runs)

    @property
    def is_private(self) -> bool:
        """Whether its records state a unit that it protects, whatever is proved for it."""
        return self.runs[0].record.privacy.unit != "none"

    @property
    def names(self) -> tuple[str, str, str]:
        """What a line of a CSV file calls it: method, label and settings."""
        return self.method, self.label, self.digest

    def mean(self, region: str, metric: Metric) -> float:
        """Return the mean over cases and seeds; not a number where a case lacks the score or units are mixed."""
        mean = mean_score(join_scores([run.case_scores(region) for run in self.runs]), metric)
        return math.nan if mean is None else mean


@dataclass(frozen=True)
class Group:
    """Runs whose scores may be compared: of the same task, on the same files, on the same regions of the same cases.

    Attributes:
        task: Name of the task.
        kind: ``phantom`` or ``real``.
        fingerprint: SHA-256 of the relative paths and sizes of the dataset's files.
        test_set: The (case, region) pairs that every run scored.
        variants: The methods.
        misfits: Of each audit of one of these methods that is of none of their runs, why it stands in no row.
        test_root: Root over the contents of the test cases' files; empty where no record states it.
        apart: Why runs on files of the same names and sizes are in another group; empty where none are.
        looks: Numbers of methods' looks in plots by label, where they are shared with other groups.
        summed: Whether its runs trust a sum (``privacy.trust``).
    """

    task: str
    kind: str
    fingerprint: str
    test_set: frozenset[tuple[str, str]]
    variants: tuple[Variant, ...]
    misfits: tuple[str, ...] = ()
    test_root: str = ""
    apart: str = ""
    looks: Mapping[str, int] = field(default_factory=dict)
    summed: bool = False

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """What any of its runs was scored by, in the order of the first."""
        records = [run.record for variant in self.variants for run in variant.runs]
        return tuple({metric.name: metric for record in records for metric in record.model.metrics}.values())

    @cached_property
    def regions(self) -> list[str]:
        """Names of the regions, in the order in which the task states them."""
        stated = list(self.variants[0].runs[0].record.model.surface_tolerance)
        present = {region for _, region in self.test_set}
        return [*(region for region in stated if region in present), *sorted(present - set(stated))]

    @cached_property
    def ordered(self) -> list[Variant]:
        """The methods in the order of its first table."""
        region, main = self.regions[0], self.metrics[0]
        return sorted(
            self.variants,
            key=lambda v: method_order(v.method, v.runs[0].record.privacy.unit, v.mean(region, main), v.label),
        )

    @cached_property
    def shown(self) -> list[Variant]:
        """The methods that plots show, in the same order: all or, of many, the references and the best.

        Of what is left for others, half is for private ones, where there are so many.
        """
        if len(self.ordered) <= MOST_SHOWN:
            return self.ordered
        first = [v for v in self.ordered if v.method in (*FIRST_METHODS, LOWER_REFERENCE)][:MOST_SHOWN]
        others = [variant for variant in self.ordered if variant not in first]
        private = [variant for variant in others if variant.is_private]
        plain = [variant for variant in others if variant not in private]
        left = MOST_SHOWN - len(first)
        half = max(left // 2, left - len(plain))
        kept = [*first, *private[:half], *plain[: left - len(private[:half])]]
        return [variant for variant in self.ordered if variant in kept]

    @property
    def shown_note(self) -> str:
        """Say which methods plots show, where these are not all; else nothing."""
        if len(self.shown) == len(self.ordered):
            return ""
        return (
            f" {len(self.shown)} of {len(self.ordered)} methods are shown: the references, and of the private and of"
            " the other ones those with the highest score."
        )

    @cached_property
    def places(self) -> dict[str, int]:
        """By method that plots show its place among them."""
        return {variant.label: place for place, variant in enumerate(self.shown)}

    def look(self, label: str) -> int:
        """Return the number that decides how a method looks in every plot: its place, unless looks are shared."""
        return self.looks.get(label, self.places.get(label, len(self.places)))

    @cached_property
    def subject(self) -> str:
        """What its ids of patients identify, in the dataset's word; ``patient`` where no record says."""
        records = [run.record for variant in self.variants for run in variant.runs]
        return next((word for word in map(ids_word, records) if word is not None), "patient")

    @property
    def cases(self) -> int:
        """Number of test cases."""
        return len({case for case, _ in self.test_set})

    @cached_property
    def digest(self) -> str:
        """Eight hexadecimal digits that name the group."""
        identity = [self.task, self.kind, self.fingerprint, sorted(self.test_set), *filter(None, [self.test_root])]
        identity += ["trusted sum"] if self.summed else []
        return json_sha256(identity)[:8]

    @property
    def names(self) -> tuple[str, str, str, str]:
        """What a line of a CSV file about the group begins with."""
        return self.task, self.kind, self.fingerprint, self.digest

    @property
    def slug(self) -> str:
        """A file name for the group."""
        task = re.sub(r"[^A-Za-z0-9_-]+", "-", self.task).strip("-") or "task"
        return f"{task}-{self.kind}-{self.digest}"

    @property
    def deployed(self) -> bool:
        """Whether its runs were made at hospitals; a simulation has other data, so that no group has both."""
        return any(run.record.deployed is not None for variant in self.variants for run in variant.runs)

    @property
    def heading(self) -> str:
        """What is compared, in one line."""
        trust = ", under a trusted sum" if self.summed else ""
        kind = f"{self.kind} data{', deployed' if self.deployed else ''}{trust}"
        return (
            f"{self.task}, {kind}: {self.cases} test case{'s' if self.cases != 1 else ''}"
            f" (data {self.fingerprint[:8]}, test set {self.digest})"
        )
