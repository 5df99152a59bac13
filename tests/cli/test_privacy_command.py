"""adpfl-bench privacy: what it forecasts is what a run then records, and what a run has spent."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from adpfl_bench.cli import main
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.forecast import ClientRound
from adpfl_bench.privacy.ledger import PrivacyLedger, Release
from adpfl_bench.privacy.odds import odds_text
from adpfl_bench.records.spent import read_spent
from adpfl_bench.report.privacy_plots import draw_epsilon
from tests.cli.test_light_commands import HEAVY
from tests.leaderboard.records import record_content

TINY = ("--config", "tasks/isic.yaml", "--config", "configs/smoke.yaml")


def read_csv(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def forecast(*words):
    return main(["privacy", *TINY, *words])


@pytest.mark.usefixtures("empty_folder")
def test_stated_clients_are_accounted_as_counted_by_hand(capsys):
    method = ("--config", "callbacks/dp_sgd.yaml", "--privacy.target_epsilon", "null")
    noise = ("--privacy.noise_multiplier", "2.0", "--privacy.units_per_step", "4")
    clients = ("--clients", "north=10 south=8,5")
    assert (
        forecast(*clients, *method, *noise, "--federated.rounds", "3", "--output", "out", "--targets", "1", "2.5") == 0
    )
    rows = read_csv(Path("out/privacy.csv"))
    assert [row["client"] for row in rows[:4]] == ["client_3", "north", "south", "all"]
    for row in rows:
        size = {"north": 10, "south": 8, "client_3": 5, "all": 5}[row["client"]]
        release = Release("GaussianMechanism", 2.0, 1.0, 4 / size)
        count = -(-size // 4) * int(row["round"])
        assert int(row["releases"]) == count
        assert float(row["epsilon"]) == client_epsilon({release: count}, 1e-4)
        assert (row["delta"], row["accountant"]) == ("0.0001", "PLD")
    output = capsys.readouterr().out
    assert "z = 2, as given" in output
    assert "with probability 0.4 to 0.8 by client" in output
    assert f"epsilon {float(rows[-1]['epsilon']):.4g} (this run)" in output
    assert "epsilon 2.5 " in output
    assert Path("out/privacy.png").read_bytes().startswith(b"\x89PNG")
    assert not Path("phantoms").exists()


@pytest.mark.parametrize(
    ("settings", "rounds"),
    [
        (("--federated.participation", "0.5"), 3),
        (
            (
                *("--federated.dropout", "0.4", "--federated.straggling", "{client-1: 0.7}"),
                *("--federated.local_epochs", "2", "--federated.fine_tuning_epochs", "3"),
                *("--federated.held_out_clients", "[client-3]"),
            ),
            4,
        ),
        (("--federated.pooled", "true"), 3),
    ],
)
def test_what_is_forecast_is_what_the_run_records(adpfl_bench, empty_folder, monkeypatch, capsys, settings, rounds):
    settings = ("--federated.rounds", "3", *settings)
    with monkeypatch.context() as patch:
        patch.setattr(ISICDataModule, "load_cases", None)  # nothing may call it
        assert adpfl_bench("privacy", *settings, method="dp_sgd") == 0
    planned = capsys.readouterr().out
    rows = read_csv(empty_folder / "runs/isic/dp_sgd/seed0/privacy.csv")
    last = {row["client"]: float(row["epsilon"]) for row in rows if row["round"] == str(rounds)}
    assert adpfl_bench("fit", *settings, "--score", "false", method="dp_sgd") == 0
    folder = empty_folder / "runs/isic/dp_sgd/seed0"
    record = json.loads((folder / "run.json").read_text())
    accounted = record["privacy"]["accounted"]
    assert accounted["epsilon"] == last.pop("all")
    assert accounted["by_client"] == {client: epsilon for client, epsilon in last.items() if epsilon}
    assert f"z = {record['privacy']['noise_multiplier']:.4g}, solved for epsilon 8" in planned
    assert f"epsilon {accounted['epsilon']:.4g} at delta 0.0001 after {rounds} rounds" in planned
    recorded = {
        (line["round"], line["client"]): line["value"]
        for line in read_csv(folder / "rounds.csv")
        if line["name"] == "epsilon"
    }
    assert recorded == {(row["round"], row["client"]): row["epsilon"] for row in rows if float(row["epsilon"])}

    capsys.readouterr()
    account = read_spent(folder)
    by_client = {name: client for name, client in account.clients.items() if client.releases}
    assert {name: client.epsilon for name, client in by_client.items()} == accounted["by_client"]
    assert {name: client.planned for name, client in by_client.items()} == accounted["by_client"]
    assert main(["privacy", str(folder)]) == 0
    spent = capsys.readouterr().out
    assert f"epsilon {accounted['epsilon']:.4g} at delta 0.0001" in spent
    assert odds_text(accounted["epsilon"], 1e-4) in " ".join(spent.split())
    assert odds_text(accounted["epsilon"], 1e-4) in " ".join(planned.split())
    assert "epsilon 8 (target), of which" in spent
    assert "no audit is recorded" in spent


@pytest.mark.parametrize(("method", "nominal"), [("adp_fl", "epsilon 0.001: stated by"), ("fedavg", "none")])
@pytest.mark.usefixtures("empty_folder")
def test_method_without_guarantee_says_so(method, nominal, capsys):
    assert forecast("--config", f"callbacks/{method}.yaml", "--clients", "9", "7", "--output", "out") == 0
    output = capsys.readouterr().out
    assert "accounted  none: the " in output
    assert f"nominal    {nominal}" in output
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere"], "nowhere holds no run"),
        (["a", "b"], "one run and nothing else"),
        (["--clients"], "expected at least one argument"),
        (["--clients", "12,x"], "each client's number of training units, such as 380 270 or north=380, but it has x"),
        (["--clients", "0"], "but it has 0"),
        (["--clients", "a=1 a=2"], "has the name a twice"),
        (["--targets", "0"], "epsilons greater than 0, such as 1 4 8, but it has 0"),
        (["--targets", "inf"], "but it has inf"),
        (["--config", "callbacks/dp_fl.yaml", "--clients", "9"], "needs a task also where clients are stated"),
        ([*TINY, "--clients", "9", "--nothing", "1"], "There is no setting nothing"),
        (
            [*TINY, "--clients", "99999", "--config", "callbacks/dp_fl.yaml"],
            "it must be at most 5e-06: client client_1",
        ),
    ],
)
@pytest.mark.usefixtures("empty_folder")
def test_wrong_arguments_give_a_sentence(words, sentence, capsys):
    assert main(["privacy", *words]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error


@pytest.mark.usefixtures("empty_folder")
def test_output_that_cannot_be_written_is_named(capsys):
    Path("file").touch()
    words = ("--config", "callbacks/client_dp.yaml", "--clients", "9", "--output", "file", "--targets", "8")
    assert forecast(*words) == 1
    assert "privacy.csv could not be written" in capsys.readouterr().err


def make_run(folder, done=2, target=None, journal=None, **changes):
    """A run of 4 rounds with two local epochs, in one of which alps has been broken off."""
    ledger = PrivacyLedger()
    ledger.add("alps", Release("GaussianMechanism", 4.0), 2 * done - 1)
    ledger.add("bay", Release("GaussianMechanism", 4.0), 2 * done)
    accounted = {"epsilon": 1.0, "delta": 1e-3, "reason": None, "not_covered": []}
    privacy = {"unit": "record", "adjacency": "zero-out", "noise_multiplier": 4.0, "nominal_epsilon": None}
    privacy |= {"target_epsilon": target, "accounted": accounted, "audited": None, "ledger": ledger.state_dict()}
    sizes = {name: {"train": 1, "validation": 0, "test": 0} for name in ("alps", "bay")}
    record = record_content(
        status="running",
        rounds_completed=done,
        federated={"rounds": 4, "local_epochs": 2},
        data={"kind": "phantom", "fingerprint": "f", "clients": sizes},
        privacy=privacy | changes,
    )
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(record))
    if journal:
        (folder / "privacy_ledger.json").write_text(json.dumps(journal))
    return folder


def epsilon_of(count):
    return client_epsilon({Release("GaussianMechanism", 4.0): count}, 1e-3)


def test_spent_and_planned_follow_from_the_record(tmp_path, capsys):
    spent = read_spent(make_run(tmp_path / "run"))
    assert {name: client.epsilon for name, client in spent.clients.items()} == {
        "alps": epsilon_of(3),
        "bay": epsilon_of(4),
    }
    assert {client.planned for client in spent.clients.values()} == {epsilon_of(8)}
    assert spent.planned == epsilon_of(8)
    assert not spent.ahead
    assert main(["privacy", str(tmp_path / "run")]) == 0
    left = epsilon_of(8) - epsilon_of(4)
    assert f"(after the last planned round), of which {left:.4g} is left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "federated", "releases"),
    [
        ({"unit": "client"}, {}, 4),
        ({"sampling": "shuffle"}, {"local_epochs": 3}, 12),
        ({"sampling": "shuffle"}, {"local_steps": 5}, None),
        ({"sampling": "poisson", "units_per_step": 7}, {"local_epochs": 2}, 2 * 15 * 4),
        ({"sampling": "poisson", "units_per_step": 7}, {"local_steps": 5}, 20),
        ({"sampling": "poisson"}, {}, None),
    ],
)
def test_what_is_planned_follows_from_one_turn(changes, federated, releases, tmp_path):
    release = Release("GaussianMechanism", 4.0, 1.0, 7 / 100)
    ledger = PrivacyLedger()
    ledger.add("alps", release)
    folder = make_run(tmp_path / "run", ledger=ledger.state_dict(), **changes)
    record = json.loads((folder / "run.json").read_text())
    record["federated"] = {"rounds": 4, **federated}
    (folder / "run.json").write_text(json.dumps(record))
    expected = None if releases is None else client_epsilon({release: releases}, 1e-3)
    assert read_spent(folder).clients["alps"].planned == expected


def test_journal_of_a_killed_run_wins_where_it_is_larger(tmp_path, capsys):
    release = ["GaussianMechanism", 4.0, 1.0, 1.0, "l2"]
    folder = make_run(tmp_path / "run", target=8.0, journal={"alps": [[*release, 1]], "bay": [[*release, 5]]})
    spent = read_spent(folder)
    assert {name: client.releases for name, client in spent.clients.items()} == {"alps": 3, "bay": 5}
    assert spent.epsilon == epsilon_of(5)
    assert spent.ahead
    assert spent.planned == 8.0
    assert main(["privacy", str(folder)]) == 0
    output = capsys.readouterr().out
    assert f"epsilon {epsilon_of(5):.4g} at delta 0.001" in output
    assert "a round was broken off" in output
    assert f"of which {8 - epsilon_of(5):.4g} is left" in output


def test_run_that_was_killed_in_its_first_round_has_spent_what_its_journal_says(tmp_path, capsys):
    release = ["GaussianMechanism", 4.0, 1.0, 1.0, "l2", 1]
    folder = make_run(tmp_path / "run", ledger={}, journal={"alps": [release]})
    spent = read_spent(folder)
    assert {name: client.releases for name, client in spent.clients.items()} == {"alps": 1, "bay": 0}
    assert spent.planned is None
    assert main(["privacy", str(folder)]) == 0
    assert "unknown: a client has not taken part yet" in capsys.readouterr().out


def test_run_without_guarantee_gives_its_reason(tmp_path, capsys):
    reason = {"epsilon": None, "delta": 1e-3, "reason": "because"}
    audited = {"epsilon": 2.25, "confidence": 0.95, "delta": 1e-5, "canaries": 100, "client": "bay"}
    folder = make_run(tmp_path / "run", nominal_epsilon=0.5, accounted=reason, audited=audited)
    assert main(["privacy", str(folder)]) == 0
    output = capsys.readouterr().out
    assert "accounted  none: because" in output
    assert "nominal    epsilon 0.5: stated by the method's authors, not proved" in output
    assert "audited    epsilon at least 2.25 (95% confidence, delta 1e-05, client bay)" in output


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"accounted": None}, "no usable record of a run: privacy.accounted should be an object, but it is null."),
        ({"ledger": {"alps": [["GaussianMechanism", -1.0, 1.0, 1]]}}, "does not say what was released"),
    ],
)
def test_record_that_says_nothing_is_refused(changes, sentence, tmp_path, capsys):
    assert main(["privacy", str(make_run(tmp_path / "run", **changes))]) == 1
    assert sentence in capsys.readouterr().err


def test_journal_that_cannot_be_read_is_refused(tmp_path, capsys):
    folder = make_run(tmp_path / "run")
    (folder / "privacy_ledger.json").write_text("{")
    assert main(["privacy", str(folder)]) == 1
    assert "privacy_ledger.json should hold the run's ledger" in capsys.readouterr().err


def test_help_and_spent_budgets_need_no_torch(tmp_path):
    program = (
        "import sys; from adpfl_bench.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        f"loaded = [name for name in {HEAVY} if name in sys.modules]; assert not loaded, loaded"
    )
    make_run(tmp_path / "run")
    for words in (["--help"], ["run"]):
        command = [sys.executable, "-c", program, "privacy", *words]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert result.stdout


@pytest.mark.parametrize("clients", [1, 4, 20])
@pytest.mark.parametrize(("rounds", "target"), [(1, None), (3, 8.0), (200, 0.5)])
def test_plot_says_in_words_what_it_shows(clients, rounds, target):
    rows = [
        ClientRound(number, f"client_{i:02d}", True, number, 0.1 * (i + 1) * number**0.5, "RDP")
        for number in range(1, rounds + 1)
        for i in range(clients)
    ]
    picture = draw_epsilon(rows, "task / method $5_a", target, 1e-4)
    assert picture.png.startswith(b"\x89PNG")
    assert f"largest for client_{clients - 1:02d}: {0.1 * clients * rounds**0.5:.4g}." in picture.alt
    assert ("The target is" in picture.alt) == (target is not None)
