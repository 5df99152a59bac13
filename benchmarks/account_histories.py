"""Random histories of an account beside an independent composition of what was really released, as a table.

    python benchmarks/account_histories.py [--histories 200] [--first 0]

In each history processes start runs under one account, some at the same time: with Gaussian noise, Laplace noise under
L1 or L2 clipping, or several of these, shuffled or Poisson-sampled, with and without a threshold that releases
something of its own, on cohorts that gain and lose patients and are divided anew. Some are killed (SIGKILL) before or
after any of their writes to disk, or at any other moment; some of those go on later, and some lose their journal.
The oracle knows what each process told it before and after each release. For every patient, at every moment, the
account is at least the independent epsilon of what was released, and that within the budget; at the end, where it is
exact, at most 1 % above that of what may have been released. ``composed_epsilon.py`` says what the independent epsilons
are; under L2 Laplace noise both are an upper bound. The exit status is 1 where one of this is not so.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from composed_epsilon import composed_epsilon

from adpfl_bench.callbacks.releases_to_come import PlannedReleases
from adpfl_bench.callbacks.run_reservation import RunReservation
from adpfl_bench.errors import AccountRefusal
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.files import replace_file
from adpfl_bench.privacy.account.account_checks import check_account
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.books import PrivacyBooks
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.lineage import Lineage
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism, Mechanism
from adpfl_bench.privacy.release_plan import ReleasePlan

ABOVE = 1.01
_ROUNDING = 1e-5  # of the independent numbers
MECHANISMS = {"gaussian": GaussianMechanism(), "l1": LaplaceMechanism("l1"), "l2": LaplaceMechanism("l2")}
FAMILIES = {
    "Gaussian": (("gaussian", "shuffle"),),
    "Gaussian, Poisson": (("gaussian", "poisson"),),
    "Gaussian, both": (("gaussian", "shuffle"), ("gaussian", "poisson")),
    "Laplace L1": (("l1", "shuffle"),),
    "Laplace L1, Poisson": (("l1", "poisson"), ("l1", "shuffle")),
    "Gaussian and Laplace L1": (("gaussian", "shuffle"), ("l1", "shuffle")),
    "Laplace L2": (("l2", "shuffle"),),
    "Gaussian and Laplace L2": (("gaussian", "shuffle"), ("l2", "shuffle")),
}

Events = dict[Release, int]


@dataclass
class Run:
    """A run of a history.

    Attributes:
        name: Its id.
        folder: Its folder.
        clients: The patients of each client.
        plan: What its turns release.
        z: Its noise multiplier.
        share: What a threshold takes of the budget by a release of its own, under unsampled Gaussian noise.
        schedule: Its rounds.
        done: By client what a process has told to have released.
        about: The same with what one was about to release.
        lost: Whether its journal is gone.
    """

    name: str
    folder: Path
    clients: dict[str, tuple[str, ...]]
    plan: ReleasePlan
    z: float
    share: float
    schedule: RoundSchedule
    done: dict[str, Counter[Release]] = field(default_factory=dict)
    about: dict[str, Counter[Release]] = field(default_factory=dict)
    lost: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        """Number of patients by client."""
        return {client: len(own) for client, own in self.clients.items()}


@dataclass
class Outcome:
    """What came of a history, for a line of the table."""

    family: str
    epsilon: float
    delta: float
    started: int = 0
    refused: int = 0
    killed: int = 0
    resumed: int = 0
    lost: int = 0
    patients: int = 0
    account: float = 0.0
    independent: float = 0.0
    lowest: float = math.inf
    highest: float = 0.0
    problems: list[str] = field(default_factory=list)


class History:
    """A random history.

    Args:
        seed: What it follows from, but for the moments at which processes are killed.
        root: A folder.
    """

    def __init__(self, seed: int, root: Path) -> None:
        self.random = random.Random(seed)
        self.root = root
        family = list(FAMILIES)[seed % len(FAMILIES)]
        self.kinds = FAMILIES[family]
        epsilon, delta = self.random.choice([1.0, 3.0, 8.0]), self.random.choice([1e-3, 1e-5])
        self.account = CohortAccount.create(root / "account", epsilon, delta, "patient")
        self.noises = [self.random.choice([1.5, 2.5, 4.0]), self.random.choice([6.0, 10.0])]
        self.runs: list[Run] = []
        self.stopped: list[Run] = []
        self.outcome = Outcome(family, epsilon, delta)

    def play(self, starts: int = 5) -> Outcome:
        """Start processes, some at once, and compare after each of them."""
        for step in range(starts):
            together = []
            for _ in range(self.random.choice([1, 1, 1, 2, 3])):
                if self.stopped and self.random.random() < 0.6:
                    together.append(self.stopped.pop(0))
                    self.outcome.resumed += 1
                else:
                    together.append(self._new(step))
            self._start(together)
            self._compare(last=False)
        for run in list(self.stopped):
            if self.random.random() < 0.2:
                shutil.rmtree(run.folder, ignore_errors=True)
                run.lost = True
                self.outcome.lost += 1
        self.account.reclaim()
        self._compare(last=True)
        self.outcome.problems += [f"{finding.check}: {finding.text}" for finding in check_account(self.account)]
        return self.outcome

    def _new(self, step: int) -> Run:
        first = 3 * step  # the cohort gains and loses patients
        cohort = [f"patient {number}" for number in range(first, first + 16) if self.random.random() < 0.9]
        self.random.shuffle(cohort)
        number = self.random.choice([1, 2, 3])
        bounds = {1: [12], 2: [8, 12], 3: [4, 8, 12]}[number]  # few sizes, so that few sampling rates occur
        pieces = [tuple(cohort[low:high]) for low, high in zip([0, *bounds], bounds, strict=False)]
        clients = {f"site {index}": own for index, own in enumerate(pieces) if own}
        law, sampling = self.random.choice(self.kinds)
        mechanism: Mechanism = MECHANISMS[law]
        share = 0.2 if (law, sampling) == ("gaussian", "shuffle") and self.random.random() < 0.4 else 0.0
        schedule = RoundSchedule(
            self.random.choice([1, 2, 4]),
            seed=self.random.randrange(10),
            participation=self.random.choice([1.0, 0.5]),
            local_epochs=self.random.choice([1, 2]),
        )
        name = f"run{len(self.runs)}"
        plan = ReleasePlan("patient", sampling, 2, mechanism)
        # Noise with a share of its own has a multiplier of its own, so that the oracle can tell it.
        z = self.random.choice(self.noises) * (1.1 if share else 1.0)
        run = Run(name, self.root / name, clients, plan, z, share, schedule)
        self.runs.append(run)
        self.outcome.started += 1
        return run

    def _start(self, together: list[Run]) -> None:
        children = []
        for run in together:
            kill = self.random.choice([None, None, "write", "write", "time"])
            at, after = self.random.randrange(1, 40), self.random.random() < 0.5
            reader, writer = os.pipe()
            sys.stdout.flush()
            child = os.fork()
            if child == 0:
                os.close(reader)
                _child(run, self.account.folder, writer, at if kill == "write" else 0, after)
            os.close(writer)
            children.append((run, child, reader, 0.04 * self.random.random() if kill == "time" else None))
        for _, child, _, moment in children:
            if moment is not None:
                time.sleep(moment)
                os.kill(child, signal.SIGKILL)
        for run, child, reader, _ in children:
            with os.fdopen(reader) as told:
                lines = told.read().splitlines()
            _, status = os.waitpid(child, 0)
            self._told(run, lines)
            if os.WIFSIGNALED(status):
                self.outcome.killed += 1
                self.stopped.append(run)
            elif "refused" in lines:
                self.outcome.refused += 1
            elif os.WEXITSTATUS(status) != 0:
                self.outcome.problems.append(f"{run.name} ended with {os.WEXITSTATUS(status)}: {lines[-1:]}")

    def _told(self, run: Run, lines: list[str]) -> None:
        for line in lines:
            word, _, rest = line.partition(" ")
            if word in ("about", "done"):
                client, fields, count = json.loads(rest)
                into = run.about if word == "about" else run.done
                into.setdefault(client, Counter())[Release(*fields)] += count

    def _compare(self, last: bool) -> None:
        outcome, state = self.outcome, self.account.state()
        shares = {run.plan.mechanism.event(run.z): run.share for run in self.runs if run.share}
        patients = sorted({patient for run in self.runs for own in run.clients.values() for patient in own})
        outcome.patients = len(patients)
        for patient in patients:
            (unit,) = self.account.key.hashed([patient])
            ours = state.group_of(unit).epsilon(outcome.delta)
            released = composed_epsilon(self._of(patient, "done"), shares, outcome.delta)
            if ours < released * (1 - _ROUNDING):
                outcome.problems.append(f"{patient}: account {ours:.6g} below {released:.6g}, which was released")
            if released > outcome.epsilon * (1 + _ROUNDING):
                outcome.problems.append(f"{patient}: {released:.6g} was released, above {outcome.epsilon:g}")
            if not last:
                continue
            if released > 0:
                outcome.lowest = min(outcome.lowest, ours / released)
            most = composed_epsilon(self._of(patient, "about"), shares, outcome.delta)
            if ours > most * ABOVE:
                outcome.problems.append(f"{patient}: account {ours:.6g} is more than 1 % above {most:.6g}")
            if most > 0:
                outcome.highest = max(outcome.highest, ours / most)
            outcome.account, outcome.independent = max(outcome.account, ours), max(outcome.independent, most)

    def _of(self, patient: str, which: str) -> Events:
        """What a patient was in, or may have been in; of a run whose journal is gone all that it had reserved."""
        total: Counter[Release] = Counter()
        for run in self.runs:
            counted = getattr(run, which)
            if run.lost and which == "about":
                counted = {
                    client: Counter(events) for client, events in _reserved(self.account, run.name).items()
                } or counted
            for client, own in run.clients.items():
                if patient in own:
                    total.update(counted.get(client, Counter()))
        return dict(total)


def _reserved(account: CohortAccount, name: str) -> dict[str, Events]:
    own = account.state().runs.get(name)
    return {client: dict(events) for client, events in own.reserved.items()} if own is not None else {}


def _child(run: Run, account: Path, told: int, kill_at: int, after: bool) -> None:
    """Make a run, or go on with it, in this process, which ends with it or is killed."""
    status = 1
    try:
        if kill_at:
            _die_at(kill_at, after)
        status = _make(run, account, told)
    except BaseException as error:
        os.write(told, f"error {type(error).__name__}: {error}\n".encode()[:4000])
    finally:
        os._exit(status)


def _die_at(number: int, after: bool) -> None:
    real, made = os.fsync, [0]

    def fsync(descriptor: int) -> None:
        made[0] += 1
        if made[0] == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)
        if made[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync = fsync


def _make(run: Run, account: Path, told: int) -> int:
    checkpoint = run.folder / "checkpoint.json"
    known = json.loads(checkpoint.read_text()) if checkpoint.exists() else None
    lineage, books = Lineage(), PrivacyBooks()
    lineage.run = run.name
    books.open(run.folder, lineage, secret=True)
    if known is not None:
        books.restore(known["books"])
        books.search([run.folder])
    reservation = RunReservation(account, books, True, lambda: books.reason)
    planned = PlannedReleases(run.plan, run.z, run.schedule, run.sizes, run.clients, "patient", "phantom")
    reservation.plan(lambda _: planned, run.z)
    reservation.completed = known["rounds"] if known else 0
    books.begin(secrets.token_hex(8))
    try:
        reservation.reserve(lineage, "cohort")
    except AccountRefusal:
        os.write(told, b"refused\n")
        return 0
    for index in range(reservation.completed, run.schedule.total_rounds):
        for visit in run.schedule.visits(index, list(run.clients)):
            events = run.plan.visit_events(run.z, run.sizes[visit.client], visit)
            for release, count in events.items():
                fields = [
                    release.mechanism,
                    release.noise_multiplier,
                    release.sensitivity,
                    release.sampling_rate,
                    release.norm,
                ]
                text = json.dumps([visit.client, fields, count])
                os.write(told, f"about {text}\n".encode())
                books.enter(visit.client, release, count)
                os.write(told, f"done {text}\n".encode())
        replace_file(checkpoint, json.dumps({"rounds": index + 1, "books": books.state_dict()}).encode())
    reservation.settle(run.name)
    return 0


def play(seed: int) -> Outcome:
    """Play one history in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return History(seed, Path(folder)).play()


HEADINGS = (
    "history",
    "noise",
    "budget",
    "delta",
    "runs",
    "refused",
    "killed",
    "went on",
    "patients",
    "account",
    "independent",
    "least ratio",
    "most ratio",
)


def line(seed: int, outcome: Outcome) -> str:
    """Return the table's line of a history."""
    least = 1.0 if math.isinf(outcome.lowest) else outcome.lowest
    cells = [
        str(seed),
        outcome.family,
        f"{outcome.epsilon:g}",
        f"{outcome.delta:g}",
        *(str(n) for n in (outcome.started, outcome.refused, outcome.killed, outcome.resumed, outcome.patients)),
        f"{outcome.account:.4f}",
        f"{outcome.independent:.4f}",
        f"{least:.5f}",
        f"{max(outcome.highest, least):.5f}",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Play histories and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    print("| " + " | ".join(HEADINGS) + " |\n|" + "---|" * len(HEADINGS))
    outcomes = []
    for seed in range(options.first, options.first + options.histories):
        outcomes.append(play(seed))
        print(line(seed, outcomes[-1]), flush=True)
        for problem in outcomes[-1].problems:
            print(f"WRONG: {problem}", flush=True)
    names = ("started", "refused", "killed", "resumed", "lost")
    print(", ".join(f"{sum(getattr(outcome, name) for outcome in outcomes)} {name}" for name in names))
    exact = [outcome for outcome in outcomes if outcome.highest]
    print(f"ratios {min(o.lowest for o in exact):.6f} to {max(o.highest for o in exact):.6f}")
    wrong = sum(bool(outcome.problems) for outcome in outcomes)
    print(f"{wrong} of {len(outcomes)} histories are wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
