"""A leaderboard in Weights & Biases, as an offline run's own file holds it."""

import csv
import sys

import pytest

from adpfl_bench.cli import main
from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.report.commands import leaderboard
from adpfl_bench.wandb.upload import upload
from tests.cli.offline_runs import OfflineRun, without_account
from tests.leaderboard.records import toy_runs, write_examples, write_rounds, write_run
from tests.leaderboard.threshold_runs import write_study


@pytest.fixture(autouse=True)
def no_account(monkeypatch):
    without_account(monkeypatch)


@pytest.fixture
def results(tmp_path):
    root = toy_runs(tmp_path / "runs")
    for folder in root.iterdir():
        write_rounds(folder)
        write_examples(folder, ["a1", "b"])
    leaderboard([root], tmp_path / "results")
    return tmp_path / "results"


def real_results(tmp_path, overlays):
    run = write_run(tmp_path / "run", "fedavg", {"b": 0.5}, kind="real")
    write_examples(run, ["b"])
    leaderboard([run], tmp_path / "results", overlays=overlays)
    return tmp_path / "results"


def uploaded(results):
    (path,) = (results / "wandb").glob("offline-run-*/*.wandb")
    return OfflineRun(path)


def test_tables_report_and_artifact(results, capsys):
    assert main(["wandb", str(results), "--project", "toys"]) == 0
    run = uploaded(results)
    assert (run.run.project, run.run.job_type, run.run.display_name) == ("toys", "leaderboard", "results")
    for name in ("leaderboard", "clients", "comparisons", "ranking"):
        with (results / f"{name}.csv").open(newline="") as file:
            lines = list(csv.DictReader(file))
        table = run.table(name)
        assert list(table) == list(lines[0]), name
        for column, cells in table.items():
            for cell, line in zip(cells, lines, strict=True):
                same = float(line[column]) if isinstance(cell, float) else line[column] or None
                assert cell == same, (name, column)
    scores = run.table("leaderboard")
    assert scores["method"] == ["fedavg", "dp_fl", "adp_fl"]
    assert scores["dice_mean"] == pytest.approx([4.3 / 6, 0.5, 0.6])
    assert scores["accounted_epsilon"] == [None, 8.5, None]
    (page,) = [row["report/path"] for row in run.history if "report/path" in row]
    assert (run.files / page).read_text() == (results / "report.html").read_text()
    (artifact,) = [artifact for artifact in run.of("artifact") if artifact.type == "report"]
    names = {entry.path for entry in artifact.manifest.contents}
    assert names == {path.name for path in results.iterdir() if path.is_file()}


def test_fixed_thresholds_are_a_table_where_there_are_any(tmp_path):
    leaderboard([write_study(tmp_path / "runs")], tmp_path / "results")
    upload(tmp_path / "results")
    assert uploaded(tmp_path / "results").table("thresholds")["threshold"] == [0.5, 1.0, 5.0]


def test_names_that_look_like_numbers_stay_names(results):
    text = (results / "leaderboard.csv").read_text()
    with (results / "leaderboard.csv").open(newline="") as file:
        digests = {line["settings"] for line in csv.DictReader(file)}
    for number, digest in enumerate(digests):
        text = text.replace(digest, f"1234567{number}")
    (results / "leaderboard.csv").write_text(text)
    upload(results)
    assert {str(value)[:7] for value in uploaded(results).table("leaderboard")["settings"]} == {"1234567"}
    assert all(isinstance(value, str) for value in uploaded(results).table("leaderboard")["seeds"])


def test_a_report_with_patients_is_refused_before_anything_is_written(tmp_path):
    results = real_results(tmp_path, overlays=True)
    with pytest.raises(ConfigError, match=r"shows patients' images.*--overlays false.*--images true"):
        upload(results)
    assert not (results / "wandb").exists()
    leaderboard([tmp_path / "run"], results, overlays=False)  # an earlier overlays.png stays there, outside the page
    upload(results)
    assert "report/path" in uploaded(results).summary


def test_a_report_with_patients_is_uploaded_when_asked_for(tmp_path):
    results = real_results(tmp_path, overlays=True)
    upload(results, images=True)
    assert "report/path" in uploaded(results).summary


def test_an_unknown_picture_of_real_data_counts_as_a_patient(tmp_path):
    results = real_results(tmp_path, overlays=False)
    page = results / "report.html"
    page.write_text(page.read_text().replace("</main>", '<img src="data:image/webp;base64,AAAA"></main>'))
    with pytest.raises(ConfigError, match="shows patients' images"):
        upload(results)


def test_a_folder_without_leaderboard_is_a_sentence(tmp_path, capsys):
    assert main(["wandb", str(tmp_path)]) == 1
    assert "give the --output folder of adpfl-bench leaderboard" in capsys.readouterr().err


def test_a_damaged_table_is_a_sentence(results):
    (results / "clients.csv").write_text("a,b\n1\n")
    with pytest.raises(RecordError, match=r"clients\.csv has lines"):
        upload(results)
    (results / "clients.csv").write_text("")
    with pytest.raises(RecordError, match=r"clients\.csv cannot be read as a table"):
        upload(results)


def test_a_missing_package_is_a_sentence(results, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match="pip install wandb"):
        upload(results)
