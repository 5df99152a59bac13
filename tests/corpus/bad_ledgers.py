"""Bad ledgers: the journal of releases and run.json of a run with privacy, as its account meets them."""

from collections.abc import Callable
from typing import Any

from tests.corpus.damages import Damage, at, content, cut, linked, made_folder, recoded, removed, written, zeros
from tests.corpus.json_damages import keys
from tests.corpus.kind import Accepted, Refused, kinds
from tests.corpus.record_asks import spent

FILE = at("run/privacy_ledger.json")
RECORD = at("run/run.json")


def _journal(change: Callable[[dict[str, Any]], object]) -> Damage:
    return keys(FILE, change)


def _release(place: int, value: Any) -> Damage:
    """Put a value into the first client's release."""
    return _journal(lambda found: found["sessions"][0]["releases"]["client-1"][0].__setitem__(place, value))


def _record(change: Callable[[dict[str, Any]], object]) -> Damage:
    return keys(RECORD, change)


def _ledger(release: list[Any]) -> Damage:
    return _record(lambda found: found["privacy"].update(ledger={"client-1": [release]}))


def _federated(**changes: Any) -> Damage:
    return _record(lambda found: found["federated"].update(changes))


_UNREADABLE = Refused(r"privacy_ledger\.json should hold the run's ledger of releases, but it cannot be read \(.*\)")
_IMPOSSIBLE = Refused(r"run\.json does not say what was released as this version records it \(")
_SAME = Accepted("the account of run.json", lambda answer: 7.9 < answer.value.epsilon < 8.1)
_GAUSS = ["GaussianMechanism", 0.7680916475710226, 1.0, 1.0, "l2", 2]

LEDGERS = kinds(
    "ledgers",
    spent(),
    [
        ("no journal", removed(FILE), _SAME),
        ("a folder in the journal's place", made_folder(FILE), _UNREADABLE),
        ("a link to itself as the journal", linked(FILE, lambda path: path.name), _UNREADABLE),
        ("an empty journal", written(FILE, ""), _UNREADABLE),
        ("a journal of zero bytes", zeros(FILE), _UNREADABLE),
        ("half a journal", cut(FILE, 0.5), _UNREADABLE),
        ("a line that was not written to its end", content(FILE, lambda data: data + data[:40]), _SAME),
        ("a line of zero bytes in the journal's end", content(FILE, lambda data: data + bytes(40)), _SAME),
        ("a damaged line in the journal", content(FILE, lambda data: data + data[:40] + b"\n" + data), _UNREADABLE),
        (
            "a line that raises a count",
            content(FILE, lambda data: data + data.replace(b'"l2", 2]', b'"l2", 3]')),
            Accepted("the larger one", lambda a: a.value.ahead),
        ),
        ("a journal in UTF-16", recoded(FILE, "utf-16"), _UNREADABLE),
        ("a journal in Latin-1", content(FILE, lambda data: data.replace(b"client", b"cl\xefent")), _UNREADABLE),
        ("a journal that is a list", written(FILE, "[]"), _UNREADABLE),
        ("a journal that is null", written(FILE, "null"), _UNREADABLE),
        ("100,000 brackets", written(FILE, "[" * 100_000), _UNREADABLE),
        ("a journal without sessions", _journal(lambda found: found.pop("sessions")), _UNREADABLE),
        ("sessions that are a number", _journal(lambda found: found.update(sessions=5)), _UNREADABLE),
        ("a session without releases", _journal(lambda found: found["sessions"][0].pop("releases")), _UNREADABLE),
        ("a release that is text", _journal(lambda f: f["sessions"][0]["releases"].update(x=["y"])), _UNREADABLE),
        (
            "a release with too many numbers",
            _journal(lambda f: f["sessions"][0]["releases"].update(x=[[1] * 9])),
            _UNREADABLE,
        ),
        ("a negative noise in the journal", _release(1, -1.0), _UNREADABLE),
        ("a noise of NaN in the journal", _release(1, float("nan")), _UNREADABLE),
        ("a noise of text in the journal", _release(1, "x"), _UNREADABLE),
        ("an infinite noise in the journal", _release(1, float("inf")), _UNREADABLE),
        ("a sampling rate of 3 in the journal", _release(3, 3.0), _UNREADABLE),
        ("an unknown norm in the journal", _release(4, "l7"), _UNREADABLE),
        ("a count of text in the journal", _release(5, "2"), _UNREADABLE),
        ("a negative count in the journal", _release(5, -2), _UNREADABLE),
        ("a count of 0.5 in the journal", _release(5, 0.5), _UNREADABLE),
        ("a count of 10**30 in the journal", _release(5, 10**30), Accepted("so much", lambda a: a.value.epsilon > 1e6)),
        ("an unknown mechanism in the journal", _release(0, "MagicMechanism"), _IMPOSSIBLE),
        (
            "a count above run.json's in the journal",
            _release(5, 3),
            Accepted("the larger one", lambda a: a.value.ahead),
        ),
        ("a count below run.json's in the journal", _release(5, 1), _SAME),
        ("the journal of another run", _journal(lambda f: f["sessions"][0].update(run="x")), _SAME),
        ("a negative noise in the record", _ledger([*_GAUSS[:1], -1.0, *_GAUSS[2:]]), _IMPOSSIBLE),
        ("an unknown mechanism in the record", _ledger(["MagicMechanism", *_GAUSS[1:]]), _IMPOSSIBLE),
        ("a negative count in the record", _ledger([*_GAUSS[:5], -2]), _IMPOSSIBLE),
        ("a delta of 0", _record(lambda f: f["privacy"]["accounted"].update(delta=0.0)), Refused("delta")),
        ("a delta of 2", _record(lambda f: f["privacy"]["accounted"].update(delta=2.0)), Refused("delta")),
        ("a negative delta", _record(lambda f: f["privacy"]["accounted"].update(delta=-1e-4)), Refused("delta")),
        ("a participation of 0", _federated(participation=0.0), _IMPOSSIBLE),
        ("rounds below 1", _federated(rounds=0), _IMPOSSIBLE),
        (
            "rounds without end",
            _federated(rounds=10**12, total_rounds=10**12),
            Refused("it plans 1,000,000,000,000 rounds, and more than 100,000 nobody trains"),
        ),
        (
            "local epochs without end",
            _federated(local_epochs=10**15),
            Accepted("planned as it says", lambda answer: answer.value.epsilon < 8.1),
        ),
        ("clients that are none", _record(lambda f: f["data"].update(clients={})), _IMPOSSIBLE),
    ],
)
