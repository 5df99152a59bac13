"""Whom a run protects, as tables, statements and summaries say it: in the dataset's word, also of older records."""

import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.latex import to_latex
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.overview import make_overviews
from adpfl_bench.leaderboard.protection import ids_word, noise_source, person, protected_word
from adpfl_bench.leaderboard.rendering import text_table
from adpfl_bench.leaderboard.run_summary import summarize_run
from adpfl_bench.leaderboard.statements import privacy_statement
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.wandb.summary import record_summary
from tests.leaderboard.records import by_target, private, record_of, write_run

DICE = {"a1": 0.5, "a2": 0.6, "b": 0.7, "c": 0.8}
OF = {"kind": "real", "fingerprint": "f" * 64}


def data(datamodule=None, **stated):
    return {**OF, "datamodule": datamodule, **stated}


def today(unit, protects, most=None, group=None, secure=False, **accounted):
    block = by_target(unit=unit, protects=protects, units_per_person=most, secure=secure)
    return {**block, "accounted": {**block["accounted"], "group_epsilon": group, **accounted}}


@pytest.mark.parametrize(
    ("datamodule", "unit", "word", "ids"),
    [
        ("ISICDataModule", "patient", "image", "image"),
        ("ISICDataModule", "record", "image", "image"),
        ("HAM10000DataModule", "patient", "lesion", "lesion"),
        ("LGGSlicesDataModule", "record", "slice", "patient"),
        ("LGGSlicesDataModule", "patient", "patient", "patient"),
        ("KiTSDataModule", "record", "patient", "patient"),
        ("ClinicDataModule", "patient", "patient id", None),
        (None, "record", "record", None),
        (None, "client", "client", None),
        ("ISICDataModule", "batch", "batch", "image"),
    ],
)
def test_word_of_a_record_that_states_none(datamodule, unit, word, ids):
    record = record_of(privacy=by_target(unit=unit), data=data(datamodule))
    assert (protected_word(record), ids_word(record)) == (word, ids)


def test_what_a_record_states_counts():
    """A datamodule of one's own may have the name of one of the suite's."""
    stated = data("ISICDataModule", example_is="image", patient_id_is="patient")
    record = record_of(privacy=today("patient", "patient", 1, 8.0), data=stated)
    assert (protected_word(record), ids_word(record), person(record)) == ("patient", "patient", (1, 8.0))


@pytest.mark.parametrize(
    ("privacy", "datamodule", "found"),
    [
        (by_target(unit="patient"), "KiTSDataModule", (1, 8.0)),
        (by_target(unit="patient"), "ISICDataModule", (None, None)),
        (by_target(unit="record"), "LGGSlicesDataModule", (None, None)),
        (by_target(unit="patient"), None, (None, None)),
        (today("record", "slice", 12, 96.5), "LGGSlicesDataModule", (12, 96.5)),
    ],
)
def test_what_one_person_gets(privacy, datamodule, found):
    assert person(record_of(privacy=privacy, data=data(datamodule))) == found


def test_where_noise_comes_from():
    def source(**changes):
        return noise_source(record_of(privacy=by_target(**changes)).privacy)

    assert (source(), source(secure=True), source(noise_multiplier=0.0)) == ("seeded", "secret", None)
    assert noise_source(record_of(privacy=private()).privacy) is None
    assert noise_source(record_of().privacy) is None


@pytest.fixture
def tables(tmp_path):
    """Two datasets: images, by a record that does not say so, and slices of patients."""
    write_run(tmp_path / "isic", "dp", DICE, privacy=by_target(unit="patient"), data=data("ISICDataModule"))
    slices = {"data": {**data("LGGSlicesDataModule"), "fingerprint": "e" * 64}, "task": "lgg"}
    for seed, group in enumerate((96.5, 90.0)):
        block = today("record", "slice", 12, group)
        write_run(tmp_path / f"lgg{seed}", "dp", DICE, seed=seed, privacy=block, **slices)
    write_run(tmp_path / "lgg-secret", "secret", DICE, privacy=today("patient", "patient", 1, 8.0, True), **slices)
    groups, _, _ = compare_runs(find_runs([tmp_path]))
    return {table.group.task: table for group in groups for table in tabulate(group)}


def columns(table, label):
    text = text_table(table)
    (cells,) = [row for row in text.cells if row[0] == label]
    return dict(zip(text.headings, cells, strict=True))


def test_columns_of_images(tables):
    found = columns(tables["toy"], "dp")
    assert (found["Unit"], found["Epsilon of a person"], found["Noise"]) == ("image", "–", "seeded")  # noqa: RUF001
    assert "SD images" in found


def test_columns_of_slices_and_patients(tables):
    one, other = columns(tables["lgg"], "dp"), columns(tables["lgg"], "secret")
    assert (one["Unit"], one["Epsilon of a person"], one["Noise"]) == ("slice", "96.5 (12 units)", "seeded")
    assert (other["Unit"], other["Epsilon of a person"], other["Noise"]) == ("patient", "8", "secret")
    assert "SD patients" in one


def test_a_run_that_does_not_know_leaves_the_method_without(tmp_path):
    slices = {"data": data("LGGSlicesDataModule")}
    write_run(tmp_path / "0", "dp", DICE, privacy=today("record", "slice", 12, 96.5), **slices)
    write_run(tmp_path / "1", "dp", DICE, seed=1, privacy=by_target(unit="record"), **slices)
    ((table,),) = [tabulate(group) for group in compare_runs(find_runs([tmp_path])).groups]
    assert columns(table, "dp")["Epsilon of a person"] == "–"  # noqa: RUF001


def test_no_sentence_calls_an_image_a_patient(tables):
    table = tables["toy"]
    text = to_markdown([table], []).split("## How to read")[0] + to_latex([table])
    assert "patient" not in text
    assert "### Region lesion, 3 images" in text
    assert "dp: what all images of one person together get is not known." in text
    assert "dp: seeded noise protects from nobody who knows the seed, which run.json states." in text
    assert "4 test cases of 3 images" in text


def test_overviews_name_both(tables):
    mean, spread, *_ = make_overviews(list(tables.values()))
    assert spread.heading == "SD of Dice over images/patients, in points"
    assert {row[-1] for row in mean.text.cells} == {"8 per image/slice", "8 per patient"}


def test_statements(tables):
    (image,) = [privacy_statement(v, tables["toy"].rows[0]) for v in tables["toy"].group.variants]
    assert image.rule.startswith("Unit: image (one image; further images of the same person are further units), adj")
    assert "It is seeded: seeded noise protects from nobody who knows the seed" in image.rule
    assert "per image, the largest over clients and seeds; what all images of one person" in image.accounted
    table = tables["lgg"]
    rows = {row.label: row for row in table.rows}
    found = {variant.label: privacy_statement(variant, rows[variant.label]) for variant in table.group.variants}
    assert "a person has up to 12 slices; together they get epsilon 96.5" in found["dp"].accounted
    assert "It is secret, from the operating system." in found["secret"].rule


def test_summaries(tmp_path):
    folder = write_run(tmp_path / "r", "dp", DICE, privacy=by_target(unit="patient"), data=data("HAM10000DataModule"))
    assert "unit patient (one lesion); epsilon" in summarize_run(RunDirectory(folder))
    summary = record_summary(RunDirectory(folder).read_record())
    assert (summary["privacy/unit"], summary["privacy/protects"], summary["privacy/noise"]) == (
        *("patient", "lesion", "seeded"),
    )
    assert "privacy/group_epsilon" not in summary
    stated = record_summary(record_of(privacy=today("record", "slice", 12, 96.5)))
    assert (stated["privacy/units_per_person"], stated["privacy/group_epsilon"]) == (12, 96.5)
