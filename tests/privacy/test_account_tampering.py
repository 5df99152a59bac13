"""Tampering with an account: each way is found by name; what a killed writer leaves is none."""

import json
import shutil

import pytest

from adpfl_bench.privacy.account.account_checks import check_account
from adpfl_bench.privacy.account.account_entries import Settlement, to_line
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.account.sealed_lines import AccountDamaged
from adpfl_bench.privacy.journal import LedgerJournal, Session
from adpfl_bench.privacy.ledger import PrivacyLedger
from tests.privacy.accounts import RELEASE, asked, made

RUNS = 3


@pytest.fixture
def account(tmp_path):
    account = made(tmp_path / "account", epsilon=20.0)
    for number in range(RUNS):
        account.reserve(asked(f"run{number}", {"a": ["x", f"own {number}"]}, tmp_path / f"run{number}"))
        account.settle(f"run{number}", {"a": {RELEASE: 4}})
    return account


def edited(change):
    def damage(account):
        file = account.folder / "account.log"
        file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))

    return damage


def at(place, change):
    return edited(lambda lines: [*lines[:place], change(lines[place]), *lines[place + 1 :]])


def raised(line):
    return line.replace(b'"epsilon":20.0', b'"epsilon":90.0')


def fewer(line):
    assert b'"l2",4]' in line
    return line.replace(b'"l2",4]', b'"l2",1]')


def another_key(account):
    other = made(account.folder.parent / "other")
    shutil.copy(other.folder / "key", account.folder / "key")


def another_head(account):
    other = made(account.folder.parent / "other")
    shutil.copy(other.folder / "head", account.folder / "head")


def counted_down(account):
    head = account.folder / "head"
    number, last, seal = head.read_text().split()
    head.write_text(f"{int(number) - 1} {last} {seal}\n")


WAYS = {
    "a larger budget": (at(0, raised), "line"),
    "fewer releases": (at(3, fewer), "line"),
    "a line removed": (edited(lambda lines: [*lines[:2], *lines[3:]]), "end"),
    "a line removed, another doubled": (edited(lambda lines: [*lines[:2], *lines[3:], lines[-1]]), "line"),
    "two lines swapped": (edited(lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]]), "line"),
    "the last line removed": (edited(lambda lines: lines[:-1]), "end"),
    "half of the last line removed": (edited(lambda lines: [*lines[:-1], lines[-1][:40]]), "end"),
    "all lines but the first removed": (edited(lambda lines: lines[:1]), "end"),
    "everything removed": (edited(lambda lines: []), "end"),
    "a line of one's own": (edited(lambda lines: [*lines, lines[-1]]), "line"),
    "a space more": (at(3, lambda line: line.replace(b"{", b"{ ", 1)), "line"),
    "the head of another account": (another_head, "head"),
    "a head with another number": (counted_down, "head"),
    "a head of text": (lambda account: (account.folder / "head").write_text("x"), "head"),
    "no head": (lambda account: (account.folder / "head").unlink(), "head"),
    "the key of another account": (another_key, "key"),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_is_found_by_name_and_nothing_is_reserved(account, way):
    damage, part = WAYS[way]
    damage(account)
    with pytest.raises(AccountDamaged) as found:
        CohortAccount(account.folder).state()
    assert found.value.part == part
    with pytest.raises(AccountDamaged):
        CohortAccount(account.folder).reserve(asked("next", {"a": ["x"]}))
    if part != "key":
        assert [finding.check for finding in check_account(CohortAccount(account.folder))] == [part]


def test_an_earlier_copy_is_noticed_by_a_seal_that_somebody_has_kept(account, tmp_path):
    shutil.copytree(account.folder, tmp_path / "copy")
    account.reserve(asked("more", {"a": ["x"]}))
    kept = account.content().last
    assert check_account(account, kept) == []
    old = CohortAccount(tmp_path / "copy")
    assert check_account(old) == []
    assert [finding.check for finding in check_account(old, kept)] == ["seal"]


def test_a_line_that_was_never_finished_counts_as_never_written(account):
    file = account.folder / "account.log"
    whole = file.read_bytes()
    for torn in (b"a", whole[:100].replace(b"\n", b" "), b"\0" * 50):
        file.write_bytes(whole + torn)
        assert len(account.state().runs) == RUNS
    account.reserve(asked("next", {"a": ["x"]}, rounds=1))
    assert len(account.state().runs) == RUNS + 1
    assert b"\0" not in file.read_bytes()


def test_a_line_that_the_head_does_not_know_yet_counts(account):
    head = account.folder / "head"
    before = head.read_bytes()
    account.settle("run0", {"a": {RELEASE: 4}})
    head.write_bytes(before)
    content = account.content()
    assert content.pending
    account.reserve(asked("next", {"a": ["x"]}, rounds=1))
    after = account.content()
    assert not after.pending
    assert after.seals[: len(content.seals)] == content.seals
    account.reserve(asked("last", {"a": ["x"]}, rounds=1))
    head.write_bytes(before)
    with pytest.raises(AccountDamaged, match="the head is an earlier one"):
        account.state()


def _settled(account, releases):
    """Write a line as only somebody with the key can."""
    run = account.state().runs["run0"]
    account._lines.append(to_line(Settlement(run.reservation, "run0", "run", None, {"a": {RELEASE: releases}}, "")))


def test_sums_that_only_the_key_s_owner_can_falsify_are_found(account):
    _settled(account, 9)
    assert [finding.check for finding in check_account(account)] == ["settlement"]
    _settled(account, 1)
    assert [finding.check for finding in check_account(account)] == ["settlement", "settlement"]


def test_a_journal_with_more_than_the_account_is_found(account, tmp_path):
    ledger = PrivacyLedger()
    ledger.add("a", RELEASE, 5)
    LedgerJournal(tmp_path / "run1").raise_to(Session("run1", "key"), ledger)
    assert [finding.check for finding in check_account(account)] == ["journal"]


def test_a_budget_that_was_overdrawn_is_found(account):
    run = account.state().runs["run0"]
    line = to_line(Settlement(run.reservation, "run0", "run", None, {"a": {RELEASE: 900}}, ""))
    account._lines.append(json.loads(json.dumps(line)))
    assert {finding.check for finding in check_account(account)} == {"settlement", "budget"}
