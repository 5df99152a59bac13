"""Which models' scores a run is judged by, and that a case counts once however many models score it."""

import csv
from dataclasses import replace
from statistics import fmean, stdev

import pytest

from adpfl_bench.errors import RecordError
from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.notes import table_notes
from adpfl_bench.leaderboard.run_summary import summarize_run
from adpfl_bench.leaderboard.scored_run import SCORED_MODEL
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.report.commands import leaderboard
from adpfl_bench.report.overlays import draw_overlays
from tests.leaderboard.records import case_row, scored, write_examples, write_run

# Dice by case (a1 and a2 are north's, b is south's, c is east's) and by model.
DICE = {
    "a1": {"global": 0.5, "north": 0.9, "south": 0.1},
    "a2": {"global": 0.6, "north": 0.7, "south": 0.3},
    "b": {"global": 0.4, "north": 0.2, "south": 0.8},
    "c": {"global": 1.0, "north": 0.0, "south": 0.5},
}
MODELS = {"north", "south"}


def rows(models=("global", "north", "south"), cases=("a1", "a2", "b", "c"), **changes):
    return [case_row(case, DICE[case][model], model=model, **changes) for case in cases for model in models]


def write(root, headline, held_out=("east",), method="m", **record):
    federated = {"rounds": 3, "headline": headline, "held_out_clients": list(held_out)}
    own = {"hd95": 3.0 + record["seed"]} if "seed" in record else {}  # no two seeds have the same scores
    return write_run(root / headline, method, rows(**own), federated=federated, **record)


def lines_of(run):
    with (run / "cases.csv").open() as file:
        return list(csv.DictReader(file))


def expected_lines(run, headline):
    """The rule, on the file as it lies there."""
    lines = lines_of(run)
    if headline == "global":
        return [line for line in lines if line["model"] == "global"]
    if headline == "everyone":
        return [line for line in lines if line["model"] in MODELS]
    return [line for line in lines if line["model"] in MODELS and line["client"] in (line["model"], "east")]


def case_means(lines, column):
    """Mean over the models of each case."""
    cases = sorted({line["case"] for line in lines})
    return {case: fmean(float(line[column]) for line in lines if line["case"] == case) for case in cases}


@pytest.mark.parametrize("headline", SCORED_MODEL)
def test_rows_and_case_scores_follow_the_headline(tmp_path, headline):
    folder = write(tmp_path, headline)
    run, lines = scored(folder), expected_lines(folder, headline)
    assert len(run.all_rows) == 12
    assert sorted((row.case, row.model) for row in run.rows) == sorted((line["case"], line["model"]) for line in lines)
    scores = {score.case: score for score in run.case_scores("lesion")}
    assert set(scores) == set(DICE)
    for column in ("dice", "iou", "hd95", "nsd"):
        found = {case: score.values[column] for case, score in scores.items()}
        assert found == pytest.approx(case_means(lines, column)), column
    assert (scores["a1"].client, scores["a1"].patient) == ("north", "P")
    assert len(run.case_scores("no such region")) == 0


@pytest.mark.parametrize("headline", SCORED_MODEL)
def test_table_row_against_the_file(tmp_path, headline):
    folder = write(tmp_path, headline)
    lines = expected_lines(folder, headline)
    ((row,),) = [table.rows for table in tables_of(tmp_path)]
    dice = case_means(lines, "dice")
    assert row.scored_model == SCORED_MODEL[headline]
    assert (row.cases, row.patients) == (4, 3)
    assert row.mean == pytest.approx(fmean(dice.values()))
    assert row.sd_patients == pytest.approx(stdev([fmean([dice["a1"], dice["a2"]]), dice["b"], dice["c"]]))
    assert row.means["hd95"] == pytest.approx(fmean(case_means(lines, "hd95").values()))
    assert row.means["nsd"] == pytest.approx(fmean(case_means(lines, "nsd").values()))
    assert row.means["iou"] == pytest.approx(fmean(case_means(lines, "iou").values()))
    assert (row.missed, row.scored) == (sum(line["missed"] == "1" for line in lines), len(lines))
    clients = {"north": fmean([dice["a1"], dice["a2"]]), "south": dice["b"]}  # east took no part in training
    worst = min(clients, key=clients.get)
    assert (row.worst_client, row.worst_client_mean) == (worst, pytest.approx(clients[worst]))
    assert row.client_spread == pytest.approx(max(clients.values()) - min(clients.values()))


def test_numbers_by_hand(tmp_path):
    for headline in SCORED_MODEL:
        write(tmp_path, headline, method=headline)
    found = {row.method: row for table in tables_of(tmp_path) for row in table.rows}
    assert {name: row.mean for name, row in found.items()} == {
        "global": pytest.approx((0.5 + 0.6 + 0.4 + 1.0) / 4),
        "own": pytest.approx((0.9 + 0.7 + 0.8 + 0.25) / 4),
        "everyone": pytest.approx((0.5 + 0.5 + 0.5 + 0.25) / 4),
    }
    assert {name: (row.missed, row.scored) for name, row in found.items()} == {
        "global": (0, 4),
        "own": (1, 5),
        "everyone": (1, 8),
    }


def tables_of(root):
    groups, left_out, _ = compare_runs(find_runs([root]))
    assert not left_out
    return [table for group in groups for table in tabulate(group)]


def test_the_same_cases_scored_by_other_models_share_a_table(tmp_path):
    for headline in SCORED_MODEL:
        write(tmp_path, headline, method=headline)
    write_run(tmp_path / "old", "fedavg", rows(["global"]))
    (table,) = tables_of(tmp_path)
    assert {row.method: row.scored_model for row in table.rows} == {**SCORED_MODEL, "fedavg": "global model"}


def test_text_says_what_was_scored_and_who_was_held_out(tmp_path, capsys):
    for headline in ("global", "everyone"):
        write(tmp_path / "runs", headline, method=headline, held_out=["east"] if headline == "everyone" else [])
    leaderboard([tmp_path / "runs"], tmp_path / "out")
    printed = " ".join(capsys.readouterr().out.split())
    for name in ("leaderboard.md", "leaderboard.csv", "report.html"):
        text = (tmp_path / "out" / name).read_text()
        assert "global model" in text, name
        assert "mean of the clients' own models on everyone's cases" in text.replace("&#39;", "'"), name
    assert "Scored" in printed
    assert (
        "Held out of the training of everyone: east, whose test cases count in the means all the same."
        in (tmp_path / "out" / "leaderboard.md").read_text()
    )


def test_missing_keys_read_as_a_global_model_and_nobody_held_out(tmp_path):
    run = scored(write_run(tmp_path / "run", "fedavg", {"a1": 0.5}, federated={"rounds": 3}))
    assert (run.headline, run.held_out_clients) == ("global", ())
    assert list(run.rows) == list(run.all_rows)
    assert list(run.case_scores("lesion")) == [run.rows[0]]


def test_a_score_that_one_model_lacks_has_no_mean(tmp_path):
    federated = {"rounds": 3, "headline": "everyone"}
    cases = [case_row("b", 0.5, model="south"), case_row("b", 0.25, model="north", hd95=None, nsd=None)]
    (score,) = scored(write_run(tmp_path, "local", cases, federated=federated)).case_scores("lesion")
    assert score.values == {"dice": 0.375, "iou": pytest.approx((0.5 / 1.5 + 0.25 / 1.75) / 2)}


@pytest.mark.parametrize(
    ("headline", "cases", "message"),
    [
        ("global", [*rows(), case_row("b", 0.5, model="global")], "scores a region of a test case twice: lesion of b"),
        ("own", [*rows(), case_row("b", 0.5, model="north")], "twice by the model of north: lesion of b"),
        (
            "own",
            rows(["north"]),
            "own, but cases.csv has no score by the model of south for lesion of b, a test case of",
        ),
        (
            "own",
            [*rows(cases=["b"]), *rows(["north"], ["c"])],
            "no score by the model of south for lesion of c, a test",
        ),
        ("everyone", [*rows(cases=["b"]), *rows(["north"], ["a1"])], "no score by the model of south for lesion of a1"),
        ("everyone", rows(["global"], ["b"]), "no score by any client's own model for lesion of b, a test case of sou"),
        (
            "global",
            rows(["north", "south"], ["b"]),
            "global, but cases.csv has no score by the global model for lesion",
        ),
        ("best", rows(), "federated.headline should be 'global', 'own' or 'everyone', but it is \"best\""),
    ],
)
def test_scores_that_do_not_fit_the_headline_are_left_out_with_the_reason(tmp_path, headline, cases, message):
    federated = {"rounds": 3, "headline": headline, "held_out_clients": ["east"]}
    write_run(tmp_path / "run", "m", cases, federated=federated)
    with pytest.raises(RecordError, match=message):
        scored(tmp_path / "run")


def test_other_held_out_clients_and_another_headline_are_other_settings(tmp_path):
    write(tmp_path / "1", "own", seed=1)
    write(tmp_path / "2", "everyone", seed=2)
    write(tmp_path / "3", "everyone", seed=3)
    write(tmp_path / "4", "everyone", seed=4, held_out=[])
    (table,) = tables_of(tmp_path)
    assert sorted(row.seeds for row in table.rows) == ["1", "2 3", "4"]
    assert len({row.label for row in table.rows}) == 3
    (note,) = [note for note in table_notes(table) if "several settings" in note]
    assert 'federated.held_out_clients is ["east"]' in note
    assert 'federated.headline is "everyone"' in note


def test_a_federation_whose_tested_clients_were_all_held_out_has_no_worst_client(tmp_path):
    write_run(tmp_path / "run", "fedavg", rows(["global"], ["c"]), federated={"held_out_clients": ["east"]})
    (table,) = tables_of(tmp_path)
    assert (table.rows[0].worst_client, table.rows[0].client_spread, table.rows[0].mean) == (None, None, 1.0)
    leaderboard([tmp_path / "run"], tmp_path / "out")
    assert "| – | – |" in (tmp_path / "out" / "leaderboard.md").read_text()  # noqa: RUF001


def test_summary_gives_the_models_that_count_first_and_the_global_one_below(tmp_path):
    lines = summarize_run(RunDirectory(write(tmp_path, "own"))).splitlines()
    assert lines[0].strip().startswith("test lesion (each client's own model): Dice 0.6625 (SD over 4 cases")
    assert lines[1].strip().startswith("test lesion (global model): Dice 0.6250 (SD over 4 cases")
    assert lines[0].endswith("worst client north 0.8000")  # east, which has 0.25, took no part in training
    (line, *_) = summarize_run(RunDirectory(write(tmp_path, "global"))).splitlines()
    assert line.strip().startswith("test lesion: Dice 0.6250")


def test_summary_of_validation_says_that_own_models_scored_their_own_clients(tmp_path):
    validation = [replace(row, split="validation") for row in rows(cases=["a1", "b"]) if row.model == row.client]
    run = write_run(tmp_path, "local", validation, federated={"headline": "everyone"})
    (line, *_) = summarize_run(RunDirectory(run)).splitlines()
    assert line.startswith("validation lesion (each client's own model): Dice 0.8500")


def test_overlays_show_the_client_s_own_model_with_its_own_dice(tmp_path):
    folder = write(tmp_path, "own")
    write_examples(folder, ["a1", "b"], models=["north", "south"])
    (group,), *_ = compare_runs(find_runs([tmp_path]))
    picture = draw_overlays(group)
    assert "a1: m Dice 0.90; b: m Dice 0.80." in picture.alt
    assert "Of m the client's own model is shown" in picture.caption
    write_examples(folder, ["a1", "b"])
    assert "a1: m Dice 0.50; b: m Dice 0.40." in draw_overlays(group).alt
