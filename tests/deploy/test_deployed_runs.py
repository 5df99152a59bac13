"""A deployed run has the bits of the simulated one, whatever the order of answers and whoever is killed."""

import csv

import numpy as np
import pytest

import adpfl_bench
from adpfl_bench.callbacks.checkpointing import AtomicCheckpointIO
from adpfl_bench.deploy.door import Missing
from adpfl_bench.deploy.messages import Answer, Request, pack, unpack
from adpfl_bench.leaderboard.comparability import compare_runs
from adpfl_bench.leaderboard.notes import table_notes
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.accounting import client_epsilon
from tests.deploy.small_hospitals import NAMES, SmallHospitals, checkpoint, noise_key, record, same_weights, weights


def test_a_deployment_has_the_bits_of_a_simulation_and_its_scores(tmp_path):
    made = SmallHospitals(tmp_path, "fedadam+scaffold")
    simulated = made.fit()
    for name in NAMES:
        made.start(name)
    server = made.serve()
    assert same_weights(simulated, server)
    assert (server / "cases.csv").read_bytes() == (simulated / "cases.csv").read_bytes()
    theirs, ours = (csv_rows(folder) for folder in (simulated, server))
    assert ours == [row for row in theirs if "val_" not in row["name"]]
    known = record(server)
    assert known["status"] == "finished"
    assert known["deployed"]["hospitals"] == list(NAMES)
    assert known["data"]["clients"] == record(simulated)["data"]["clients"]
    assert record(simulated).get("deployed") is None
    for name in NAMES:
        own = record(tmp_path / name)
        assert (own["status"], own["rounds_completed"], own["run"]) == ("finished", 2, known["run"])


def csv_rows(folder):
    with (folder / "rounds.csv").open() as file:
        return list(csv.DictReader(file))


class Accidents:
    """An exchange on which one thing after the other goes wrong, each at its moment."""

    def __init__(self, made, key, monkeypatch):
        self.made, self.key, self.patch = made, key, monkeypatch
        self.log = []
        self.train = {}

    def __call__(self, requests):
        answers = {}
        for name, content in requests.items():
            facts, _ = unpack(content, Request)
            accident = getattr(self, f"{facts.kind}_{facts.round}_{name}", None)
            if accident is not None and accident.__name__ not in self.log:
                self.log.append(accident.__name__)
                answers[name] = accident(name, content)
            else:
                answers[name] = self.made.workers[name].answer(content)
            if facts.kind == "train" and isinstance(answers[name], bytes):
                self.train[name, facts.round] = content, answers[name]
        return answers

    def own(self, name):
        """What the hospital's file says beside the rest: north has an account."""
        account = {"account": "account"} if name == "north" else {}
        return {"test_noise": self.key, **account}

    def train_1_north(self, name, content):
        """Killed before its update."""
        self.made.start(name, **self.own(name))
        return Missing("its node is away")

    def train_1_south(self, name, content):
        """Killed in its update, when everything is released and nothing of it is on disk but the ledger."""
        with self.patch.context() as patch:
            patch.setattr(AtomicCheckpointIO, "save_checkpoint", killed)
            with pytest.raises(WorkerKilled):
                self.made.workers[name].answer(content)
        self.made.start(name, **self.own(name))
        return Missing("its node is away")

    def train_2_west(self, name, content):
        """Killed when its answer is there, and before it is delivered."""
        self.lost = self.made.workers[name].answer(content)
        self.made.start(name, **self.own(name))
        return Missing("its answer was lost")

    def train_2_south(self, name, content):
        """The server is killed while it waits."""
        raise KeyboardInterrupt


class WorkerKilled(BaseException):
    pass


def killed(*arguments, **more):
    raise WorkerKilled


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    """A private run that has met every accident, beside its simulation."""
    made = SmallHospitals(tmp_path_factory.mktemp("private"), "adp_fl_quantile", privacy={"delta": 0.01})
    simulated = made.fit()
    key = noise_key(simulated)
    with pytest.MonkeyPatch.context() as patch:
        accidents = Accidents(made, key, patch)
        CohortAccount.create(made.folder / "account", 8.0, 0.01, "patient", simulation=True)
        for name in NAMES:
            made.start(name, **accidents.own(name), require={"unit": "patient", "epsilon": 8.0})
        with pytest.raises(KeyboardInterrupt):
            made.serve(accidents, missing="wait", tries=3)
        assert record(made.folder / "server")["status"] == "interrupted"
        server = made.serve(accidents, missing="wait", tries=3)
    return made, simulated, server, accidents


def test_accidents_change_no_bit(private):
    made, simulated, server, accidents = private
    assert sorted(accidents.log) == ["train_1_north", "train_1_south", "train_2_south", "train_2_west"]
    assert same_weights(simulated, server)
    assert accidents.train["west", 2][1] == accidents.lost
    ours, theirs = record(server)["privacy"], record(simulated)["privacy"]
    assert ours["ledger"] == theirs["ledger"]
    assert ours["accounted"] == theirs["accounted"]
    thresholds = checkpoint(simulated)["callbacks"]["DifferentialPrivacy"]["threshold"]
    for name in NAMES:
        own = checkpoint(made.folder / name)["callbacks"]["DifferentialPrivacy"]
        assert own["threshold"] == {name: thresholds[name]}
        assert record(made.folder / name)["privacy"]["ledger"] == {name: theirs["ledger"][name]}


def test_the_account_of_a_hospital_is_settled_by_its_own_releases(private):
    made, _, server, _ = private
    state = CohortAccount(made.folder / "account").state()
    (settled,) = state.runs.values()
    assert (settled.is_open, settled.reason) == (False, None)
    epsilon = client_epsilon(settled.counted["north"], 0.01)
    assert epsilon == record(server)["privacy"]["accounted"]["by_client"]["north"]
    block = record(made.folder / "north")["account"]
    assert block["settled"]
    assert block["run_epsilon"] == epsilon


def test_tables_read_it_beside_its_simulation_and_never_as_the_same(private):
    made, simulated, server, _ = private
    found = compare_runs([simulated, server, made.folder / "north"])
    assert not found.left_out
    assert sorted((group.deployed, group.cases) for group in found.groups) == [(False, 6), (True, 2), (True, 6)]
    (group,) = (group for group in found.groups if group.deployed and group.cases == 6)
    assert ", deployed: 6 test cases" in group.heading
    notes = table_notes(tabulate(group)[0])
    assert (
        "adp_fl_quantile (seed 0) was deployed at 3 hospitals (north, south, west); its noise was repeatable, for a"
        " test." in notes
    )


def test_a_round_goes_on_without_a_hospital_and_scores_leave_by_each_ones_policy(tmp_path, capsys):
    made = SmallHospitals(tmp_path, "fedavg", rounds=3)
    policies = {"north": "all", "south": "none", "west": {"means_over": 2}}
    for name in NAMES:
        made.start(name, scores=policies[name])

    def without_north(requests):
        (facts, _), *_ = (unpack(content, Request) for content in requests.values())
        if (facts.kind, facts.round) == ("train", 2):
            requests = {name: content for name, content in requests.items() if name != "north"}
        return made.exchange(requests)

    server = made.serve(without_north, missing="skip", least=2, tries=1, scores_every=2)
    known = record(server)
    assert (known["status"], known["deployed"]["missing"]) == ("finished", {"north": [2]})
    assert "Round 2 goes on without north: no answer came." in capsys.readouterr().out
    rows = {(row["round"], row["client"], row["name"]) for row in csv_rows(server)}
    assert ("2", "south", "delta_norm") in rows
    assert ("2", "north", "delta_norm") not in rows
    assert {client for number, client, name in rows if name == "val_dice_disc"} == {"west", "all"}
    assert {number for number, client, name in rows if name == "val_dice_disc"} == {"2", "3"}
    with (server / "cases.csv").open() as file:
        assert {row["client"] for row in csv.DictReader(file)} == {"north"}
    own = record(tmp_path / "north")
    assert (own["status"], own["rounds_completed"]) == ("finished", 3)
    trained = {row["round"] for row in csv_rows(tmp_path / "north") if row["name"] == "delta_norm"}
    assert trained == {"1", "3"}


@pytest.mark.parametrize(("method", "bounded"), [("median", True), ("fedavg", False)])
def test_an_outlier_moves_the_mean_and_leaves_the_median_between_the_others(tmp_path, method, bounded):
    made = SmallHospitals(tmp_path, method, rounds=1)
    for name in NAMES:
        made.start(name)
    honest = []

    def with_outlier(requests):
        answers = made.exchange(requests)
        for name, content in answers.items():
            facts, arrays = unpack(content, Answer)
            deltas = [array for key, array in arrays.items() if key.startswith("delta")]
            if deltas and name == "north":
                answers[name] = pack(facts, {key: 1000 * array for key, array in arrays.items()})
            elif deltas:
                start = unpack(requests[name], Request)[1]
                before = [array for key, array in start.items() if key.startswith("weights")]
                honest.append([old + delta for old, delta in zip(before, deltas, strict=True)])
        return answers

    made.serve(with_outlier)
    ends = [weight.numpy() for weight in weights(tmp_path / "server").values()]
    assert len(honest) == 2
    within = [
        bool(((end >= np.minimum(one, two) - 1e-6) & (end <= np.maximum(one, two) + 1e-6)).all())
        for end, one, two in zip(ends, *honest, strict=True)
    ]
    assert all(within) == bounded


def refusal(made, name, request, arrays):
    answer, own = unpack(made.workers[name].answer(pack(request, arrays)), Answer)
    assert not own
    return answer.refusal


def test_every_request_that_must_not_be_answered_is_refused_in_a_sentence(private):
    made, _, _, accidents = private
    content, sent = accidents.train["north", 2]
    request, arrays = unpack(content, Request)
    assert made.workers["north"].answer(content) == sent  # the same words, the same bytes
    other = {name: array + 1 for name, array in arrays.items()}
    changes = {
        "again in other words": ({}, other),
        "Round 3 was asked for, but the configuration has 2 rounds": ({"round": 3}, arrays),
        "is not the one that hospital north has agreed to": ({"configuration": "0" * 64}, arrays),
        "The server has adpfl-bench 0.0.0": ({"version": "0.0.0"}, arrays),
        "A request for hospital south came to north": ({"hospital": "south"}, arrays),
        "give it a home of its own for each run": ({"run": "0" * 32}, arrays),
        "list of hospitals has changed": ({"roster": {"north": request.roster["north"]}}, arrays),
    }
    ledger = (made.folder / "north" / "privacy_ledger.json").read_bytes()
    for sentence, (change, brought) in changes.items():
        assert sentence in refusal(made, "north", request.model_copy(update=change), brought)
    assert (made.folder / "north" / "privacy_ledger.json").read_bytes() == ledger
    assert "are not read" in unpack(made.workers["north"].answer(b"hello"), Answer)[0].refusal


def test_a_home_of_another_configuration_is_not_gone_on_with(private):
    made, _, _, _ = private
    with pytest.raises(adpfl_bench.errors.BenchError, match="belongs to another run"):
        made.start("west", options=["--federated.local_epochs=2"])
