"""Trial of a kind of bad input: it is made, given to the suite, and what came is judged."""

import contextlib
import io
import os
import re
import shutil
import signal
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import FrameType
from typing import Literal

from adpfl_bench.cli.unexpected import NO_SENTENCE
from adpfl_bench.errors import BenchError
from adpfl_bench.records.digests import file_sha256
from tests.corpus.good_inputs import settle
from tests.corpus.kind import Accepted, Answer, Kind

SECONDS = 60
"""After so long a trial counts as hanging."""

Verdict = Literal["as expected", "other sentence", "other meaning", "accepted", "refused", "traceback", "hang", "lost"]


@dataclass(frozen=True)
class Trial:
    """What came of a kind.

    Attributes:
        verdict: ``as expected``, or what is wrong. ``accepted`` and ``refused`` are said where the other was expected;
            ``lost`` where a good file that lay there has other bytes or is gone.
        came: What came, in words.
        seconds: How long the suite took.
    """

    verdict: Verdict
    came: str
    seconds: float = 0.0


class TimedOut(BaseException):
    """Ends a trial that hangs; no handler of exceptions takes it for its own."""


def try_kind(kind: Kind, good: Mapping[str, Path], place: Path, seconds: float = SECONDS) -> Trial:
    """Try a kind.

    Args:
        kind: The kind.
        good: Folders of good inputs, by name.
        place: An empty folder for the trial; it becomes the working directory meanwhile.
        seconds: The time limit.
    """
    root = place / kind.ask.start
    shutil.copytree(good[kind.ask.start], root, symlinks=True)
    settle(root)
    kind.damage(root)
    before = _digests(place)
    printed, out, err = _streams()
    try:
        with _working_in(place), _limited(seconds) as left:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                answer = _answer(kind, root)
            took = seconds - left()
    except TimedOut:
        return Trial("hang", f"nothing within {seconds:g} s", seconds)
    except Exception as error:
        return Trial("traceback", _last_call(error))
    text = printed.getvalue().decode()
    if "Traceback (most recent call last)" in text or NO_SENTENCE in text:
        return Trial("traceback", text[-2000:], took)
    answer = Answer(answer.refused, answer.text or text, answer.value)
    after = _digests(place)
    lost = [name for name in before if after.get(name) != before[name] and not _may_change(name, kind, answer)]
    judged = _judged(kind, answer, took)
    if lost and judged.verdict == "as expected":
        return Trial("lost", f"{', '.join(lost)}; {_words(answer)}", took)
    return judged


def _streams() -> tuple[io.BytesIO, io.TextIOWrapper, io.TextIOWrapper]:
    """What is printed, and streams to it that are as strict about what is no text as those of a process."""
    printed = io.BytesIO()
    out = io.TextIOWrapper(printed, encoding="utf-8", write_through=True)
    return printed, out, io.TextIOWrapper(printed, encoding="utf-8", errors="backslashreplace", write_through=True)


def _answer(kind: Kind, root: Path) -> Answer:
    try:
        return kind.ask.answer(root)
    except BenchError as error:
        return Answer(True, str(error))
    except SystemExit as stop:
        return Answer(stop.code not in (None, 0), "")


def _judged(kind: Kind, answer: Answer, took: float) -> Trial:
    accepts = isinstance(kind.expected, Accepted)
    try:
        fits = kind.expected.fits(answer)
    except Exception as error:
        return Trial("other meaning", f"{_words(answer)} ({_last_call(error)})", took)
    if fits:
        return Trial("as expected", _words(answer), took)
    if answer.refused == accepts:
        return Trial("refused" if answer.refused else "accepted", _words(answer), took)
    return Trial("other meaning" if accepts else "other sentence", _words(answer), took)


def _words(answer: Answer) -> str:
    plain = re.sub(r"[\u2500-\u257f]+", " ", answer.text)  # without the lines of tables
    return re.sub(r"\s+", " ", plain).strip()[-600:] or "nothing was printed"


def _last_call(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "nowhere"
    own = [frame for frame in frames if "adpfl_bench" in frame.filename]
    ours = f", from {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"{type(error).__name__}: {error} ({where}{ours})"


def _may_change(name: str, kind: Kind, answer: Answer) -> bool:
    patterns = kind.ask.rewrites if answer.refused else (*kind.ask.writes, *kind.ask.rewrites)
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _digests(place: Path) -> dict[str, str]:
    """Digests of all regular files below a folder by relative path; links are not followed."""
    found = {}
    for folder, _, names in os.walk(place):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                found[os.path.relpath(path, place)] = file_sha256(Path(path))
    return found


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[object]:
    """Raise TimedOut in the block after some seconds; gives a function that says how many are left."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimedOut

    handler = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield lambda: signal.getitimer(signal.ITIMER_REAL)[0]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
