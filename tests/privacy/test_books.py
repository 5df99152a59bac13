"""The ledger on disk: written before a release, and read again after a crash."""

import json
import os

import pytest

from adpfl_bench.errors import RecordError
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.books import PrivacyBooks
from adpfl_bench.privacy.journal import JOURNAL_NAME
from adpfl_bench.privacy.ledger import PrivacyLedger, Release

RELEASE = Release("GaussianMechanism", 2.0)


def opened(folder, fresh_noise=False):
    books = PrivacyBooks()
    books.open(folder, fresh_noise)
    return books


def on_disk(folder):
    ledger = PrivacyLedger()
    ledger.load_state_dict(json.loads((folder / JOURNAL_NAME).read_text()))
    return {client: ledger.events(client) for client in ledger.clients()}


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
    checkpoint = before.ledger.state_dict()
    before.enter("a", RELEASE, 3)

    after = opened(tmp_path)
    after.restore(checkpoint)
    shown = [after.spent.events("a")[RELEASE]]
    for _ in range(5):
        after.enter("a", RELEASE, 1)
        shown.append(after.spent.events("a")[RELEASE])
        assert on_disk(tmp_path) == {"a": {RELEASE: shown[-1]}}
    assert shown == [7, 7, 7, 7, 8, 9]
    assert after.ledger.events("a") == {RELEASE: 9}


def test_releases_under_fresh_noise_count_again(tmp_path):
    before = opened(tmp_path, fresh_noise=True)
    before.enter("a", RELEASE, 4)
    checkpoint = before.ledger.state_dict()
    before.enter("a", RELEASE, 3)

    after = opened(tmp_path, fresh_noise=True)
    after.restore(checkpoint)
    after.enter("a", RELEASE, 3)
    assert after.spent.events("a") == {RELEASE: 10}
    anew = opened(tmp_path, fresh_noise=True)
    assert anew.spent.events("a") == {RELEASE: 10}


def test_a_new_run_in_the_same_folder_starts_at_nothing(tmp_path):
    opened(tmp_path).enter("a", RELEASE, 4)
    books = opened(tmp_path)
    assert books.accounted(1e-5).epsilon == 0.0
    books.enter("a", RELEASE, 1)
    assert on_disk(tmp_path) == {"a": {RELEASE: 1}}


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"a": 3}', '{"a": [["GaussianMechanism"]]}'])
def test_a_journal_that_cannot_be_read(tmp_path, content):
    (tmp_path / JOURNAL_NAME).write_text(content)
    with pytest.raises(RecordError, match=r"privacy_ledger\.json should hold the run's ledger of releases"):
        opened(tmp_path).restore({})


def test_nothing_is_released_when_the_journal_cannot_be_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    books = opened(tmp_path)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(
        RecordError, match=r"cannot be written \(No space left on device\), so nothing more is released"
    ):
        books.enter("a", RELEASE, 1)
