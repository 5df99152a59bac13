"""Privacy statements: what each method's privacy is, in sentences."""

from dataclasses import dataclass

from adpfl_bench.leaderboard.audits import strongest
from adpfl_bench.leaderboard.comparability import Variant
from adpfl_bench.leaderboard.table_row import TableRow

UNITS = {
    "batch": "what one batch of a local epoch holds; not all examples of a patient",
    "record": "one training example",
    "patient": "all training examples of one patient",
    "client": "all training examples of one client",
}
"""What privacy protects, by its unit."""


@dataclass(frozen=True)
class PrivacyStatement:
    """The privacy of one method.

    Attributes:
        label: The method.
        rule: What is done to what leaves a client.
        nominal: What the authors state.
        accounted: What a proof supports, or why nothing.
        audited: What audits refute, and what they hold against the method.
    """

    label: str
    rule: str
    nominal: str
    accounted: str
    audited: str


def privacy_statement(variant: Variant, row: TableRow) -> PrivacyStatement:
    """Put the privacy block of a method's records into words.

    Args:
        variant: The method.
        row: One of its table rows, which holds the accounted epsilon over all seeds.
    """
    if row.unit == "none":
        rule = "Not private: updates leave a client as they are."
        return PrivacyStatement(row.label, rule, "none", "none", _audited(variant, row))
    privacy = variant.runs[0].record.privacy
    rule = (
        f"Unit: {row.unit} ({UNITS[row.unit]}), adjacency: {privacy.adjacency or 'not stated'}."
        f" Noise: {privacy.mechanism} with scale {_number(privacy.noise_multiplier)} times the threshold,"
        f" which is a {privacy.threshold}."
    )
    nominal = (
        "none"
        if row.nominal_epsilon is None
        else f"{row.nominal_epsilon:g}: stated by the method's authors, not proved for these runs"
    )
    if row.accounted_epsilon is None:
        accounted = f"none: {row.accounted_reason or 'no reason was recorded'}"
    else:
        accounted = (
            f"{row.accounted_epsilon:.4g} at delta {_number(row.accounted_delta)}, per {row.unit}, the largest over"
            " clients and seeds"
        )
        if row.accounted_not_covered:
            accounted += f". Not covered: {row.accounted_not_covered}"
    return PrivacyStatement(row.label, rule, nominal, accounted, _audited(variant, row))


def _audited(variant: Variant, row: TableRow) -> str:
    audit = strongest(variant.audits)
    if audit is None:
        return "not audited: no audit with these privacy settings was among the runs"
    of = "" if row.audits == 1 else f", the largest of {row.audits} audits"
    text = f"{audit.bound} at delta {audit.found.delta:g}, for {audit.who}{of}. "
    return f"{text}! Contradicted: {row.audited_problems}" if row.audited_problems else f"{text}No check failed"


def _number(value: float | None) -> str:
    return "not stated" if value is None else f"{value:g}"
