"""Lineage of weights: the runs that they came from, and what each of them released of which data."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, get_args

from adpfl_bench.errors import CheckpointError, score_beside
from adpfl_bench.privacy.ledger import ANYONE, PrivacyLedger, PrivacyUnit, Release, Trust

CHECKPOINT_KEY = "lineage"
"""Where a checkpoint has the runs of its weights, the last of which wrote it."""

_KINDS: Mapping[str, Any] = MappingProxyType({"reason": str | None, "seed": int | None, "releases": Mapping})
"""Types of an entry that are no text."""

PUBLIC = "public"
"""Kind of an ancestor that is no run: weights that others have published."""

START_KINDS = ("real", "unknown", PUBLIC, "phantom")
"""Kinds of data that weights start from; what a run started from is the first that it has."""

NOT_STATED = "its checkpoint does not say which runs its weights came from"


@dataclass(frozen=True)
class Ancestor:
    """A run that has trained some weights, or others' published weights that runs started from.

    Attributes:
        run: Id of the run; empty where it is not known.
        kind: Kind of its data: ``phantom``, ``real`` or ``unknown``; ``public`` of published weights.
        cohort: Fingerprint of its data, by names and sizes of files; empty where it is not known. What runs of one
            cohort release adds up, whatever the files held: other pixels under the same names are the same patients'.
        contents: What these files held, the root of their Merkle tree; empty where it is not known.
        division: Digest of who held which training cases.
        unit: Its privacy unit.
        reason: Why nothing is proved of it, or ``None`` where something is.
        releases: What it released, as :meth:`~adpfl_bench.privacy.ledger.PrivacyLedger.state_dict`.
        seed: Seed of the run.
        folder: Where the journal of its releases was written.
        name: What published weights are called, as for all further attributes; empty of a run.
        licence: Their licence.
        trained_on: What is stated of the data that they were trained on.
        digest: SHA-256 of the file that they were read from.
        trust: Of a run, whom its releases are private against.
    """

    run: str = ""
    kind: str = "unknown"
    cohort: str = ""
    division: str = ""
    unit: PrivacyUnit = "none"
    reason: str | None = NOT_STATED
    releases: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    folder: str = ""
    contents: str = ""
    name: str = ""
    licence: str = ""
    trained_on: str = ""
    digest: str = ""
    trust: Trust = "server"


def _unknown(_: str) -> str:
    return ""


@dataclass(frozen=True)
class DataState:
    """The data that there are now, for a run that goes on with a checkpoint.

    Attributes:
        cohort: Their fingerprint, as in :class:`Ancestor`.
        contents: What the files hold; empty where it is not known.
        changes: Says in a clause how files that had the given root differ from these; empty where nobody knows.
    """

    cohort: str = ""
    contents: str = ""
    changes: Callable[[str], str] = _unknown


class Lineage:
    """The runs that a module's weights came from, and the run that trains them now.

    Attributes:
        before: The runs that trained the weights before the run at hand, the first of them first.
        run: Id of the run at hand.
    """

    def __init__(self, before: Iterable[Ancestor] = ()) -> None:
        self.before: tuple[Ancestor, ...] = tuple(before)
        self.run = ""
        self._continued = ""
        self._own: Callable[[], Ancestor] | None = None

    def prepare(self) -> None:
        """Begin a new run; what an earlier one made of the weights stays with them."""
        if self._own is not None:
            self.before = (*self.before, self._own())
            self._own = None
        self.run = self._continued or uuid.uuid4().hex

    def continue_run(self, run: str) -> None:
        """Let the run at hand, or the next one, be the continuation of an earlier one."""
        self.run = self._continued = run

    def resume(self, checkpoint: Mapping[str, Any], data: DataState, seed: int | None, unit: PrivacyUnit) -> None:
        """Go on with the run that wrote a checkpoint.

        Args:
            checkpoint: The checkpoint.
            data: The data that there are now.
            seed: Seed of the run that goes on; ``None`` where it may be another, as its noise has another key then.
            unit: Its privacy unit. Where the checkpoint's run had another, it is a run before this one.

        Raises:
            CheckpointError: It was made with other data or another seed.
        """
        *before, own = read_lineage(checkpoint)
        if own.cohort not in ("", data.cohort) or (data.contents and own.contents not in ("", data.contents)):
            raise CheckpointError(
                f"The checkpoint was made from other data than there are now: {_difference(own, data)}. Restore the"
                f" files that were changed, added or removed, or start a new run without --ckpt_path. {score_beside()}"
            )
        if None not in (own.seed, seed) and own.seed != seed:
            raise CheckpointError(
                f"The checkpoint belongs to a run with seed {own.seed}, but this one has seed {seed}: continue with"
                f" --seed_everything {own.seed}, or start a new run without --ckpt_path."
            )
        self._own = None
        if own.unit == unit and own.kind != PUBLIC:  # a file may hold published weights, and no run's
            self.before, self.run = tuple(before), own.run or self.run
        else:
            self.before = (*before, own)

    def train(self, own: Callable[[], Ancestor]) -> None:
        """Note that the weights change from now on; ``own`` tells what the run at hand has done so far."""
        self._continued, self._own = "", own

    @property
    def all(self) -> tuple[Ancestor, ...]:
        """Every run that has changed the weights so far."""
        return self.before if self._own is None else (*self.before, self._own())

    def state(self) -> list[dict[str, Any]]:
        """Return every run so far as plain values, for a checkpoint."""
        return [asdict(ancestor) for ancestor in self.all]

    @property
    def started_from(self) -> str | None:
        """Kind of data that the weights at hand started from, the first of :data:`START_KINDS`."""
        kinds = {ancestor.kind for ancestor in self.before}
        return next((kind for kind in START_KINDS if kind in kinds), None)


def _difference(own: Ancestor, data: DataState) -> str:
    if own.contents and (changes := data.changes(own.contents)):
        return changes
    if own.cohort != data.cohort:
        return (
            f"their fingerprint (names and sizes of all files) was {own.cohort[:8]} and is {data.cohort[:8] or 'none'}"
        )
    return f"what their files hold (data.contents of run.json) was {own.contents[:8]} and is {data.contents[:8]}"


def read_lineage(checkpoint: Mapping[str, Any]) -> tuple[Ancestor, ...]:
    """Read the runs of a checkpoint's weights; at least one, of which a checkpoint without them says nothing.

    Raises:
        CheckpointError: What it has under this name is something else.
    """
    try:
        found = tuple(_ancestor(entry) for entry in checkpoint.get(CHECKPOINT_KEY, ()))
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"The checkpoint's {CHECKPOINT_KEY} should list the runs that its weights came from, but it cannot be read"
            f" ({error}); use the version that wrote it."
        ) from error
    return found or (Ancestor(),)


def _ancestor(entry: Mapping[str, Any]) -> Ancestor:
    found = Ancestor(**entry)
    for key, value in asdict(found).items():
        kinds = _KINDS.get(key, str)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise TypeError(f"{key} is of the type {type(value).__name__}")
    if found.unit not in get_args(PrivacyUnit):
        raise ValueError(f"unit is {found.unit[:40]!r}")
    if found.trust not in get_args(Trust):
        raise ValueError(f"trust is {found.trust[:40]!r}")
    PrivacyLedger().load_state_dict(dict(found.releases))
    return found


@dataclass(frozen=True)
class Inheritance:
    """What earlier runs, whose weights a run started from, released of the same cohort.

    Attributes:
        by_client: Releases of each client of the run at hand that one of its units may have been in.
        reason: Why nothing is proved of them, or ``None``.
    """

    by_client: Mapping[str, Mapping[Release, int]] = field(default_factory=dict)
    reason: str | None = None

    def beside(self, spent: PrivacyLedger) -> Mapping[str, Mapping[Release, int]]:
        """Return, by client, these releases and those of a ledger.

        What a unit's client is not known of counts for every client; for :data:`ANYONE` where there is no other.
        """
        of_anyone = self.by_client.get(ANYONE, {})
        clients = sorted({*spent.clients(), *self.by_client} - {ANYONE}) or [ANYONE] * bool(of_anyone)
        found = {}
        for client in clients:
            total = Counter(spent.events(client))
            total.update(of_anyone)
            if client != ANYONE:
                total.update(self.by_client.get(client, {}))
            found[client] = dict(total)
        return found


def inherit(
    before: Iterable[Ancestor], cohort: str, division: str, unit: PrivacyUnit, trust: Trust = "server"
) -> Inheritance:
    """Collect what earlier runs released of a cohort.

    Where they divided it among clients in another way, a unit may have been in any of their clients, and is taken to
    have been in the one that released most of each kind.

    Args:
        before: The runs.
        cohort: Fingerprint of the data.
        division: Digest of who holds which training cases.
        unit: The privacy unit.
        trust: Whom the run at hand is private against.
    """
    total = PrivacyLedger()
    for ancestor in before:
        if ancestor.cohort != cohort or ancestor.kind == PUBLIC:
            continue
        if ancestor.reason is not None or ancestor.unit != unit:
            why = ancestor.reason or f"its privacy unit was {ancestor.unit}"
            return Inheritance(reason=f"the weights started from a run on the same data without this guarantee ({why})")
        if ancestor.trust != trust:
            return Inheritance(
                reason=f"the weights started from a run on the same data under another trust ({ancestor.trust})"
            )
        ledger = PrivacyLedger()
        ledger.load_state_dict(dict(ancestor.releases))
        if ancestor.division != division:
            ledger = ledger.worst_for_anyone()
        total.add_all(ledger)
    return Inheritance({client: total.events(client) for client in total.clients()})
