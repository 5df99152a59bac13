"""A pool of scored cases: the best, the worst and a random sample of the others, without keeping them all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

SAMPLE = 32
"""Number of cases among which the one nearest the median is found; of as many or fewer it is the median itself."""


class CasePool:
    """The best and the worst case by score, and a random sample for what lies between.

    The sample consists of the cases whose ids have the smallest digests, so it does not depend on the order in which
    they come, and is the same for every method.
    """

    def __init__(self, sample: int = SAMPLE) -> None:
        self.scores: dict[str, float] = {}
        self._size = sample
        self._sample: dict[str, Any] = {}
        self._ends: dict[str, tuple[str, Any]] = {}

    def offer(self, case: str, score: float, draw: Callable[[], Any]) -> None:
        """Take note of a case.

        Args:
            case: Its id; each is offered once.
            score: Its score; higher is better.
            draw: Makes what is to be kept of it; called only if it may be needed.
        """
        self.scores[case] = score
        sampled = sorted([*self._sample, case], key=_digest)[: self._size]
        ends = [name for name in ("best", "worst") if name not in self._ends or self._beats(name, case)]
        if case not in sampled and not ends:
            return
        drawn = draw()
        if case in sampled:
            self._sample = {name: drawn if name == case else self._sample[name] for name in sampled}
        self._ends.update({name: (case, drawn) for name in ends})

    def join(self, other: CasePool) -> None:
        """Take in what another pool was offered; a case that both were offered is the same."""
        self.scores |= other.scores
        drawn = self._sample | other._sample
        self._sample = {name: drawn[name] for name in sorted(drawn, key=_digest)[: self._size]}
        for end, (case, content) in other._ends.items():
            if end not in self._ends or self._beats(end, case):
                self._ends[end] = case, content

    def chosen(self) -> dict[str, Any]:
        """Choose the ``best``, the ``median`` and the ``worst`` case that were kept; they are three cases or fewer."""
        if not self.scores:
            return {}
        best, worst = self._ends["best"], self._ends["worst"]
        chosen = {"best": best[1]}
        scores = sorted(self.scores.values())
        middle = scores[(len(scores) - 1) // 2]
        between = [case for case in self._sample if case not in (best[0], worst[0])]
        if between:
            median = min(between, key=lambda case: (abs(self.scores[case] - middle), case))
            chosen["median"] = self._sample[median]
        if worst[0] != best[0]:
            chosen["worst"] = worst[1]
        return chosen

    def _beats(self, end: str, case: str) -> bool:
        """Whether a case takes the place of the best or the worst; of equal ones the first by id has it."""
        holder = self._ends[end][0]
        sign = -1 if end == "best" else 1
        return (sign * self.scores[case], case) < (sign * self.scores[holder], holder)


def _digest(case: str) -> bytes:
    return hashlib.blake2b(case.encode(), digest_size=8).digest()
