"""Asking hospitals: who answers, who does not, and what follows by the server's policy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from adpfl_bench.deploy.deployment_files import ServerFile
from adpfl_bench.deploy.door import Exchange, Missing
from adpfl_bench.deploy.messages import Answer, Arrays, MessageError, Request, digest_of, pack, unpack
from adpfl_bench.errors import BenchError
from adpfl_bench.text import count

_Read = TypeVar("_Read")


class HospitalRefuses(BenchError):
    """A hospital does not do what it was asked for."""


class HospitalMissing(BenchError):
    """A hospital that is needed does not answer."""


class Question(NamedTuple):
    """What one hospital is asked.

    Attributes:
        facts: The request.
        arrays: Its arrays.
    """

    facts: Request
    arrays: Arrays = {}  # noqa: RUF012 - never changed

    @property
    def content(self) -> bytes:
        """Its bytes."""
        return pack(self.facts, self.arrays)


class Asking:
    """Asks hospitals over an exchange, again where they do not answer, as a server's file says.

    Args:
        file: The server's file.
        exchange: Carries requests and answers.
        wait: Waits a number of seconds.
    """

    def __init__(self, file: ServerFile, exchange: Exchange, wait: Callable[[float], None]) -> None:
        self._file, self._exchange, self._wait = file, exchange, wait

    def ask(
        self,
        questions: Mapping[str, Question],
        read: Callable[[str, Answer, Arrays], _Read],
        what: str,
        may_miss: bool = False,
    ) -> tuple[dict[str, _Read], dict[str, str]]:
        """Ask some hospitals.

        Args:
            questions: By the hospital's name.
            read: Reads an answer, and raises a BenchError where it is none that can be used.
            what: What the answers are for, as a sentence begins: ``Round 3``.
            may_miss: Whether the policy ``skip`` holds.

        Returns:
            What was read, and why others are missing, both by name in the order of names.

        Raises:
            HospitalRefuses: A hospital refuses, and nobody may be missing.
            HospitalMissing: A hospital that is needed does not answer, or too few do.
            BenchError: An answer cannot be used.
        """
        skips = may_miss and self._file.missing == "skip"
        contents = {name: question.content for name, question in questions.items()}
        found: dict[str, _Read] = {}
        refused: dict[str, str] = {}
        waiting: dict[str, str] = dict.fromkeys(contents, "nobody has asked it")
        for attempt in range(1 if self._file.missing == "stop" else self._file.tries):
            if attempt:
                names = ", ".join(f"{name} ({reason})" for name, reason in sorted(waiting.items()))
                print(f"{what} waits for {names}.", file=sys.stderr)
                self._wait(self._file.pause)
            answers = self._exchange({name: contents[name] for name in sorted(waiting)})
            for name in sorted(waiting):
                came = answers.get(name, Missing("no answer came"))
                answer = self._heard(name, came, contents[name], questions[name].facts)
                if isinstance(answer, Missing):
                    waiting[name] = answer.reason
                    continue
                facts, arrays = answer
                del waiting[name]
                if facts.refusal is None:
                    found[name] = read(name, facts, arrays)
                elif skips:
                    refused[name] = f"it refuses: {facts.refusal}"
                else:
                    raise HospitalRefuses(f"{what}: hospital {name} refuses: {facts.refusal}")
            if not waiting:
                break
        missing = dict(sorted({**waiting, **refused}.items()))
        self._check(found, missing, what, skips)
        return dict(sorted(found.items())), missing

    def _heard(
        self, name: str, came: bytes | Missing, content: bytes, asked: Request
    ) -> tuple[Answer, Arrays] | Missing:
        """Read what came of a hospital; an answer to another question counts as none."""
        if isinstance(came, Missing):
            return came
        try:
            answer, arrays = unpack(came, Answer, 4 * len(content) + 2**24)
        except MessageError as error:
            raise MessageError(f"What came of hospital {name} cannot be used. {error}") from error
        if answer.hospital != name:
            raise BenchError(
                f"Hospital {answer.hospital} has answered what {name} was asked; give each node the home of its own"
                " hospital."
            )
        if answer.request != digest_of(content) or (answer.refusal is None and answer.kind != asked.kind):
            return Missing("its answer is to another question")
        return answer, arrays

    def _check(self, found: Mapping[str, object], missing: Mapping[str, str], what: str, skips: bool) -> None:
        if not missing:
            return
        names = "; ".join(f"{name} ({reason})" for name, reason in missing.items())
        if not skips:
            tries = "" if self._file.missing == "stop" else f" in {self._file.tries} tries"
            raise HospitalMissing(
                f"{what} needs an answer of each hospital that was asked, but none came{tries} of {names}. Start the"
                " server again when it is there: the run goes on after its last whole round."
            )
        if len(found) < self._file.least:
            raise HospitalMissing(
                f"{what} has {count(found, 'answer')}, where the server's file asks for at least {self._file.least};"
                f" missing are {names}. Start the server again when they are there: the run goes on after its last"
                " whole round."
            )
