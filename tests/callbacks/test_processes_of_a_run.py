"""Runs that several processes share: the bits of one, whoever fails, and with whatever number they go on."""

import json

import pytest
import torch

from adpfl_bench.data.rounds.round_shares import share_out
from adpfl_bench.federation.client_methods import Scaffold
from adpfl_bench.privacy.journal import JOURNAL_NAME
from tests.callbacks.shared_runs import BY_THREE, RUNS, Unshared, free_port, main
from tests.processes import Command

TABLES = ("rounds.csv", "cases.csv", "partition.csv", "data.csv", "examples.npz", JOURNAL_NAME)


def start(folder, count, *names):
    """Start the processes that share the runs named, each with a folder for what it prints."""
    folder.mkdir(parents=True, exist_ok=True)
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    places = [folder / f"process-{rank}" for rank in range(count)]
    for place in places:
        place.mkdir(exist_ok=True)
    return [
        Command(place, [str(folder), str(count), str(rank), *names], meeting, main) for rank, place in enumerate(places)
    ]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Folders of all runs by one, two and three processes; the longest starts first."""
    folders = {count: tmp_path_factory.mktemp(f"shared-by-{count}") for count in (1, 2, 3)}
    commands = {
        1: start(folders[1], 1, *RUNS),
        2: start(folders[2], 2, *RUNS),
        3: start(folders[3], 3, *BY_THREE, "killed"),
    }
    statuses = {count: [command.wait() for command in started] for count, started in commands.items()}
    assert statuses[1] == [0], commands[1][0].printed
    assert statuses[2] == [0, 0], [command.printed for command in commands[2]]
    assert statuses[3] == [1, -9, 1], [command.printed for command in commands[3]]
    assert {command.printed for command in (*commands[2][1:], commands[3][1])} == {""}  # the first alone says anything
    assert "PeerLost" in commands[3][0].printed
    return folders


def state_of(folder):
    """All of a run that a checkpoint has, without what tells of the moment or the Trainer."""
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    callbacks = checkpoint["callbacks"]
    return checkpoint["state_dict"], callbacks["FederatedLoop"], callbacks["DifferentialPrivacy"]


def record_of(folder):
    record = json.loads((folder / "run.json").read_text())
    whole = {name: record[name] for name in ("status", "rounds_completed", "privacy", "calibration")}
    return {**whole, "chain": record["digests"]["chain"]}


def assert_equal(ours, theirs):
    """Equal to the bit, whatever they are made of."""
    assert type(ours) is type(theirs)
    if isinstance(ours, torch.Tensor):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_equal(ours[key], theirs[key])
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_equal(one, other)
    else:
        assert ours == theirs


@pytest.mark.parametrize(("count", "name"), [*((2, name) for name in RUNS), *((3, name) for name in BY_THREE)])
def test_several_processes_leave_what_one_leaves_to_the_bit(shared, count, name):
    one, several = (shared[processes] / name for processes in (1, count))
    for table in TABLES:
        exists = (one / table).exists()
        assert (several / table).exists() == exists
        # The journal names the run, which has an id of its own.
        if exists and table != JOURNAL_NAME:
            assert (several / table).read_bytes() == (one / table).read_bytes(), table
    assert [path.name for path in several.glob("privacy_ledger*")] == [path.name for path in one.glob("privacy_l*")]
    assert_equal(state_of(several), state_of(one))
    assert record_of(several) == record_of(one)


def who_trained(folder):
    return [
        (block["from_round"], block["number"]) for block in json.loads((folder / "run.json").read_text())["processes"]
    ]


def test_the_record_says_who_trained_the_run(shared):
    blocks = {count: json.loads((shared[count] / "ditto" / "run.json").read_text())["processes"] for count in (1, 2, 3)}
    one = {"from_round": 1, "number": 1, "devices": ["cpu"], "threads": [1], "backend": None}
    assert blocks[1] == [one]
    for count in (2, 3):
        shared_by = {"number": count, "devices": ["cpu"] * count, "threads": [1] * count, "backend": "gloo"}
        assert blocks[count] == [{**one, **shared_by}]


def test_a_run_whose_process_was_killed_goes_on_with_other_numbers_of_them(shared, tmp_path):
    killed, whole = shared[3] / "killed", shared[1] / "adp_fl_quantile"
    assert json.loads((killed / "run.json").read_text())["rounds_completed"] == 1
    ahead = [json.loads(line) for line in (killed / "privacy_ledger.1.json").read_text().splitlines()]
    assert ahead[-1]["sessions"][0]["releases"]  # what the killed process released of the second round
    (command,) = start(shared[3], 1, "continued killed")
    assert command.wait() == 0, command.printed
    for table in ("rounds.csv", "cases.csv", "examples.npz"):
        assert (killed / table).read_bytes() == (whole / table).read_bytes(), table
    assert_equal(state_of(killed), state_of(whole))
    assert not [*killed.glob("privacy_ledger.*.json")]
    assert who_trained(killed) == [(1, 3), (2, 1)]


def test_no_process_goes_ahead_of_the_checkpoint(shared, tmp_path):
    first, second = start(tmp_path, 2, "recorded")
    assert [first.wait(), second.wait()] == [-9, 1]
    (command,) = start(tmp_path, 1, "continued recorded")
    assert command.wait() == 0, command.printed
    whole = shared[1] / "adp_fl_quantile"
    assert (tmp_path / "recorded" / "rounds.csv").read_bytes() == (whole / "rounds.csv").read_bytes()


def test_a_process_that_fails_ends_all_with_its_sentence(tmp_path):
    first, second = start(tmp_path, 2, "failing")
    assert [first.wait(), second.wait()] == [1, 1]
    assert second.printed == "BenchError: The cat has walked over the keyboard.\n"
    assert "The cat has walked" in first.printed
    record = json.loads((tmp_path / "failing" / "run.json").read_text())
    assert record["status"] == "failed"
    assert "The cat has walked over the keyboard." in record["error"]
    assert record["rounds_completed"] == 1


def test_participants_are_shared_out_longest_first_and_the_first_process_always_has_one():
    turns = {("a", "shared"): 2, ("a", "personal"): 2, ("b", "shared"): 5, ("c", "shared"): 4, ("d", "shared"): 1}
    assert share_out(turns, 1) == [("a", "b", "c", "d")]
    assert share_out(turns, 2) == [("b", "d"), ("a", "c")]
    assert share_out(turns, 5) == [("b",), ("a",), ("c",), ("d",), ()]
    assert share_out(dict(reversed(turns.items())), 2) == [("b", "d"), ("a", "c")]


def test_a_client_method_that_keeps_something_says_how_it_is_exchanged():
    class More(Scaffold):
        def state_dict(self):
            return {**super().state_dict(), "more": 1}

    assert Scaffold.can_be_shared()
    assert not Unshared.can_be_shared()
    assert not More.can_be_shared()
