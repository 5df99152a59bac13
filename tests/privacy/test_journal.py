"""The journal's file: one document, and a line for each entry after it, of which only whole ones count."""

import json
import os

import pytest

from adpfl_bench.errors import RecordError
from adpfl_bench.privacy.books import PrivacyBooks
from adpfl_bench.privacy.journal import LedgerJournal, Session
from adpfl_bench.privacy.ledger import PrivacyLedger, Release
from adpfl_bench.privacy.lineage import Lineage

RELEASE, SESSION = Release("GaussianMechanism", 2.0), Session("run", "key")


def ledger_of(**counts):
    ledger = PrivacyLedger()
    for client, count in counts.items():
        ledger.add(client, RELEASE, count)
    return ledger


def counts(folder):
    found = LedgerJournal(folder).read()
    return {client: ledger.events(client)[RELEASE] for ledger in found.values() for client in ledger.clients()}


@pytest.fixture
def written(tmp_path):
    """A journal with a document and two lines."""
    journal = LedgerJournal(tmp_path)
    for ledger in (ledger_of(a=1), ledger_of(a=1, b=2), ledger_of(a=3, b=2)):
        journal.raise_to(SESSION, ledger)
    return journal


def test_an_entry_is_a_line_with_one_sync(written, tmp_path, monkeypatch):
    assert counts(tmp_path) == {"a": 3, "b": 2}
    before, synced, sync = written.path.read_bytes(), [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(written.path.read_bytes()), sync(file)))
    written.raise_to(SESSION, ledger_of(a=3, b=2, c=7))
    line = written.path.read_bytes().removeprefix(before)
    assert json.loads(line)["sessions"] == [
        {"run": "run", "key": "key", "releases": {"c": [[*vars(RELEASE).values(), 7]]}}
    ]
    assert synced == [before + line]  # all of it, before anything is released


def test_what_the_file_has_is_not_written_again(written, tmp_path):
    before = written.path.stat()
    for ledger in (ledger_of(a=3, b=2), ledger_of(a=1)):
        written.raise_to(SESSION, ledger)
    assert written.path.stat() == before
    assert counts(tmp_path) == {"a": 3, "b": 2}


@pytest.mark.parametrize("length", range(1, 60, 7))
def test_a_last_line_that_was_cut_short_was_of_no_release(written, tmp_path, length):
    whole = written.path.read_bytes()
    written.raise_to(SESSION, ledger_of(c=9))
    written.path.write_bytes(written.path.read_bytes()[: len(whole) + length])
    assert counts(tmp_path) == {"a": 3, "b": 2}
    LedgerJournal(tmp_path).raise_to(SESSION, ledger_of(c=1))
    assert counts(tmp_path) == {"a": 3, "b": 2, "c": 1}
    json.loads(written.path.read_text())  # one document again


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_line_that_is_damaged_is_refused(written, line):
    lines = written.path.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line][:20] + b"\0" + lines[line][21:]
    written.path.write_bytes(b"".join(lines))
    with pytest.raises(RecordError, match=r"should hold the run's ledger of releases, but it cannot be read"):
        LedgerJournal(written.path.parent).read()


def test_a_full_disk_refuses_the_entry_and_harms_none(written, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:

        def full(*_):
            raise OSError(28, "No space left on device")

        patch.setattr(os, "fsync", full)
        with pytest.raises(RecordError, match=r"cannot be written \(No space left on device\)"):
            written.raise_to(SESSION, ledger_of(c=1))
        assert counts(tmp_path) == {"a": 3, "b": 2}
    written.raise_to(SESSION, ledger_of(c=4))
    assert counts(tmp_path) == {"a": 3, "b": 2, "c": 4}


def test_what_another_has_written_meanwhile_stays(written, tmp_path):
    LedgerJournal(tmp_path).raise_to(Session("other", "key"), ledger_of(z=5))
    written.raise_to(SESSION, ledger_of(c=4))
    assert counts(tmp_path) == {"a": 3, "b": 2, "z": 5, "c": 4}


def test_many_lines_become_one_document(tmp_path, monkeypatch):
    monkeypatch.setattr("adpfl_bench.privacy.journal._LONG", 500)
    journal, sizes = LedgerJournal(tmp_path), []
    for count in range(1, 40):
        journal.raise_to(SESSION, ledger_of(a=count))
        sizes.append(journal.path.stat().st_size)
        assert counts(tmp_path) == {"a": count}
    assert max(sizes) < 1000
    assert sizes[0] in sizes[1:]


@pytest.mark.parametrize("torn", [b"", b'{"version": 2, "sess'])
def test_the_end_of_a_run_leaves_one_document_also_of_an_earlier_process(written, tmp_path, torn):
    written.path.write_bytes(written.path.read_bytes() + torn)
    books, lineage = PrivacyBooks(), Lineage()
    lineage.run = "run"
    books.open(tmp_path, lineage, secret=False)
    assert json.loads(written.path.read_text())["sessions"][0]["releases"].keys() == {"a", "b"}
    books.begin("key")
    for client in "cde":
        books.enter(client, RELEASE, 1)
    books.close()
    assert json.loads(written.path.read_text())["sessions"][0]["releases"].keys() == set("abcde")
