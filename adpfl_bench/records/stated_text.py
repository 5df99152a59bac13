"""Texts of records that have a form: names that tables can state, and moments."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from adpfl_bench.text import name_problem


def _check_name(name: str) -> str:
    if problem := name_problem(name):
        raise ValueError(problem)
    return name


def _check_moment(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("should be a moment in ISO 8601, such as 2026-01-31T12:00:00+00:00") from None
    return text


Name = Annotated[str, Field(min_length=1), AfterValidator(_check_name)]
"""A name without control characters, of 1 to 255 letters."""

Moment = Annotated[str, AfterValidator(_check_moment)]
"""A moment in ISO 8601."""
