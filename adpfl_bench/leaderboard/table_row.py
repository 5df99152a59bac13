"""Table row: a line of leaderboard.csv, and what lines of every CSV file begin with."""

from collections.abc import Mapping
from dataclasses import dataclass

from adpfl_bench.metrics.registry import Metric


@dataclass(frozen=True)
class GroupLine:
    """A line of a CSV file that is about one comparable group; it begins with what names the group.

    Attributes:
        task: Name of the task.
        kind: ``phantom`` or ``real``.
        fingerprint: SHA-256 of the relative paths and sizes of the dataset's files.
        test_set: The group's digest.
    """

    task: str
    kind: str
    fingerprint: str
    test_set: str


@dataclass(frozen=True)
class MethodLine(GroupLine):
    """A line that is about one method of the group on one region.

    Attributes:
        region: Name of the region.
        method: Name of the method.
        label: What tables call it.
        settings: Tells apart settings of the same method.
    """

    region: str
    method: str
    label: str
    settings: str


@dataclass(frozen=True)
class TableRow(MethodLine):
    r"""One method on one region of a comparable group; a line of leaderboard.csv, with scores in [0, 1].

    With :math:`D_{sc}` the main score (Dice) of case c under seed s (S seeds, N cases), the mean over models where
    several score it:

    Attributes:
        scored_model: Whose scores these are: the global model's, or those of the clients' own models.
        seeds: The seeds, separated by spaces.
        n_seeds: S.
        cases: N.
        patients: Number of patients among the cases.
        patients_are: What they are: what the dataset's ids identify.
        metric: The main metric, which D is of.
        mean: :math:`\frac{1}{SN} \sum_{s,c} D_{sc}`; not a number where a case lacks it.
        ci_low: Lower end of the mean's 95 % interval over patients and seeds, cut at 0; ``None`` for one patient.
        ci_high: Upper end, cut at 1.
        sd_patients: Standard deviation (ddof=1) over patients; a patient's value is the mean of
            :math:`D_{sc}` over its own cases and over the seeds. ``None`` for one patient.
        sd_seeds: Standard deviation (ddof=1) over seeds of :math:`\frac{1}{N} \sum_c D_{sc}`. ``None`` for one.
        means: By metric the mean over cases and seeds; ``None`` if a case lacks it or units are mixed.
        distance_unit: Unit of distances: ``mm``, ``% of diagonal`` or, of older records, ``px``.
        missed: Over all seeds and models, the scores of cases of which exactly one of prediction and truth is empty;
            ``None`` of what is no mask.
        scored: S N, times the number of models that scored a case.
        worst_client: Client with the worst mean (over its cases and the seeds), among those that took part in
            training; ``None`` where none of these has test cases.
        worst_client_mean: Its mean.
        client_spread: Highest minus lowest mean of these clients.
        gap_closed: (method - dp_fl) / (fedavg - dp_fl) in the mean; ``None`` unless the group has each reference once
            and fedavg is the better one.
        unit: What one privacy neighbour differs in; ``none`` for a method that is not private.
        protects: The same in the dataset's word.
        nominal_epsilon: What the method's authors state.
        accounted_epsilon: What a proof supports for the runs that happened, the largest over seeds; ``None`` without.
        accounted_delta: The delta that it holds at.
        accounted_reason: Why there is none.
        accounted_not_covered: What private data was used for besides, which this epsilon does not cover.
        units_per_person: The largest number of units that one person has at a client; ``None`` where nobody knows it.
        group_epsilon: What a proof supports for all of them together, the largest over seeds; ``None`` likewise, and
            where nothing is proved.
        noise: Where noise comes from: ``seeded`` or ``secret``; ``None`` without, or where it is not recorded.
        audited_epsilon: What audits refute anything below, the largest over audits of this method with these privacy
            settings; ``None`` where none was given.
        audited_delta: The delta that it is stated at.
        audited_confidence: Probability that it is not too high.
        audited_canaries: Number of canaries.
        audits: Number of audits.
        audited_problems: What any of the audits holds against the method: failed checks, an audited above an accounted
            epsilon.
        wall_seconds: Mean wall time of a run.
        peak_memory_mb: Largest resident memory over seeds, in MiB.
        peak_gpu_memory_mb: Largest GPU memory over seeds, in MiB; ``None`` without a GPU.
        records: Whether the records of its runs are ``verified``, or why they prove less than they could.
    """

    scored_model: str
    seeds: str
    n_seeds: int
    cases: int
    patients: int
    patients_are: str
    metric: Metric
    mean: float
    ci_low: float | None
    ci_high: float | None
    sd_patients: float | None
    sd_seeds: float | None
    means: Mapping[str, float | None]
    distance_unit: str
    missed: int | None
    scored: int
    worst_client: str | None
    worst_client_mean: float | None
    client_spread: float | None
    gap_closed: float | None
    unit: str
    protects: str
    nominal_epsilon: float | None
    accounted_epsilon: float | None
    accounted_delta: float | None
    accounted_reason: str | None
    accounted_not_covered: str | None
    units_per_person: int | None
    group_epsilon: float | None
    noise: str | None
    audited_epsilon: float | None
    audited_delta: float | None
    audited_confidence: float | None
    audited_canaries: int | None
    audits: int
    audited_problems: str | None
    wall_seconds: float | None
    peak_memory_mb: float | None
    peak_gpu_memory_mb: float | None
    records: str
