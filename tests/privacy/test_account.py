"""The account of a cohort: what is promised, what is refused, and what it counts for whom."""

import json
import math
import os
import stat

import pytest

from adpfl_bench.errors import AccountRefusal, ConfigError, RecordError
from adpfl_bench.privacy.account.account_checks import check_account
from adpfl_bench.privacy.account.account_room import room_left
from adpfl_bench.privacy.account.account_state import UnitGroup, over_budget
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.journal import LedgerJournal, Session
from adpfl_bench.privacy.ledger import PrivacyLedger, Release
from tests.privacy.accounts import DELTA, RELEASE, asked, made

OLD, BOTH, NEW = ["old"], ["both"], ["new"]


def epsilon(account, name):
    return account.state().group_of(account.key.hashed([name])[0]).epsilon(DELTA)


def journal(folder, name, releases):
    ledger = PrivacyLedger()
    for client, number in releases.items():
        ledger.add(client, RELEASE, number)
    LedgerJournal(folder).raise_to(Session(name, "key"), ledger)


def test_units_are_counted_for_the_runs_that_they_were_in(tmp_path):
    account = made(tmp_path / "account", epsilon=50.0)
    for name, units in (("first", {"a": OLD, "b": BOTH}), ("second", {"c": [*BOTH, *NEW]})):
        account.reserve(asked(name, units))
        account.settle(name, {client: {RELEASE: 3} for client in units})
    assert epsilon(account, "old") == epsilon(account, "new") == client_epsilon({RELEASE: 3}, DELTA)
    assert epsilon(account, "both") == client_epsilon({RELEASE: 6}, DELTA)
    assert epsilon(account, "stranger") == 0
    groups = {group.size: dict(group.events) for group in account.state().groups()}
    assert groups == {2: {RELEASE: 3}, 1: {RELEASE: 6}}
    text = (tmp_path / "account" / "account.log").read_text()
    assert "both" not in text


def test_kinds_of_noise_compose_and_are_never_added(tmp_path):
    account, other = made(tmp_path / "account", epsilon=50.0), Release("LaplaceMechanism", 4.0, 1.0, 1.0, "l1")
    for name, release in (("first", RELEASE), ("second", other)):
        account.reserve(asked(name, {"a": OLD}, release=release))
        account.settle(name, {"a": {release: 4}})
    parts = [client_epsilon({release: 4}, DELTA) for release in (RELEASE, other)]
    assert epsilon(account, "old") == client_epsilon({RELEASE: 4, other: 4}, DELTA) < 0.95 * sum(parts)


def test_a_run_that_does_not_fit_is_refused_with_what_would(tmp_path):
    account = made(tmp_path / "account", epsilon=6.0)
    account.reserve(asked("first", {"a": OLD, "b": BOTH}))
    account.settle("first", {"a": {RELEASE: 4}, "b": {RELEASE: 4}})
    budget = max(n for n in range(30) if client_epsilon({RELEASE: n}, DELTA) <= 6.0)
    with pytest.raises(
        AccountRefusal, match="of 3 patients 1 would come to more than epsilon 6 at delta 1e-05"
    ) as told:
        account.reserve(asked("second", {"x": [*BOTH, *NEW, "third"]}, rounds=budget))
    assert told.value.rounds == budget - 4
    assert f"at most {budget - 4} of its {budget} rounds fit (federated.rounds {budget - 4})" in str(told.value)
    account.reserve(asked("second", {"x": [*BOTH, *NEW, "third"]}, rounds=budget - 4))
    account.settle("second", {"x": {RELEASE: budget - 4}})
    with pytest.raises(AccountRefusal, match=r"1 of them with any more release at all. With this noise not even one"):
        account.reserve(asked("third", {"x": [*BOTH, *NEW]}))
    account.reserve(asked("third", {"x": NEW}, rounds=4))
    assert len(account.state().runs) == 3
    assert check_account(account) == []


def test_the_largest_run_that_fits_is_what_the_refusal_says(tmp_path):
    account = made(tmp_path / "account", epsilon=3.0)
    with pytest.raises(AccountRefusal) as told:
        account.reserve(asked("run", {"a": OLD}, rounds=100))
    with pytest.raises(AccountRefusal):
        account.reserve(asked("run", {"a": OLD}, rounds=told.value.rounds + 1))
    account.reserve(asked("run", {"a": OLD}, rounds=told.value.rounds))


def test_a_stopped_run_keeps_its_reservation_until_somebody_needs_it(tmp_path):
    account, folder = made(tmp_path / "account", epsilon=6.0), tmp_path / "run"
    budget = max(n for n in range(30) if client_epsilon({RELEASE: n}, DELTA) <= 6.0)
    account.reserve(asked("first", {"a": OLD}, folder, rounds=budget - 1))
    journal(folder, "first", {"a": 2})
    with pytest.raises(AccountRefusal, match="1 run at work may still give some back"):
        CohortAccount(account.folder).reserve(asked("second", {"a": OLD}, rounds=3))
    account.leave("first")
    CohortAccount(account.folder).reserve(asked("small", {"a": OLD}, rounds=1))
    assert account.state().runs["first"].is_open
    CohortAccount(account.folder).reserve(asked("second", {"a": OLD}, rounds=3))
    first = account.state().runs["first"]
    assert (first.is_open, first.outcome, first.settled) == (False, "journal", {"a": {RELEASE: 2}})
    assert epsilon(account, "old") == client_epsilon({RELEASE: 2 + 1 + 3}, DELTA)


def test_without_a_journal_the_whole_reservation_counts(tmp_path):
    account = made(tmp_path / "account", epsilon=50.0)
    account.reserve(asked("run", {"a": OLD}, tmp_path / "gone"))
    account.leave("run")
    assert [settled.outcome for settled in account.reclaim()] == ["lost"]
    assert epsilon(account, "old") == client_epsilon({RELEASE: 4}, DELTA)
    journal(tmp_path / "back", "run", {"a": 1})
    account.reserve(asked("run", {"a": OLD}, tmp_path / "back", rounds=2))
    account.settle("run", {"a": {RELEASE: 2}})
    assert epsilon(account, "old") == client_epsilon({RELEASE: 2}, DELTA)
    assert check_account(account) == []


def test_a_settlement_is_never_below_an_earlier_one(tmp_path):
    account = made(tmp_path / "account", epsilon=50.0)
    account.reserve(asked("run", {"a": OLD}))
    account.settle("run", {"a": {RELEASE: 3}})
    account.reserve(asked("run", {"a": OLD}, released=3))
    account.settle("run", {"a": {RELEASE: 2}})
    assert epsilon(account, "old") == client_epsilon({RELEASE: 3}, DELTA)


def test_what_nothing_is_proved_of_leaves_nothing_for_its_units(tmp_path):
    account = made(tmp_path / "account", epsilon=50.0)
    account.reserve(asked("run", {"a": OLD, "b": NEW}))
    account.settle("run", {"a": {RELEASE: 1}}, "its network changed without noise")
    assert math.isinf(epsilon(account, "old"))
    assert epsilon(account, "new") == 0
    with pytest.raises(AccountRefusal, match="not even one round"):
        account.reserve(asked("second", {"a": OLD}, rounds=1))
    account.reserve(asked("third", {"a": NEW}))
    assert [finding.check for finding in check_account(account)] == ["proof"]


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"secure": False}, "set privacy.secure true"),
        ({"protects": "lesion"}, "counts by patient, as the data of its runs have it"),
    ],
)
def test_runs_of_another_kind_are_refused(tmp_path, how, sentence):
    account = made(tmp_path / "account")
    account.reserve(asked("first", {"a": OLD}, rounds=1))
    with pytest.raises(ConfigError, match=sentence):
        account.reserve(asked("second", {"a": OLD}, rounds=1, **how))
    assert len(account.state().runs) == 1


def test_a_run_cannot_go_on_with_other_units_under_the_same_name(tmp_path):
    account = made(tmp_path / "account")
    account.reserve(asked("run", {"a": OLD}, rounds=1))
    with pytest.raises(ConfigError, match="has begun with other units under these clients' names"):
        account.reserve(asked("run", {"a": NEW}, rounds=1))


def test_a_copy_of_a_run_that_has_gone_on_elsewhere_is_refused(tmp_path):
    account = made(tmp_path / "account", epsilon=50.0)
    account.reserve(asked("run", {"a": OLD}, tmp_path / "one"))
    journal(tmp_path / "one", "run", {"a": 3})
    account.leave("run")
    for released, ended in ((2, False), (2, True)):
        if ended:
            account.settle("run", {"a": {RELEASE: 3}})
        with pytest.raises(ConfigError, match="another copy of the run has gone on"):
            account.reserve(asked("run", {"a": OLD}, tmp_path / "two", released=released))
    account.reserve(asked("run", {"a": OLD}, tmp_path / "two", released=3))


def test_groups_that_others_decide_are_not_computed(monkeypatch):
    other = Release("GaussianMechanism", 3.0)
    sizes = [UnitGroup(1, {RELEASE: n, other: m}, None) for n in range(1, 9) for m in range(1, 9)]
    wanted = [group for group in sizes if group.epsilon(DELTA) > 6]
    asked_for = []
    real = UnitGroup.within
    monkeypatch.setattr(UnitGroup, "within", lambda self, *limit: asked_for.append(self) or real(self, *limit))
    found = over_budget([*sizes, UnitGroup(1, {}, "no proof")], 6, DELTA)
    assert {str(group.events) for group in found} == {str(group.events) for group in [*wanted, UnitGroup(1, {}, "x")]}
    assert len(asked_for) < len(sizes) / 2


def test_a_simulation_takes_repeatable_noise(tmp_path):
    account = made(tmp_path / "account", simulation=True)
    account.reserve(asked("run", {"a": OLD}, secure=False))


def test_two_processes_are_never_at_work_on_one_run(tmp_path):
    account = made(tmp_path / "account")
    account.reserve(asked("run", {"a": OLD}))
    other = CohortAccount(account.folder)
    assert other.at_work("run")
    other._live._held.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adpfl_bench.privacy.account.live_runs._LOOKS_S", 0.0)
        with pytest.raises(RecordError, match="Another process is at work"):
            other.reserve(asked("run", {"a": OLD}))
    account.leave("run")
    other.reserve(asked("run", {"a": OLD}))


def test_room_is_more_than_the_difference():
    spent = UnitGroup(1, {RELEASE: 4}, None)
    before, room = spent.epsilon(DELTA), room_left([spent], 8.0, DELTA)
    assert 8.0 - before < room < 8.0
    z = next(
        z
        for z in (1 / (k / 1000) for k in range(1, 5000))
        if client_epsilon({Release("GaussianMechanism", z): 1}, DELTA) > room
    )
    assert client_epsilon({RELEASE: 4, Release("GaussianMechanism", z / 1.01): 1}, DELTA) > 8.0
    assert room_left([spent], before / 2, DELTA) == 0


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"epsilon": 0}, "--epsilon is a finite number above 0"),
        ({"epsilon": math.inf}, "--epsilon is a finite"),
        ({"epsilon": math.nan}, "--epsilon is a finite"),
        ({"delta": 0.5}, "at most 0.01"),
        ({"delta": 0.0}, "at most 0.01"),
        ({"unit": "batch"}, "--unit is batch; possible are patient, record, client"),
        ({"name": "a\nb"}, "line break"),
    ],
)
def test_impossible_accounts_are_refused(tmp_path, numbers, sentence):
    with pytest.raises(ConfigError, match=sentence):
        CohortAccount.create(tmp_path / "account", **{"epsilon": 1.0, "delta": 1e-5, **numbers})
    assert not (tmp_path / "account").exists()


def test_an_account_is_made_once(tmp_path):
    made(tmp_path / "account")
    with pytest.raises(ConfigError, match="is there already"):
        made(tmp_path / "account")


@pytest.mark.skipif(os.name != "posix", reason="rights of files are those of POSIX")
def test_a_key_that_others_may_read_is_refused(tmp_path):
    account = made(tmp_path / "account")
    key = account.folder / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o640)
    with pytest.raises(RecordError, match="chmod 600"):
        CohortAccount(account.folder)


def test_without_the_key_hashes_say_nothing(tmp_path):
    first, second = made(tmp_path / "a"), made(tmp_path / "b")
    assert first.key.hashed(["patient"]) != second.key.hashed(["patient"])
    assert first.key.hashed(["b", "a", "a"]) == tuple(sorted(first.key.hashed(["a"]) + first.key.hashed(["b"])))
    assert json.loads((tmp_path / "a" / "account.log").read_text().partition("\t")[2])["unit"] == "patient"
