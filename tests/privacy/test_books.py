"""The ledger on disk: written before a release, and read again after a crash."""

import json
import os

import pytest

from adpfl_bench.errors import RecordError
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.books import PrivacyBooks
from adpfl_bench.privacy.journal import JOURNAL_NAME, LedgerJournal
from adpfl_bench.privacy.ledger import ANYONE, PrivacyLedger, Release
from adpfl_bench.privacy.lineage import Ancestor, Lineage, inherit

RELEASE = Release("GaussianMechanism", 2.0)
OTHER = Release("GaussianMechanism", 3.0)


def opened(folder, run="run", key="key", secret=False, checkpoint=None, elsewhere=()):
    lineage, books = Lineage(), PrivacyBooks()
    lineage.run = run
    books.open(folder, lineage, secret)
    if checkpoint is not None:
        books.restore(checkpoint)
        books.search(elsewhere)
    books.begin(key)
    return books


def on_disk(folder):
    total = PrivacyLedger()
    for ledger in LedgerJournal(folder).read().values():
        total.add_all(ledger)
    return {client: total.events(client) for client in total.clients()}


def test_an_entry_is_on_disk_when_it_returns(tmp_path):
    books = opened(tmp_path / "run")
    books.enter("a", RELEASE, 3)
    assert on_disk(tmp_path / "run") == {"a": {RELEASE: 3}}
    books.enter("b", RELEASE, 1)
    books.enter("a", RELEASE, 2)
    assert on_disk(tmp_path / "run") == {"a": {RELEASE: 5}, "b": {RELEASE: 1}}
    assert books.epsilons(1e-5) == {c: client_epsilon({RELEASE: n}, 1e-5) for c, n in {"a": 5, "b": 1}.items()}
    assert books.accounted(1e-5).epsilon == books.epsilons(1e-5)["a"]


def test_repeated_releases_count_once_and_never_less_than_before(tmp_path):
    """Seeded noise: the checkpoint knows 4 releases, 3 more were made before the crash."""
    before = opened(tmp_path)
    before.enter("a", RELEASE, 4)
    checkpoint = before.state_dict()
    before.enter("a", RELEASE, 3)

    after = opened(tmp_path, checkpoint=checkpoint)
    shown = [after.spent.events("a")[RELEASE]]
    for _ in range(5):
        after.enter("a", RELEASE, 1)
        shown.append(after.spent.events("a")[RELEASE])
        assert on_disk(tmp_path) == {"a": {RELEASE: shown[-1]}}
    assert shown == [7, 7, 7, 7, 8, 9]
    assert after.ledger.events("a") == {RELEASE: 9}


@pytest.mark.parametrize("elsewhere", [False, True])
def test_releases_under_other_noise_count_again_in_whatever_folder(tmp_path, elsewhere):
    """Secret noise, another device or other settings: the checkpoint knows 4 releases, 7 were made, then 3 more."""
    before = opened(tmp_path / "first", key="one")
    before.enter("a", RELEASE, 4)
    checkpoint = before.state_dict()
    before.enter("a", RELEASE, 3)

    folder = tmp_path / ("second" if elsewhere else "first")
    after = opened(folder, key="two", checkpoint=checkpoint, elsewhere=[tmp_path / "first"])
    assert after.spent.events("a") == {RELEASE: 7}
    after.enter("a", RELEASE, 3)
    assert after.spent.events("a") == {RELEASE: 10}
    assert after.ledger.events("a") == {RELEASE: 7}


def test_a_journal_that_is_not_found_proves_nothing(tmp_path):
    before = opened(tmp_path / "first")
    before.enter("a", RELEASE, 4)
    after = opened(tmp_path / "second", key="two", checkpoint=before.state_dict(), elsewhere=[tmp_path / "none"])
    assert after.accounted(1e-5).epsilon is None
    assert "the journal of the run that it continues was not found" in after.accounted(1e-5).reason


def test_a_run_that_starts_again_before_its_first_checkpoint_forgets_nothing(tmp_path):
    opened(tmp_path).enter("a", RELEASE, 20)
    again = opened(tmp_path, run="another")
    again.enter("a", RELEASE, 1)
    assert again.spent.events("a") == {RELEASE: 20}  # it has the same key: they are the same numbers again
    continued = opened(tmp_path, run="run", key="other")
    continued.enter("a", RELEASE, 1)
    assert continued.spent.events("a") == {RELEASE: 21}


def test_another_run_in_the_folder_has_its_own_account_unless_noise_is_secret(tmp_path):
    opened(tmp_path).enter("a", RELEASE, 4)
    books = opened(tmp_path, run="another", key="other")
    assert books.accounted(1e-5).epsilon == 0.0
    books.enter("a", RELEASE, 1)
    assert books.spent.events("a") == {RELEASE: 1}
    assert on_disk(tmp_path) == {"a": {RELEASE: 5}}
    assert opened(tmp_path, run="third", key="k", secret=True).spent.events("a") == {RELEASE: 5}


def test_a_journal_of_an_earlier_version_counts(tmp_path):
    ledger = PrivacyLedger()
    ledger.add("a", RELEASE, 4)
    (tmp_path / JOURNAL_NAME).write_text(json.dumps(ledger.state_dict()))
    books = opened(tmp_path)
    books.enter("a", RELEASE, 2)
    assert books.spent.events("a") == {RELEASE: 6}


@pytest.mark.parametrize(
    "content", ["", "{", "[1, 2]", '{"a": 3}', '{"a": [["GaussianMechanism"]]}', '{"version": 2, "sessions": [{}]}']
)
def test_a_journal_that_cannot_be_read(tmp_path, content):
    (tmp_path / JOURNAL_NAME).write_text(content)
    with pytest.raises(RecordError, match=r"privacy_ledger\.json should hold the run's ledger of releases"):
        opened(tmp_path)


def test_nothing_is_released_when_the_journal_cannot_be_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    books = opened(tmp_path)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(
        RecordError, match=r"cannot be written \(No space left on device\), so nothing more is released"
    ):
        books.enter("a", RELEASE, 1)


def earlier(releases, **facts):
    ledger = PrivacyLedger()
    for client, events in releases.items():
        for release, count in events.items():
            ledger.add(client, release, count)
    stated = {"cohort": "c", "division": "d", "unit": "record", "reason": None, **facts}
    return Ancestor(releases=ledger.state_dict(), **stated)


def test_what_the_weights_cost_before_is_added_by_client(tmp_path):
    books = opened(tmp_path)
    books.inherited = inherit([earlier({"a": {RELEASE: 2}}), earlier({"b": {OTHER: 1}})], "c", "d", "record")
    books.enter("a", RELEASE, 3)
    assert books.events() == {"a": {RELEASE: 5}, "b": {OTHER: 1}}
    assert books.accounted(1e-5).epsilon == client_epsilon({RELEASE: 5}, 1e-5)
    assert books.spent.events("a") == {RELEASE: 3}


def test_where_clients_were_others_a_unit_was_with_the_one_that_released_most(tmp_path):
    books = opened(tmp_path)
    books.inherited = inherit(
        [earlier({"x": {RELEASE: 2}, "y": {RELEASE: 1, OTHER: 4}}, division="else")], "c", "d", "record"
    )
    assert books.events() == {ANYONE: {RELEASE: 2, OTHER: 4}}
    books.enter("a", RELEASE, 3)
    assert books.events() == {"a": {RELEASE: 5, OTHER: 4}}


def test_other_cohorts_do_not_count_and_unproved_runs_of_the_same_one_prove_nothing():
    assert inherit([earlier({"a": {RELEASE: 2}}, cohort="other")], "c", "d", "record").by_client == {}
    assert "its privacy unit was client" in inherit([earlier({}, unit="client")], "c", "d", "record").reason
    assert "no noise" in inherit([earlier({}, reason="no noise")], "c", "d", "record").reason


def test_a_run_that_starts_again_without_a_checkpoint_is_expected_under_the_key_of_its_journal(tmp_path):
    opened(tmp_path / "run", key="first").enter("a", RELEASE, 3)
    again, lineage = PrivacyBooks(), Lineage()
    lineage.run = "run"
    again.open(tmp_path / "run", lineage, secret=False)
    assert again.last_key == "first"
    # The same numbers once more are no further release.
    assert again.foreseen({"a": {RELEASE: 3}}, again.last_key).events("a") == {RELEASE: 3}
    other, stranger = PrivacyBooks(), Lineage()
    stranger.run = "another"
    other.open(tmp_path / "run", stranger, secret=False)
    assert other.last_key == ""
