"""What each method's privacy is, in sentences."""

from __future__ import annotations

from dataclasses import dataclass

from adpfl_bench.results.comparability import Variant
from adpfl_bench.results.table import TableRow

_UNITS = {
    "batch": "batch (what one batch of a local epoch holds; not all records of a patient)",
    "record": "record (one training record)",
    "patient": "patient (all records of one patient)",
    "client": "client (all records of one client)",
}


@dataclass(frozen=True)
class PrivacyStatement:
    """The privacy of one method.

    Attributes:
        label: The method.
        rule: What is done to what leaves a client.
        nominal: What the authors state.
        accounted: What a proof supports, or why nothing.
    """

    label: str
    rule: str
    nominal: str
    accounted: str


def privacy_statement(variant: Variant, row: TableRow) -> PrivacyStatement:
    """Put the privacy block of a method's records into words.

    Args:
        variant: The method.
        row: One of its table rows, which holds the accounted epsilon over all seeds.
    """
    if row.unit == "none":
        return PrivacyStatement(row.label, "Not private: updates leave a client as they are.", "none", "none")
    privacy = variant.runs[0].privacy
    rule = (
        f"Unit: {_UNITS.get(row.unit, row.unit)}, adjacency: {privacy.get('adjacency') or 'not stated'}."
        f" Noise: {privacy.get('mechanism')} with scale {_number(privacy.get('noise_multiplier'))} times the threshold,"
        f" which is a {privacy.get('threshold')}."
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
    return PrivacyStatement(row.label, rule, nominal, accounted)


def _number(value: float | None) -> str:
    return "not stated" if value is None else f"{value:g}"
