"""The report as a command of its own: one file or a folder, and its size."""

import random
import re

import numpy as np
import pytest

from adpfl_bench.cli import main
from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.report.commands import leaderboard, report
from tests.effort import THOROUGH
from tests.leaderboard.records import case_row, private, toy_runs, write_examples, write_rounds, write_run

METHODS = ("fedavg", "local", "fedprox", "dp_fl", "adp_fl", "dp_fl_record", "quantile", "histogram", "dp_sgd")


@pytest.fixture
def runs(tmp_path):
    root = toy_runs(tmp_path / "runs")
    for folder in root.iterdir():
        write_rounds(folder, thresholds=folder.name in ("dp", "adp"))
        write_examples(folder, ["a1", "b"])
    return root


def test_report_is_the_page_of_the_leaderboard(runs, tmp_path, capsys):
    assert main(["report", str(runs), "--output", str(tmp_path / "page.html")]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "page.html")]
    leaderboard([runs], tmp_path / "out")
    assert (tmp_path / "page.html").read_bytes() == (tmp_path / "out" / "report.html").read_bytes()


def test_report_says_what_it_left_out_and_that_it_shows_patients(tmp_path, capsys):
    run = write_run(tmp_path / "runs" / "run", "fedavg", {"b": 0.5}, kind="real")
    write_examples(run, ["b"])
    write_run(tmp_path / "runs" / "stopped", "fedavg", None, status="interrupted")
    report([tmp_path / "runs"], tmp_path / "page.html")
    printed = capsys.readouterr()
    assert f"left out: {tmp_path / 'runs' / 'stopped'}: unfinished: interrupted" in printed.out
    assert "page.html shows patients' images" in printed.err
    report([tmp_path / "runs"], tmp_path / "page.html", overlays=False)
    assert capsys.readouterr().err == ""
    assert "data:image" not in (tmp_path / "page.html").read_text()


def test_a_page_that_cannot_be_written_is_a_sentence(runs, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="choose another --output"):
        report([runs], tmp_path / "file" / "page.html")


def test_a_folder_has_an_index_and_a_page_for_each_task(tmp_path, monkeypatch, capsys):
    for task in ("toy", "other"):
        for method in ("fedavg", "dp_fl"):
            write_run(tmp_path / "runs" / task / method, method, {"a1": 0.5, "b": 0.6}, task=task)
    monkeypatch.chdir(tmp_path)
    assert main(["report", "runs", "--pages", "folder"]) == 0
    pages = {path.name: path.read_text() for path in (tmp_path / "report").iterdir()}
    assert sorted(capsys.readouterr().out.split()) == sorted(f"report/{name}" for name in pages)
    tasks = sorted(set(pages) - {"index.html"})
    assert [name.partition("-")[0] for name in tasks] == ["other", "toy"]
    for name, page in pages.items():
        assert page.count("<table") > (1 if name == "index.html" else 3)
        led = [link.partition("#") for link in re.findall(r'href="([^"]*)"', page) if not link.startswith("data:")]
        assert {file or name for file, _, _ in led} == set(pages)
        for file, _, anchor in led:
            assert not anchor or f'id="{anchor}"' in pages[file or name]
        for other in set(tasks) - {name}:
            assert f'id="{other.removesuffix(".html")}"' not in page
    report([tmp_path / "runs"], tmp_path / "page.html")
    whole = (tmp_path / "page.html").read_text()
    assert all(f'data-page id="{name.removesuffix(".html")}"' in whole for name in [*tasks, "index.html"])


def test_a_folder_with_the_name_of_a_page_is_refused_before_runs_are_read(tmp_path):
    with pytest.raises(ConfigError, match=r"--output .*page.html is the name of one page. Give the folder's name"):
        report([tmp_path / "nowhere"], tmp_path / "page.html", pages="folder")


def test_nine_methods_with_three_seeds_on_four_tasks_stay_below_20_mb(tmp_path):
    """One task of the four: three regions, 250 patients, cases like noise. Every day a third of its methods."""
    noise, methods = random.Random(0), METHODS if THOROUGH else METHODS[::3]
    for method in methods:
        private_one = method not in ("fedavg", "local", "fedprox")
        for seed in (0, 1, 2):
            rows = [case_row(f"p{n:03d}", noise.random(), r) for n in range(250) for r in ("whole", "core", "ring")]
            privacy = {"privacy": private(noise.uniform(1, 9))} if private_one else {}
            run = write_run(tmp_path / "runs" / f"{method}{seed}", method, rows, seed, **privacy)
            write_rounds(run, clients=[f"client-{n}" for n in range(6)], thresholds=private_one)
        write_noise(tmp_path / "runs" / f"{method}0", noise)
    report([tmp_path / "runs"], tmp_path / "page.html")
    images = 1 + 3 * len(methods)
    assert (tmp_path / "page.html").read_text().count("<img") == images
    assert (tmp_path / "page.html").stat().st_size < 5 * 2**20 * images / (1 + 3 * len(METHODS))


def write_noise(run, noise):
    """The best, median and worst of a run, in three planes of noise with smooth masks."""
    generator = np.random.default_rng(noise.randrange(2**32))
    arrays = {"case": ["p000"], "client": ["north"], "region": ["whole", "core", "ring"], "chosen_of": 250}
    arrays["image"] = generator.normal(size=(1, 1, 96, 96)).astype(np.float32)
    arrays["truth"] = arrays["prediction"] = disks(96, 96)[None]
    for which in ("best", "median", "worst"):
        for plane, shape in {"axial": (96, 96), "coronal": (80, 96), "sagittal": (80, 96)}.items():
            arrays[f"{which}_{plane}_image"] = generator.integers(256, size=(1, *shape)).astype(np.uint8)
            arrays[f"{which}_{plane}_truth"] = arrays[f"{which}_{plane}_prediction"] = disks(*shape)
            arrays[f"{which}_{plane}_spacing"] = np.ones(2)
    arrays |= {"chosen": ["best", "median", "worst"], "chosen_case": ["p000", "p001", "p002"]}
    arrays |= {"chosen_client": ["north"] * 3, "chosen_model": ["global"] * 3, "chosen_dice": [0.9, 0.5, 0.1]}
    np.savez_compressed(run / "examples.npz", **arrays)


def disks(rows, columns):
    y, x = np.mgrid[:rows, :columns]
    return np.stack([(y - rows / 2) ** 2 + (x - columns / 2) ** 2 < radius**2 for radius in (30, 20, 10)])
