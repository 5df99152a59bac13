"""What there is can be listed and shown, and every name that is listed can be used."""

from pathlib import Path

import pytest

import adpfl_bench
from adpfl_bench.cli import main
from adpfl_bench.cli.offers import KINDS
from adpfl_bench.config.config_files import packaged_configs


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_listed_with_a_sentence_on_each(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    offers = KINDS[kind].found()
    assert offers
    text = said(capsys, "list", kind)
    assert all(f"\n  {offer.name}" in text and offer.text for offer in offers)


def test_without_a_kind_the_kinds_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert all(f"\n  {kind} " in said(capsys, "list") for kind in KINDS)


def test_every_file_of_the_package_is_listed_once() -> None:
    names = [offer.name for kind in ("tasks", "methods", "places", "grids") for offer in KINDS[kind].found()]
    assert sorted(names) == packaged_configs()


def test_lines_fit_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (80, 100):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert max(map(len, said(capsys, "list", *KINDS).splitlines())) <= columns


def test_unknown_kind_is_named_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "brushes"]) == 1
    assert "There is no kind brushes of things to list; there are tasks, methods," in capsys.readouterr().err


@pytest.mark.parametrize("name", ["callbacks/adp_fl_quantile.yaml", "adp_fl_quantile"])
def test_a_method_is_shown_with_settings_ranges_and_paper(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "show", name)
    assert "ADP-FL with a proof" in text  # what it does
    assert "    target_epsilon: 8.0" in text  # what it states
    assert "  quantile = 0.5 " in text  # what its classes take
    assert "in (0, 1)" in text
    assert "https://arxiv.org/abs/1905.03871" in text


def test_settings_that_a_class_hands_on_are_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "show", "tasks/isic.yaml")
    assert "  image_size = (128, 128) " in text
    assert "  split_seed = 0 " in text  # of the class that it is made of


def test_a_model_to_start_from_is_shown_by_its_card(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = said(capsys, "show", "models/isic")
    assert text.startswith("# models/isic: ")
    assert "no image, mask or record of a person went in" in text
    monkeypatch.setattr("adpfl_bench.tasks.starting_models._PACKAGE", "no_such_package")
    assert "adpfl-bench-models, which is not" in said(capsys, "list", "models", "tasks")
    assert main(["show", "models/isic"]) == 1
    assert "models/isic is one of the models to start from. They come with the package" in capsys.readouterr().err
    assert "isic" in said(capsys, "show", "isic")  # whatever else has that name


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"tasks", "methods", "places", "grids", "models"}))
def test_everything_that_is_listed_can_be_shown(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    for offer in KINDS[kind].found():
        text = said(capsys, "show", offer.name)
        assert offer.name in text
        assert KINDS[kind].text in text


def test_a_file_of_ones_own_is_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("# My method.\nmethod: mine\nprivacy: {mechanism: adpfl_bench.LaplaceMechanism}\n")
    text = said(capsys, "show", str(path))
    assert "My method." in text
    assert "adpfl_bench.LaplaceMechanism\n" in text


def test_a_name_with_a_slip_is_set_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "QuantilThreshold"]) == 1
    assert "nothing called QuantilThreshold; did you mean QuantileThreshold?" in capsys.readouterr().err
    assert main(["show", "callbacks/adpfl.yaml"]) == 1
    assert "There is no configuration file callbacks/adpfl.yaml" in capsys.readouterr().err


def test_classes_that_can_be_made_are_listed_by_their_public_names() -> None:
    listed = {offer.name for kind in ("thresholds", "mechanisms", "partitions") for offer in KINDS[kind].found()}
    assert {"adpfl_bench.HistogramThreshold", "adpfl_bench.GaussianMechanism", "adpfl_bench.FilePartition"} <= listed
    assert all(name.removeprefix("adpfl_bench.") in adpfl_bench.__all__ for name in listed)
