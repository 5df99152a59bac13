"""Verdict of an audit, in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adpfl_bench.privacy.audit.checks import Check

CONSISTENT = "consistent"
NOTHING_ACCOUNTED = "nothing accounted that could be contradicted"
SOUND = (CONSISTENT, NOTHING_ACCOUNTED)
"""Verdicts that hold nothing against a method."""


def verdict(epsilon: float, accounted: float | None, checks: Mapping[str, Check]) -> str:
    """Compare an audit's lower bound with what is accounted, if anything is, and look at its checks."""
    if accounted is not None and epsilon > accounted:
        return "audited exceeds accounted"
    if any(check.passed is False for check in checks.values()):
        return "check failed"
    return CONSISTENT if accounted is not None else NOTHING_ACCOUNTED
