"""Who benefits, against arithmetic on the files that runs leave."""

import csv
import json
from dataclasses import replace
from statistics import fmean, stdev

import pytest

from adpfl_bench.leaderboard.statistics_text import benefit_notes, clients_text, methods_text
from adpfl_bench.report.client_plot import draw_clients
from tests.leaderboard.federations import CASES, HELD_OUT, tables_of, write_federation
from tests.leaderboard.records import case_row, private, toy_runs, write_run


def files_of(root, label):
    """The record and the test lines of each run of a method and held-out clients."""
    method, _, held_out = label.partition("/")
    found = []
    for folder in sorted(root.iterdir()):
        record = json.loads((folder / "run.json").read_text())
        if record["method"] == method and ",".join(record["federated"]["held_out_clients"]) == held_out:
            with (folder / "cases.csv").open() as file:
                found.append((record["federated"], list(csv.DictReader(file))))
    return found


def users_dice(federated, lines, client, region):
    """By case, what the model that a client would use scored: the mean over models for a held-out client."""
    by_case = {}
    for line in lines:
        if line["region"] != region:
            continue
        if federated["headline"] == "global":
            used = line["model"] == "global"
        elif client in federated["held_out_clients"]:
            used = line["model"] != "global"
        else:
            used = line["model"] == client
        if used:
            by_case.setdefault(line["case"], []).append((float(line["dice"]), line["client"]))
    return {case: (fmean(dice for dice, _ in found), found[0][1]) for case, found in by_case.items()}


def expected_own(root, label, client, region="lesion"):
    """Each seed's mean on the client's own cases."""
    return [
        fmean(dice for dice, owner in users_dice(federated, lines, client, region).values() if owner == client)
        for federated, lines in files_of(root, label)
    ]


def expected_everyone(root, label, client, region="lesion"):
    dice = [users_dice(federated, lines, client, region) for federated, lines in files_of(root, label)]
    return fmean(value for seed in dice for value, _ in seed.values())


@pytest.mark.parametrize("region", ["lesion", "core"])
def test_client_rows_against_the_files(tmp_path, region):
    write_federation(tmp_path)
    (table,) = [table for table in tables_of(tmp_path) if table.region == region]
    rows = {(row.label, row.client): row for row in table.benefits.clients}
    assert len(rows) == len(table.benefits.clients) == 6 * 3
    for (method, client), row in rows.items():
        label = f"{method}/{HELD_OUT.get(method, '')}"
        own = expected_own(tmp_path, label, client, region)
        assert row.own == pytest.approx(fmean(own))
        assert row.own_sd_seeds == pytest.approx(stdev(own))
        if method in ("ditto", "siloed"):
            assert row.everyone is None
        else:
            assert row.everyone == pytest.approx(expected_everyone(tmp_path, label, client, region))
        alone = fmean(expected_own(tmp_path, "local/", client, region))
        assert row.gain_over_local == pytest.approx(fmean(own) - alone)
        assert row.cases == CASES[client]
        assert row.role == ("held out" if HELD_OUT.get(method) == client else "training")
        assert (row.task, row.region, row.method, row.test_set) == ("toy", region, method, table.group.digest)


def test_models_that_clients_would_use(tmp_path):
    write_federation(tmp_path)
    (table, _) = tables_of(tmp_path)
    models = {(row.label, row.client): row.model for row in table.benefits.clients}
    assert models["fedavg", "north"] == models["prox+dp", "south"] == "global model"
    assert models["ditto", "north"] == models["local", "east"] == models["own+dp", "south"] == "its own"
    assert models["own+dp", "east"] == "training clients' own"


def test_method_rows_against_the_files(tmp_path):
    write_federation(tmp_path)
    (table,) = [table for table in tables_of(tmp_path) if table.region == "lesion"]
    assert [row.label for row in table.benefits.methods] == [row.label for row in table.rows]
    for row in table.benefits.methods:
        held_out = HELD_OUT.get(row.label, "")
        clients = sorted(set(CASES) - {held_out})
        own = {client: fmean(expected_own(tmp_path, f"{row.label}/{held_out}", client)) for client in clients}
        gains = [own[client] - fmean(expected_own(tmp_path, "local/", client)) for client in clients]
        assert (row.clients, row.compared) == (len(clients), len(clients))
        assert row.mean == pytest.approx(fmean(own.values()))
        assert (row.worst_client, row.best_client) == (min(own, key=own.get), max(own, key=own.get))
        assert (row.worst, row.best) == (pytest.approx(min(own.values())), pytest.approx(max(own.values())))
        assert row.spread == pytest.approx(max(own.values()) - min(own.values()))
        assert row.sd_clients == pytest.approx(stdev(own.values()))
        assert row.mean_gain == pytest.approx(fmean(gains))
        assert row.gaining == (sum(gain > 1e-12 for gain in gains))


def test_the_global_model_beside_own_ones_is_mentioned(tmp_path):
    write_federation(tmp_path)
    (table,) = [table for table in tables_of(tmp_path) if table.region == "lesion"]
    dice = [
        float(line["dice"])
        for _, lines in files_of(tmp_path, "ditto/")
        for line in lines
        if line["model"] == "global" and line["region"] == "lesion"
    ]
    found = {row.label: row.global_dice for row in table.benefits.methods}
    assert found.pop("ditto") == pytest.approx(fmean(dice))
    assert set(found.values()) == {None}
    mean = f"{100 * fmean(dice):.2f}"
    assert benefit_notes(table.benefits) == [
        f"The global model that was trained beside the clients' own has a mean Dice of: ditto {mean} %."
    ]


def test_by_hand(tmp_path):
    """North has cases a1 and a2, south has b; local is scored by own models, fedavg by the global one."""
    write_run(tmp_path / "fedavg", "fedavg", {"a1": 0.9, "a2": 0.7, "b": 0.5})
    own = [case_row("a1", 0.5, model="north"), case_row("a2", 0.6, model="north"), case_row("b", 0.75, model="south")]
    write_run(tmp_path / "local", "local", own, federated={"headline": "own"})
    (table,) = tables_of(tmp_path)
    rows = [(r.label, r.client, r.own, r.everyone, r.gain_over_local) for r in table.benefits.clients]
    assert rows == [
        ("fedavg", "north", pytest.approx(0.8), pytest.approx(0.7), pytest.approx(0.25)),
        ("fedavg", "south", 0.5, pytest.approx(0.7), -0.25),
        ("local", "north", 0.55, None, 0),
        ("local", "south", 0.75, None, 0),
    ]
    assert methods_text(table.benefits).cells[0] == [
        *("fedavg", "2", "65.00", "south 50.00", "north 80.00", "30.00", "21.21", "+0.00", "1 / 2")
    ]
    assert clients_text(table.benefits).cells[1] == [
        *("fedavg", "south", "global model", "1", "50.00", "–", "70.00", "-25.00")  # noqa: RUF001
    ]


def test_a_held_out_client_is_scored_by_all_models_that_never_saw_it(tmp_path):
    own = [case_row("a1", 0.5, model="north"), case_row("b", 0.75, model="south")]
    held_out = [case_row("c", 0.25, model="north"), case_row("c", 1.0, model="south"), case_row("c", 0.1)]
    federated = {"headline": "own", "held_out_clients": ["east"]}
    write_run(tmp_path / "m", "m", [*own, *held_out, case_row("a1", 0.1), case_row("b", 0.1)], federated=federated)
    (table,) = tables_of(tmp_path)
    found = [(row.client, row.role, row.model, row.own, row.everyone) for row in table.benefits.clients]
    assert found == [
        ("north", "training", "its own", 0.5, None),
        ("south", "training", "its own", 0.75, None),
        ("east", "held out", "training clients' own", 0.625, None),
    ]
    (method,) = table.benefits.methods
    assert (method.clients, method.worst, method.best, method.global_dice) == (2, 0.5, 0.75, pytest.approx(0.1))
    assert [cells[1] for cells in clients_text(table.benefits).cells] == ["north", "south", "east (held out)"]


def test_without_local_there_is_no_gain_and_it_says_why(tmp_path):
    (table,) = tables_of(toy_runs(tmp_path))
    assert {row.gain_over_local for row in table.benefits.clients} == {None}
    assert {(row.mean_gain, row.gaining, row.compared) for row in table.benefits.methods} == {(None, 0, 0)}
    assert benefit_notes(table.benefits) == ["Gain over local is empty: no run of local is here."]
    assert {cells[-1] for cells in methods_text(table.benefits).cells} == {"–"}  # noqa: RUF001


def test_with_several_local_methods_there_is_no_gain_and_it_says_why(tmp_path):
    toy_runs(tmp_path)
    for number, rate in enumerate((0.1, 0.2)):
        write_run(tmp_path / f"l{number}", "local", {"a1": 0.5, "a2": 0.5, "b": 0.5}, learning_rate=rate)
    (table,) = tables_of(tmp_path)
    assert {row.gain_over_local for row in table.benefits.clients} == {None}
    assert benefit_notes(table.benefits) == ["Gain over local is empty: local is here with several settings."]


def test_private_local_training_is_not_the_reference(tmp_path):
    toy_runs(tmp_path)
    write_run(tmp_path / "l", "local+dp_fl", {"a1": 0.5, "a2": 0.5, "b": 0.5}, privacy=private())
    (table,) = tables_of(tmp_path)
    assert table.benefits.on_gains == ("Gain over local is empty: no run of local is here.",)
    assert not table.benefits.has_reference


def test_gains_are_taken_over_the_seeds_that_both_have(tmp_path):
    for seed, dice in {0: 0.5, 1: 0.9}.items():
        write_run(tmp_path / f"l{seed}", "local", {"a1": dice, "b": dice}, seed=seed)
    for seed, dice in {1: 0.75, 2: 0.25}.items():
        write_run(tmp_path / f"f{seed}", "fedavg", {"a1": dice, "b": dice}, seed=seed)
    write_run(tmp_path / "p", "fedprox", {"a1": 0.5, "b": 0.5}, seed=7)
    (table,) = tables_of(tmp_path)
    gains = {(row.label, row.client): row.gain_over_local for row in table.benefits.clients}
    assert gains["fedavg", "north"] == gains["fedavg", "south"] == pytest.approx(0.75 - 0.9)
    assert gains["fedprox", "north"] is None
    assert benefit_notes(table.benefits) == [
        "Gain over local is taken over the seeds that a method shares with it; not all are shared with fedavg, fedprox."
    ]


def test_clients_that_local_training_left_out_or_knows_with_other_cases_have_no_gain(tmp_path):
    write_run(tmp_path / "m", "fedavg", {"a1": 0.9, "a2": 0.7, "b": 0.5, "c": 0.5})
    own = [
        *(case_row("a1", 0.5, model="north"), case_row("a2", 0.5, model="south")),
        *(case_row("b", 0.25, model="south"), case_row("c", 0.25, model="north"), case_row("c", 0.25, model="south")),
    ]
    own[1] = replace(own[1], client="south")  # there a2 is a case of south
    federated = {"headline": "own", "held_out_clients": ["east"]}
    write_run(tmp_path / "local", "local", own, federated=federated)
    (table,) = tables_of(tmp_path)
    gains = {row.client: row.gain_over_local for row in table.benefits.clients if row.label == "fedavg"}
    assert gains == {"north": None, "south": None, "east": None}


def test_a_method_whose_tested_clients_were_all_held_out_has_no_worst(tmp_path):
    write_run(tmp_path / "m", "fedavg", {"c": 0.5}, federated={"held_out_clients": ["east"]})
    (table,) = tables_of(tmp_path)
    (method,) = table.benefits.methods
    assert (method.clients, method.worst_client, method.spread, method.mean) == (0, None, None, None)
    assert set(methods_text(table.benefits).cells[0][2:]) == {"–"}  # noqa: RUF001
    assert "no client that took part in training has test cases" in draw_clients(table).alt
