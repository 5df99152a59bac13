"""Privacy statements: what each method's privacy is, in sentences."""

from dataclasses import dataclass

from adpfl_bench.leaderboard.audits import strongest
from adpfl_bench.leaderboard.groups import Variant
from adpfl_bench.leaderboard.protection import NOISE_NOTE, SEEDED, protected_word
from adpfl_bench.leaderboard.table_row import TableRow
from adpfl_bench.records.protected import MEANINGS, group_text


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
    record = variant.runs[0].record
    privacy, word = record.privacy, protected_word(record)
    meaning = MEANINGS[word] if word else "nothing"
    rule = (
        f"Unit: {row.protects} ({meaning}), adjacency: {privacy.adjacency or 'not stated'}."
        f" Noise: {privacy.mechanism} with scale {_number(privacy.noise_multiplier)} times the threshold,"
        f" which is a {privacy.threshold}."
    )
    if row.noise is not None:
        rule += f" It is {row.noise}" + (f": {NOISE_NOTE}." if row.noise == SEEDED else ", from the operating system.")
    nominal = (
        "none"
        if row.nominal_epsilon is None
        else f"{row.nominal_epsilon:g}: stated by the method's authors, not proved for these runs"
    )
    if row.accounted_epsilon is None:
        accounted = f"none: {row.accounted_reason or 'no reason was recorded'}"
    else:
        accounted = (
            f"{row.accounted_epsilon:.4g} at delta {_number(row.accounted_delta)}, per {row.protects}, the largest over"
            f" clients and seeds; {group_text(row.units_per_person, row.group_epsilon, row.protects)}"
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
