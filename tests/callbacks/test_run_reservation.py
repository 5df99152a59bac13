"""Runs under an account: they ask before they release, count what they released, and stop where nothing is proved."""

import pytest
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.errors import AccountRefusal, BenchError, ConfigError
from adpfl_bench.privacy.account.account_checks import check_account
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.private_thresholds import QuantileThreshold
from adpfl_bench.privacy.summed_noise import SummedGaussianMechanism
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold
from adpfl_bench.records.run_directory import RunDirectory
from tests.toy_federation import SIZES, looks_on

DELTA, Z = 1e-3, 2.0
RELEASE = Release("GaussianMechanism", Z)


@pytest.fixture
def account(tmp_path):
    return CohortAccount.create(tmp_path / "account", 8.0, DELTA, "record", simulation=True)


def private(account, threshold=None, **settings):
    stated = {"noise_multiplier": Z, "delta": DELTA, "account": account.folder, **settings}
    return DifferentialPrivacy("record", threshold or FixedThreshold(), GaussianMechanism(), **stated)


def composed(account):
    return account.state().composed()


@looks_on
class Look(Callback):
    """What the account has before each round's first release."""

    def __init__(self, account):
        self.account, self.seen = account, []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        (own,) = self.account.state().runs.values()
        self.seen.append((own.is_open, own.reserved))


@looks_on
class StopInRound(Callback):
    """Stops in the middle of a round."""

    def __init__(self, index):
        self.index = index

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == self.index and batch.client == "bay":
            raise RuntimeError("stopped")


def test_an_account_takes_no_noise_of_a_trusted_sum(account):
    with pytest.raises(ConfigError, match="nothing is of what each client sends, which an account counts"):
        DifferentialPrivacy("record", FixedThreshold(), SummedGaussianMechanism(1), Z, account=account.folder)


def test_a_run_reserves_before_its_first_release_and_settles_at_its_end(account, toy_task, toy_data, fit, tmp_path):
    look, privacy = Look(account), private(account)
    fit(toy_task(), toy_data(), FederatedLoop(rounds=3), privacy, RunRecorder("toy", "gauss"), look)
    planned = {client: {RELEASE: 3} for client in SIZES}
    assert set(map(str, look.seen)) == {str((True, planned))}
    (own,) = account.state().runs.values()
    assert (own.is_open, own.outcome, own.settled) == (False, "run", planned)
    assert account.state().units == sum(SIZES.values())
    block = RunDirectory(tmp_path).read_record().account
    opening = account.state().opening
    assert (block.account, block.epsilon, block.delta) == (opening.account, 8.0, DELTA)
    assert (block.reservation, block.settled) == (own.reservation, account.content().last)
    assert block.run_epsilon == block.composed_epsilon == client_epsilon({RELEASE: 3}, DELTA)
    assert own.facts.label == "toy / gauss / seed 0"
    assert own.facts.config == RunDirectory(tmp_path).read_record().config_sha256
    assert check_account(account, block.settled) == []


def test_the_second_run_is_refused_before_anything_of_it_is_there(account, toy_task, toy_data, fit, tmp_path):
    most = max(n for n in range(50) if client_epsilon({RELEASE: n}, DELTA) <= 8.0)
    first = tmp_path / "first"
    fit(toy_task(), toy_data(), FederatedLoop(rounds=2), private(account), RunRecorder(), default_root_dir=first)
    second = tmp_path / "second"
    with pytest.raises(AccountRefusal, match=rf"at most {most - 2} of its {most} rounds fit"):
        fit(
            toy_task(), toy_data(), FederatedLoop(rounds=most), private(account), RunRecorder(), default_root_dir=second
        )
    assert not (second / "run.json").exists()
    assert composed(account) == client_epsilon({RELEASE: 2}, DELTA)


@pytest.mark.parametrize("secure", [False, True])
def test_a_stopped_run_goes_on_under_its_reservation(account, toy_task, toy_data, fit, tmp_path, secure):
    """Repeated noise counts once; secret noise of the broken-off round counts twice."""

    def train(*more, **how):
        callbacks = private(account, secure=secure), RunRecorder(), ModelCheckpoint(tmp_path / "checkpoints", "last")
        fit(toy_task(), toy_data(), FederatedLoop(rounds=3), *callbacks, *more, **how)

    with pytest.raises(RuntimeError, match="stopped"):
        train(StopInRound(1))
    (own,) = account.state().runs.values()
    assert own.is_open
    assert not account.at_work(own.facts.run)
    train(ckpt_path=tmp_path / "checkpoints" / "last.ckpt")
    (own,) = account.state().runs.values()
    assert own.settled == {client: {RELEASE: 4 if secure and client in ("alps", "bay") else 3} for client in SIZES}
    assert check_account(account) == []


def test_a_stopped_run_is_settled_by_its_journal_when_somebody_needs_it(account, toy_task, toy_data, fit, tmp_path):
    with pytest.raises(RuntimeError, match="stopped"):
        fit(
            toy_task(),
            toy_data(),
            FederatedLoop(rounds=12),
            private(account),
            StopInRound(1),
            default_root_dir=tmp_path / "a",
        )
    fit(toy_task(), toy_data(), FederatedLoop(rounds=12), private(account), default_root_dir=tmp_path / "b")
    first, second = account.state().runs.values()
    assert (first.outcome, first.settled) == (
        "journal",
        {"alps": {RELEASE: 2}, "bay": {RELEASE: 2}, "cape": {RELEASE: 1}},
    )
    assert second.settled == {client: {RELEASE: 12} for client in SIZES}
    assert composed(account) == client_epsilon({RELEASE: 14}, DELTA) <= 8.0


def test_a_run_that_was_stopped_before_it_settled_settles_when_it_is_continued(
    account, toy_task, toy_data, fit, tmp_path, monkeypatch
):
    """There is no round left to train then."""

    def train(**how):
        callbacks = private(account), RunRecorder(), ModelCheckpoint(tmp_path / "checkpoints", "last")
        fit(toy_task(), toy_data(), FederatedLoop(rounds=2), *callbacks, **how)

    with monkeypatch.context() as patch:
        patch.setattr(CohortAccount, "settle", _stopped)
        with pytest.raises(RuntimeError, match="stopped"):
            train()
    assert [run.is_open for run in account.state().runs.values()] == [True]
    for _ in range(2):
        train(ckpt_path=tmp_path / "checkpoints" / "last.ckpt")
        (own,) = account.state().runs.values()
        assert own.settled == {client: {RELEASE: 2} for client in SIZES}
        block = RunDirectory(tmp_path).read_record().account
        assert (block.settled, block.run_epsilon) == (account.content().last, client_epsilon({RELEASE: 2}, DELTA))
    assert sum(entry["kind"] == "settle" for entry in account.content().entries) == 1


def test_a_finished_run_asks_for_what_further_rounds_release(account, toy_task, toy_data, fit, tmp_path):
    def train(rounds, **how):
        callbacks = private(account, secure=True), RunRecorder(), ModelCheckpoint(tmp_path / "checkpoints", "last")
        fit(toy_task(), toy_data(), FederatedLoop(rounds=rounds), *callbacks, **how)

    last = tmp_path / "checkpoints" / "last.ckpt"
    train(2)
    train(4, ckpt_path=last)
    (own,) = account.state().runs.values()
    assert own.settled == {client: {RELEASE: 4} for client in SIZES}
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(AccountRefusal, match=r"at most 17 of its 40 rounds fit"):
        train(40, ckpt_path=last)
    assert (tmp_path / "run.json").read_bytes() == before
    assert check_account(account) == []


def _stopped(*_):
    raise RuntimeError("stopped")


def test_nothing_proved_is_refused_when_the_method_is_made(account):
    with pytest.raises(ConfigError, match="but nothing is proved of this run, so that no account"):
        private(account, PercentileThreshold())
    with pytest.raises(ConfigError, match="the method is not private: no noise is added"):
        DifferentialPrivacy(account=account.folder)


class Unknown(Callback):
    """A callback that no proof knows, and that comes in the second round."""

    def on_train_epoch_end(self, trainer, pl_module):
        trainer.callbacks.append(_ComesLater())


class _ComesLater(Callback):
    def on_train_batch_end(self, *_):
        pass


looks_on(Unknown)


def test_a_run_of_which_nothing_is_proved_any_more_stops_and_leaves_nothing(account, toy_task, toy_data, fit):
    with (
        pytest.warns(UserWarning, match="No epsilon"),
        pytest.raises(BenchError, match="and stops: the proof does not"),
    ):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=3), private(account), Unknown())
    (own,) = account.state().runs.values()
    assert own.settled == {client: {RELEASE: 1} for client in SIZES}
    assert "_ComesLater" in own.reason
    assert composed(account) == float("inf")


def test_no_more_is_released_than_was_promised(account, toy_task, toy_data, fit):
    class More(Callback):
        """Lets the account promise less than the run releases."""

        def on_train_epoch_start(self, trainer, pl_module):
            privacy.engine.books.promised = {client: {RELEASE: 1} for client in SIZES}

    privacy = private(account)
    with pytest.raises(BenchError, match=r"release 2 of a kind of which the account has promised 1; it is not made"):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=2), privacy, looks_on(More)())
    assert privacy.ledger.events("alps") == {RELEASE: 1}


def test_a_threshold_s_own_release_is_part_of_what_is_reserved(account, toy_task, toy_data, fit):
    threshold = QuantileThreshold(budget_share=0.3)
    fit(toy_task(), toy_data(), FederatedLoop(rounds=2), private(account, threshold))
    assert composed(account) == client_epsilon({RELEASE: 2}, DELTA)


def test_weights_of_a_run_that_the_account_does_not_know_are_refused(account, toy_task, toy_data, fit):
    task, data = toy_task(), toy_data()
    outside = DifferentialPrivacy("record", FixedThreshold(), GaussianMechanism(), Z, delta=DELTA)
    fit(task, data, FederatedLoop(rounds=1), outside)
    with pytest.raises(ConfigError, match="on the same data, which the account"):
        fit(task, data, FederatedLoop(rounds=1), private(account))
    task = toy_task()
    for _ in range(2):
        fit(task, data, FederatedLoop(rounds=1), private(account))
    assert composed(account) == client_epsilon({RELEASE: 2}, DELTA)


def test_other_units_need_another_account(account, toy_task, toy_data, fit):
    patient = DifferentialPrivacy(
        "patient", FixedThreshold(), GaussianMechanism(), Z, delta=DELTA, account=account.folder
    )
    with pytest.raises(ConfigError, match=r"is for the unit record, but privacy\.unit is patient"):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=1), patient)


def test_the_account_s_delta_fits_the_cohort(tmp_path, toy_task, toy_data, fit):
    account = CohortAccount.create(tmp_path / "account", 8.0, 0.01, "record", simulation=True)
    with pytest.raises(ConfigError, match=r"The account's delta is 0\.01, but it must be at most"):
        fit(toy_task(), toy_data({"a": 90}), FederatedLoop(rounds=1), private(account))
