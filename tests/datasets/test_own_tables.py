"""Tables of paths: which cases, patients, sites and splits their columns state."""

from pathlib import Path

import pytest

from adpfl_bench.data.partitioning.partition import IIDPartition, NaturalPartition
from adpfl_bench.datasets.own.dataset_description import DatasetDescription, TableColumns
from adpfl_bench.datasets.own.own_pictures import OwnPicturesDataModule
from adpfl_bench.datasets.own.own_survey import survey_own
from adpfl_bench.errors import DataError
from tests.own_layouts import pictures, rows_of, table, volumes

NOTHING = DatasetDescription()
NINE = [f"p{number}" for number in range(9)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return pictures(tmp_path / "p", 18).parent


def rows(folder: Path, **columns: list[object]) -> list[dict[str, object]]:
    return rows_of(folder / "p", folder, **columns)


def test_columns_by_their_usual_names(folder: Path) -> None:
    path = table(folder / "t.csv", rows(folder, patient=NINE, site=["a", "b", "c"], age=[50, 60]))
    data = OwnPicturesDataModule(path)
    data.divide()
    assert data.partition == NaturalPartition()
    assert [client.name for client in data.clients] == ["a", "b", "c"]
    assert data.patient_id_is == "patient"
    assert {case.metadata["age"] for case in data._cases} == {"50", "60"}
    assert data.root == folder
    splits = {
        case.patient_id: split
        for client in data.clients
        for split in ("train", "test")
        for case in getattr(client, split)
    }
    assert all(len([c for c in data._cases if c.patient_id == patient]) == 2 for patient in splits)
    assert (data.description.name, data.description.channels) == ("t", ["red", "green", "blue"])


def test_without_columns_of_patients_and_sites(folder: Path) -> None:
    path = table(folder / "t.csv", [{"image": row["image"], "mask": row["mask"]} for row in rows(folder)])
    data = OwnPicturesDataModule(path)
    data.divide()
    assert data.partition == IIDPartition(4)
    assert data.patient_id_is == "image"
    assert data._cases[0].case_id.startswith("case_0")
    assert all(case.patient_id == case.case_id for case in data._cases)


def test_columns_of_other_names(folder: Path) -> None:
    named = [
        {"Bild": row["image"], "Maske": row["mask"], "Klinik": site, "image": "none"}
        for row, site in zip(rows(folder), "ab" * 9, strict=True)
    ]
    columns = TableColumns(images=["Bild"], mask="Maske", site="Klinik")
    found = survey_own(table(folder / "t.csv", named), DatasetDescription(columns=columns), "pictures")
    assert {case.site for case in found.cases} == {"a", "b"}
    assert found.cases[0].metadata == {"image": "none"}


def test_a_column_for_each_channel(tmp_path: Path) -> None:
    volumes(tmp_path / "p", 2, ("t1", "flair"))
    path = table(tmp_path / "t.csv", rows(tmp_path))
    found = survey_own(path, DatasetDescription(labels={"organ": 1, "tumour": 2}), "volumes")
    assert found.description.channels == ["t1", "flair"]
    assert [image.name for image in found.cases[0].images] == ["case_000_0000.nii.gz", "case_000_0001.nii.gz"]


def test_splits_stand_and_what_no_case_is_in_is_drawn(folder: Path) -> None:
    six = [*["train"] * 4, "Validation", "test"]
    path = table(folder / "t.csv", rows(folder, split=six, site=["a"]))
    data = OwnPicturesDataModule(path)
    data.divide()
    (client,) = data.clients
    assert [case.case_id for case in client.test] == ["case_005", "case_011", "case_017"]
    assert [case.case_id for case in client.validation] == ["case_004", "case_010", "case_016"]
    assert len(client.train) == 12
    path = table(folder / "u.csv", rows(folder, split=[*["training"] * 5, "test"], site=["a"]))
    drawn = OwnPicturesDataModule(path, validation_fraction=0.2)
    drawn.divide()
    (client,) = drawn.clients
    assert (len(client.train), len(client.validation), len(client.test)) == (12, 3, 3)


def test_a_patient_in_two_splits_is_refused_with_its_lines(folder: Path) -> None:
    path = table(folder / "t.csv", rows(folder, patient=["p"], split=["train", "train", "test"]))
    with pytest.raises(DataError, match=r"lines 2 and 4: the patient p is in two splits, train and test"):
        survey_own(path, NOTHING, "pictures")


def test_files_may_lie_anywhere(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    own = [
        {**row, "image": folder / str(row["image"]), "mask": f"../{folder.name}/{row['mask']}"} for row in rows(folder)
    ]
    above = folder.parent / "tables"
    data = OwnPicturesDataModule(table(above / "t.csv", own))
    data.divide()
    assert data.root == folder.parent
    data.read_contents()
    assert data.contents.files[0].file == f"{folder.name}/p/imagesTr/case_000_0000.png"
    beside = OwnPicturesDataModule(table(folder / "t.csv", rows(folder)))
    beside.divide()
    assert beside.fingerprint != data.fingerprint  # of the paths below what holds all


def test_a_table_in_the_working_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(folder / "t.csv", rows(folder))
    monkeypatch.chdir(folder)
    data = OwnPicturesDataModule(Path("t.csv"))
    data.divide()
    data.read_contents()
    assert (data.root, len(data.contents.files)) == (Path("."), 36)


def test_every_line_that_is_wrong_is_listed(folder: Path) -> None:
    own = rows(folder)[:6]
    own[0]["image"] = "gone.png"
    own[1]["mask"] = "p"
    own[2]["mask"] = "x.nii.gz"
    own[3]["case"] = own[4]["case"]
    own[5]["image"] = own[4]["image"]
    found = survey_own(table(folder / "t.csv", own), NOTHING, "pictures")
    assert [str(problem).partition(" (")[0] for problem in found.problems] == [
        "case_000: line 2: image does not exist",
        "case_001: line 3: mask ends in none of .png, .bmp, .tif, .tiff, .jpg, .jpeg",
        "case_002: line 4: mask ends in none of .png, .bmp, .tif, .tiff, .jpg, .jpeg",
        "case_004: lines 5 and 6 are of one case; keep one",
        "case_005: lines 6 and 7 name the same image",
    ]
