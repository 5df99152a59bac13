"""Spent budget: a run's account, from its record and the journal of its releases."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.federation.round_schedule import POOLED_CLIENT, Visit
from adpfl_bench.privacy.accounting import accountant, client_epsilon
from adpfl_bench.privacy.journal import LedgerJournal
from adpfl_bench.privacy.ledger import PrivacyLedger, Release
from adpfl_bench.records.blocks import PrivacyBlock
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord

_MOST_ROUNDS = 100_000
"""Whoever edits a number of rounds may make it so large that nothing should count them."""


@dataclass(frozen=True)
class SpentClient:
    """One client's account.

    Attributes:
        releases: Number of releases that one of its units may have been in.
        epsilon: What they amount to.
        planned: Epsilon after the last planned round, or ``None`` where the record does not say what a turn releases:
            the client has not taken part yet, or makes a stated number of local steps.
        accountant: The proof that epsilon comes from; empty where nothing was released.
    """

    releases: int
    epsilon: float
    planned: float | None
    accountant: str


@dataclass(frozen=True)
class SpentBudget:
    """A run's account.

    Attributes:
        record: What run.json holds.
        reason: Why there is no guarantee, or ``None``.
        delta: The delta that epsilons hold at.
        clients: Every client; empty where there is no guarantee.
        ahead: Whether the journal holds releases that run.json does not know of: of a round that was broken off.
    """

    record: RunRecord
    reason: str | None
    delta: float
    clients: Mapping[str, SpentClient]
    ahead: bool

    @property
    def epsilon(self) -> float:
        """The federation's epsilon: the largest of its clients'."""
        return max((client.epsilon for client in self.clients.values()), default=0.0)

    @property
    def planned(self) -> float | None:
        """The run's budget: its target or, without one, epsilon after the last planned round; ``None``: unknown."""
        target = self.record.privacy.target_epsilon
        if target is not None:
            return target
        ends = [client.planned for client in self.clients.values()]
        return max((end for end in ends if end is not None), default=None) if None not in ends else None


def read_spent(folder: Path, rounds: int | None = None) -> SpentBudget:
    """Account for a run's releases: of run.json and the journal the larger count of each.

    Args:
        folder: The run's folder.
        rounds: The rounds that count as planned, in place of those that it was planned with.

    Raises:
        RecordError: It holds no run, or its files do not say what was released.
    """
    record = RunDirectory(folder).read_record()
    if rounds is not None:
        record.federated = record.federated.model_copy(update={"rounds": rounds})
    accounted = record.privacy.accounted
    on_disk = LedgerJournal(folder).read()
    try:
        recorded, spent = PrivacyLedger(), PrivacyLedger()
        recorded.load_state_dict(dict(record.privacy.ledger))
        for session, ledger in on_disk.items():
            if session.run in ("", record.run):
                spent.add_all(ledger)
        spent.raise_to(recorded.state_dict())
        clients = {}
        if accounted.reason is None:
            visits = _visits(record)
            for client in sorted({*visits, *spent.clients()}):
                own = visits.get(client, Counter())
                clients[client] = _account(spent.events(client), own, record.privacy, accounted.delta)
    except ConfigError as error:
        raise RecordError(
            f"{folder / 'run.json'} does not say what was released as this version records it ({error}); read the"
            " run with the version that made it."
        ) from error
    ahead = any(spent.events(client) != recorded.events(client) for client in spent.clients())
    return SpentBudget(record, accounted.reason, accounted.delta, clients, ahead)


def planned_releases(record: RunRecord, ledger: PrivacyLedger) -> dict[str, int]:
    """Count by client the releases that all planned rounds make at least, as far as the record says.

    Args:
        record: The record.
        ledger: Its ledger, which tells what a release is.

    Raises:
        ConfigError: The record has an impossible schedule.
    """
    planned = {}
    for client, visits in _visits(record).items():
        ends = [_by_end(release, visits, record.privacy) for release in ledger.events(client)]
        sizes = record.data.clients.get(client)
        trains = sizes is None or sizes.train > 0
        one = int(trains and any(record.privacy.unit != "client" or visit.turn == "shared" for visit in visits))
        planned[client] = max((end for end in ends if end is not None), default=one)
    return planned


def _visits(record: RunRecord) -> dict[str, Counter[Visit]]:
    """How often each client makes each of its turns in all planned rounds."""
    federated = record.federated
    schedule = federated.schedule(record.seed)
    if schedule.total_rounds > _MOST_ROUNDS:
        raise ConfigError(f"it plans {schedule.total_rounds:,} rounds, and more than {_MOST_ROUNDS:,} nobody trains")
    names = [name for name in record.data.clients if name not in federated.held_out_clients]
    if federated.pooled:
        names = [POOLED_CLIENT]
    visits: dict[str, Counter[Visit]] = {name: Counter() for name in names}
    for index in range(schedule.total_rounds):
        for visit in schedule.visits(index, names):
            visits[visit.client][visit] += 1
    return visits


def _account(
    spent: Mapping[Release, int], visits: Mapping[Visit, int], privacy: PrivacyBlock, delta: float
) -> SpentClient:
    releasing = [visit for visit in visits if privacy.unit != "client" or visit.turn == "shared"]
    end: float | None = None if releasing else 0.0
    by_end = {release: _by_end(release, visits, privacy) for release in spent}
    if spent and None not in by_end.values():
        planned = {release: max(by_end[release] or 0, count) for release, count in spent.items()}
        end = client_epsilon(planned, delta)
    name = accountant(spent, delta) if spent else ""
    return SpentClient(sum(spent.values()), client_epsilon(spent, delta), end, name)


def _by_end(release: Release, visits: Mapping[Visit, int], privacy: PrivacyBlock) -> int | None:
    """How often a client makes a release in its turns, as far as the record says.

    A sampling rate tells the client's number of units, and so its steps. Without sampling each pass releases once; how
    many passes a stated number of steps makes, the record does not say.
    """
    if privacy.unit == "client":
        return sum(times for visit, times in visits.items() if visit.turn == "shared")
    units, per_step = 1, 1  # one step makes one pass
    if privacy.sampling != "poisson":
        # Where batches have a fixed order, passes go on over rounds, and the parts of several make fewer whole ones.
        if any(visit.step_limit or (privacy.sampling == "fixed" and visit.work < 1) for visit in visits):
            return None
    elif release.sampling_rate < 1 and not all(visit.step_limit for visit in visits):
        if not privacy.units_per_step:
            return None
        per_step = privacy.units_per_step
        units = round(per_step / release.sampling_rate)
    return sum(times * visit.steps(units, per_step) for visit, times in visits.items())


def nominal_text(nominal: float | None) -> str:
    """Word the nominal epsilon, named as what the method's authors state."""
    return (
        "none" if nominal is None else f"epsilon {nominal:g}: stated by the method's authors, not proved for this run"
    )
