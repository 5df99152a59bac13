"""Messages between the server and the hospitals of a deployment: facts as JSON and arrays, in one piece of bytes.

A message is an archive of NumPy (``.npz``, nothing in it compressed or pickled): the member ``facts`` holds JSON in
UTF-8, which has one of the types below, and each other member an array of numbers. Reading one runs no code of the
sender's, and takes no more memory than a stated number of bytes. What an array must be, its reader says
(:mod:`~adpfl_bench.deploy.arrays`).
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from adpfl_bench.errors import BenchError
from adpfl_bench.records.stated_text import Name

Kind = Literal["hello", "join", "train", "evaluate", "bye"]
"""``hello`` asks what a hospital brings, ``join`` whether it takes part on these terms, ``train`` for its client update
of a round, ``evaluate`` for scores, and ``bye`` tells it that the run is over."""

ScoredSplit = Literal["validation", "test"]

MOST_BYTES = 2**34
"""Bytes that a message may have where its reader does not know better."""

_FACTS = "facts"
_MOST_FACTS = 2**26
_KINDS_OF_NUMBER = frozenset("fi")
_Facts = TypeVar("_Facts", bound="Facts")

Arrays = Mapping[str, NDArray[Any]]
Count = Annotated[int, Field(ge=0, le=2**40)]
Hexadecimal = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]


class MessageError(BenchError):
    """Bytes that are no message, or one that does not belong here."""


class Facts(BaseModel):
    """Facts of a message, or a part of them; a key that nobody knows is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class StatedCounts(Facts):
    """What a hospital states in public of the examples that it trains on."""

    examples: Count
    """Training examples."""
    units: Count
    """Units of the run's privacy that they make."""


class Request(Facts):
    """What the server of a run asks one hospital for."""

    kind: Kind
    run: Hexadecimal
    """Id of the run."""
    configuration: Hexadecimal
    """Digest of the configuration that both sides must have; see :mod:`~adpfl_bench.deploy.agreement`."""
    version: str
    """Version of adpfl-bench at the server."""
    hospital: Name
    """Whom it is for."""
    round: Count = 0
    """The round, counted from 1: to be trained; or that the weights to be scored have, 0 for the first ones."""
    roster: dict[Name, StatedCounts] = Field(default_factory=dict)
    """Every hospital of the run with what it stated; from ``join`` on, and the same ever after."""
    split: ScoredSplit | None = None
    """Which cases are scored."""


class HelloFacts(Facts):
    """What a hospital brings to a run."""

    counts: StatedCounts
    validation: Count
    """Validation cases."""
    test: Count
    """Test cases."""
    kind: Literal["phantom", "real"]
    fingerprint: str
    """Digest of names and sizes of its files; says nothing of what they are called."""
    contents: str
    """Root of the Merkle tree over its files, or empty."""
    test_contents: str
    """The same of the files of its test cases."""
    example_is: str
    """The dataset's word for an example."""
    patient_id_is: str
    """The dataset's word for what its ids identify."""
    scores: str
    """What scores leave it, in its own words."""
    test_noise: bool
    """Whether its noise is repeatable, since it was told that this is a test."""
    versions: dict[str, str]
    """Versions of Python and of the packages that results depend on."""


class UpdateFacts(Facts):
    """What goes with a client update."""

    steps: Count
    """Local steps that it has made in its shared turn."""
    learning_rate: FiniteFloat
    ledger: list[tuple[str, FiniteFloat, FiniteFloat, FiniteFloat, Literal["l2", "l1"], Count]]
    """All that the hospital has released in the run so far, as a record states it."""
    threshold: FiniteFloat | None = None
    """The clipping threshold of its last release; left out where it is no public number."""
    loss: FiniteFloat | None = None
    """Mean training loss; left out where the hospital's policy lets no scores of single cases leave."""
    reason: str | None = None
    """Why nothing is proved of what it has released; null where something is."""


class ScoredMean(Facts):
    """Mean of a score over the cases of a hospital."""

    model: Name
    """Whose model was scored: ``global``, or the hospital's own."""
    region: Name
    metric: Name
    cases: Count
    """Cases that it is the mean of."""
    mean: FiniteFloat


class ScoreFacts(Facts):
    """Scores that a hospital lets go."""

    split: ScoredSplit
    cases: list[dict[str, Any]] = Field(default_factory=list)
    """Lines of cases.csv, where all may leave."""
    means: list[ScoredMean] = Field(default_factory=list)
    """Means, where these may."""
    withheld: str = ""
    """Why there are none, or fewer."""


class Answer(Facts):
    """What a hospital says to a request."""

    kind: Kind
    run: Hexadecimal
    configuration: Hexadecimal
    hospital: Name
    round: Count = 0
    request: Hexadecimal
    """SHA-256 of the bytes that were asked."""
    refusal: str | None = None
    """Why nothing is done, a sentence; everything below is left out then."""
    hello: HelloFacts | None = None
    update: UpdateFacts | None = None
    scores: ScoreFacts | None = None


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a message's bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def pack(facts: Facts, arrays: Arrays | None = None) -> bytes:
    """Write a message; the same facts and arrays always make the same bytes."""
    stated = np.frombuffer(facts.model_dump_json().encode(), dtype=np.uint8)
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{_FACTS: stated, **(arrays or {})})
    return file.getvalue()


def unpack(content: bytes, kind: type[_Facts], most_bytes: int = MOST_BYTES) -> tuple[_Facts, Arrays]:
    """Read a message.

    Args:
        content: Its bytes.
        kind: :class:`Request` or :class:`Answer`.
        most_bytes: Bytes that it may have.

    Returns:
        Its facts, and its arrays by name.

    Raises:
        MessageError: It is none, is too large, or its facts are not of the type.
    """
    if len(content) > most_bytes:
        raise MessageError(
            f"A message of at most {most_bytes:,} bytes was expected, but one of {len(content):,} came; it is not read."
        )
    what = kind.__name__.lower()
    try:
        arrays = _read(content)
        facts = kind.model_validate_json(arrays.pop(_FACTS).tobytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "its JSON"
        raise MessageError(
            f"A message came that is no {what} of this version of adpfl-bench: {place}: {first['msg']}. Use the same"
            " version at the server and at every hospital."
        ) from None
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
        said = " ".join(str(error).split())[:200]
        raise MessageError(f"Bytes came that are no {what} of adpfl-bench ({said}); they are not read.") from None
    return facts, arrays


def _read(content: bytes) -> dict[str, NDArray[Any]]:
    file = io.BytesIO(content)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("something in it is compressed")
        if len({member.filename for member in members}) < len(members):
            raise ValueError("something in it stands twice")
        if sum(member.file_size for member in members) > len(content):
            raise ValueError("it states more than it holds")
        if any(member.file_size > _MOST_FACTS for member in members if member.filename == f"{_FACTS}.npy"):
            raise ValueError("its facts are too long")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        found = {name: archive[name] for name in archive.files}
    for name, array in found.items():
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{name} is no array")
        if array.dtype.kind not in _KINDS_OF_NUMBER and (name, array.dtype) != (_FACTS, np.dtype(np.uint8)):
            raise ValueError(f"{name} is of the type {array.dtype}")
    return found
