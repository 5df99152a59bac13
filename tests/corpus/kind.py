"""Kind of bad input: how it is made from a good one, what it is given to, and what is expected to come."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What the suite made of an input.

    Attributes:
        refused: Whether it was refused: by an error of the suite, or by a command's exit status.
        text: The sentence of the refusal, or what was printed.
        value: What a function returned; ``None`` of a command.
    """

    refused: bool
    text: str
    value: Any = None


@dataclass(frozen=True)
class Refused:
    """Expects a refusal by a sentence in which the pattern is found."""

    pattern: str

    def __str__(self) -> str:
        return f"refused: {self.pattern}"

    def fits(self, answer: Answer) -> bool:
        """Whether this is what came."""
        return answer.refused and re.search(self.pattern, answer.text) is not None


@dataclass(frozen=True)
class Accepted:
    """Expects that the input is taken, with a meaning that ``shows`` finds in what came of it."""

    meaning: str
    shows: Callable[[Answer], bool]

    def __str__(self) -> str:
        return f"accepted: {self.meaning}"

    def fits(self, answer: Answer) -> bool:
        """Whether this is what came."""
        return not answer.refused and bool(self.shows(answer))


@dataclass(frozen=True)
class Ask:
    """Gives an input to the suite.

    Attributes:
        name: The command or function, as the table calls it.
        start: The good input that kinds of it begin with; see :mod:`tests.corpus.good_inputs`.
        answer: Gives it; takes the folder of the input, and returns what came.
        writes: Shell patterns, relative to the folder of the trial, of files that it may change or remove.
        rewrites: Those that it may also change where it refuses the input, as a record that says how far it came.
    """

    name: str
    start: str
    answer: Callable[[Path], Answer]
    writes: tuple[str, ...] = ()
    rewrites: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of bad input.

    Attributes:
        area: What is bad: ``pictures``, ``checkpoints``, ...
        name: What is bad about it, unique within the area.
        damage: Makes the bad input of a good one, whose folder it is given.
        ask: What it is given to.
        expected: What is to come.
    """

    area: str
    name: str
    damage: Callable[[Path], object]
    ask: Ask
    expected: Refused | Accepted

    @property
    def label(self) -> str:
        """Name among all kinds."""
        return f"{self.area}: {self.name}"


Row = tuple[str, Callable[[Path], object], Refused | Accepted]


def kinds(area: str, ask: Ask, rows: Iterable[Row]) -> list[Kind]:
    """Return the kinds of an area that are given to the same command or function."""
    return [Kind(area, name, damage, ask, expected) for name, damage, expected in rows]
