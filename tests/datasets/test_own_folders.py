"""Folders in the layouts of nnU-Net and of the Decathlon: what their dataset.json says, and which cases they hold."""

import json
from pathlib import Path
from typing import Any

import pytest

from adpfl_bench.data.partitioning.partition import IIDPartition
from adpfl_bench.datasets.own.dataset_description import DatasetDescription
from adpfl_bench.datasets.own.dataset_json import read_dataset_json
from adpfl_bench.datasets.own.own_pictures import OwnPicturesDataModule
from adpfl_bench.datasets.own.own_survey import OwnSurvey, survey_own
from adpfl_bench.datasets.own.own_volumes import OwnVolumesDataModule
from adpfl_bench.errors import ConfigError, DataError
from tests.own_layouts import decathlon, pictures, volumes, write_json

NOTHING = DatasetDescription()
CHANNELS = {"channel_names": {"0": "CT"}, "file_ending": ".nii.gz"}


def described(root: Path, **content: Any) -> DatasetDescription:
    return read_dataset_json(write_json(root, **content) / "dataset.json").description


def rewrite(root: Path, **changes: Any) -> None:
    path = root / "dataset.json"
    content = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def problems(survey: OwnSurvey) -> list[str]:
    return [f"{problem.case}: {problem.problem}" for problem in survey.problems]


def test_labels_of_both_versions(tmp_path: Path) -> None:
    second = described(tmp_path / "Dataset007_Pancreas", **CHANNELS, labels={"background": 0, "organ": 1, "mass": 2})
    first = described(
        tmp_path / "old", modality={"0": "CT"}, labels={"0": "background", "1": "organ", "2": "mass"}, name="Old"
    )
    assert second.labels == first.labels == {"organ": 1, "mass": 2}
    assert second.channels == first.channels == ["CT"]
    assert (second.name, first.name) == ("Dataset007_Pancreas", "Old")
    assert second.scheme().predicted == ("organ", "mass")


def test_regions_with_their_order(tmp_path: Path) -> None:
    found = described(
        tmp_path,
        channel_names={"0": "T1", "1": "T1"},
        labels={"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3},
        regions_class_order=[1, 2, 3],
        file_ending=".nii.gz",
    )
    scheme = found.scheme()
    assert {name: len(own) for name, own in scheme.regions.items()} == {"whole": 3, "core": 2, "enhancing": 1}
    assert scheme.painting == (("whole", "label 1"), ("core", "label 2"), ("enhancing", "label 3"))
    assert found.values() == {1: "label 1", 2: "label 2", 3: "label 3"}
    assert found.channels == ["T1-0", "T1-1"]  # as files and columns are called, they have to be told apart


def test_what_yaml_states_stands_over_the_file(tmp_path: Path) -> None:
    root = volumes(tmp_path / "v", 1)
    stated = DatasetDescription(
        name="livers", regions={"both": ["organ", 2], "tumour": [2]}, tolerances={"both": 3.0}, ids_identify="patient"
    )
    found = survey_own(root, stated, "volumes").description
    assert (found.name, found.ids_identify, found.labels) == ("livers", "patient", {"organ": 1, "tumour": 2})
    assert found.scheme().tolerances == {"both": 3.0}
    renamed = survey_own(root, DatasetDescription(labels={"liver": 1, "mass": 2}), "volumes").description
    assert renamed.scheme().predicted == ("liver", "mass")
    with pytest.raises(ConfigError, match=r"gives tumour the value 1, but .*dataset.json gives it 2"):
        survey_own(root, DatasetDescription(labels={"tumour": 1}), "volumes")


def test_channels_that_are_called_as_others_are_refused(tmp_path: Path) -> None:
    root = volumes(tmp_path / "v", 1, ("t1", "flair"))
    assert survey_own(root, DatasetDescription(channels=["a", "b"]), "volumes").description.channels == ["a", "b"]
    with pytest.raises(ConfigError, match=r"channels are flair, t1, but .* has t1, flair; state them in its order"):
        survey_own(root, DatasetDescription(channels=["flair", "t1"]), "volumes")


def test_cases_with_a_file_for_each_channel(tmp_path: Path) -> None:
    root = volumes(tmp_path / "v", 3, ("t1", "flair"))
    found = survey_own(root, NOTHING, "volumes")
    assert [case.case_id for case in found.cases] == ["case_000", "case_001", "case_002"]
    assert [path.name for path in found.cases[1].images] == ["case_001_0000.nii.gz", "case_001_0001.nii.gz"]
    assert (found.problems, found.in_one_file) == ((), False)
    assert found.cases[0].patient_id == "case_000"


def test_colours_are_in_one_file_and_stains_in_several(tmp_path: Path) -> None:
    colours = survey_own(pictures(tmp_path / "rgb", 2), NOTHING, "pictures")
    assert [len(case.images) for case in colours.cases] == [1, 1]
    assert colours.description.channels == ["R", "G", "B"]
    stains = survey_own(pictures(tmp_path / "stains", 2, channels=2, ending=".tif"), NOTHING, "pictures")
    assert [len(case.images) for case in stains.cases] == [2, 2]


def test_test_cases_with_masks_stay_test_cases(tmp_path: Path) -> None:
    root = pictures(tmp_path / "p", 12)
    for name in ("images", "labels"):
        (root / f"{name}Ts").mkdir()
        for path in [*(root / f"{name}Tr").glob("case_00[0-3]*")]:
            path.rename(root / f"{name}Ts" / path.name)
    data = OwnPicturesDataModule(root, IIDPartition(1), validation_fraction=0.25)
    data.divide()
    tested = sorted(case.case_id for client in data.clients for case in client.test)
    assert tested == ["case_000", "case_001", "case_002", "case_003"]
    assert len(data.clients[0].validation) == 2  # a quarter of the others
    (root / "labelsTs" / "case_000.png").unlink()
    assert problems(survey_own(root, NOTHING, "pictures")) == ["case_000: has no mask case_000.png in labelsTs"]


def test_patients_and_sites_in_the_names_of_cases(tmp_path: Path) -> None:
    root = volumes(tmp_path / "v", 4)
    pattern = r"case_(?P<patient>\d\d)(?P<site>\d)"
    data = OwnVolumesDataModule(root, description=DatasetDescription(case_pattern=pattern, ids_identify="patient"))
    cases = data.scan(root)
    assert {case.patient_id for case in cases} == {"00"}
    assert [case.site for case in cases] == ["0", "1", "2", "3"]
    assert type(data.partition).__name__ == "NaturalPartition"
    with pytest.raises(ConfigError, match=r"does not fit the case case_000"):
        survey_own(root, DatasetDescription(case_pattern="(?P<site>x)"), "volumes")
    with pytest.raises(ConfigError, match="no group called patient or site"):
        DatasetDescription(case_pattern="x")
    with pytest.raises(ConfigError, match="no regular expression"):
        DatasetDescription(case_pattern="(?P<site>")


def test_folders_of_the_decathlon(tmp_path: Path) -> None:
    several = decathlon(tmp_path / "d2", volumes(tmp_path / "v2", 2, ("t1", "flair")))
    found = survey_own(several, NOTHING, "volumes")
    assert found.in_one_file
    assert found.description.channels == ["t1", "flair"]
    assert [len(case.images) for case in found.cases] == [1, 1]
    assert found.description.name == "Task99_Own"
    single = survey_own(decathlon(tmp_path / "d1", volumes(tmp_path / "v1", 2)), NOTHING, "volumes")
    assert [case.case_id for case in single.cases] == ["case_000", "case_001"]
    (several / "labelsTr/case_001.nii.gz").unlink()
    assert problems(survey_own(several, NOTHING, "volumes")) == ["case_001: is listed in dataset.json, but not there"]


def test_the_first_version_lists_cases_without_channels(tmp_path: Path) -> None:
    root = volumes(tmp_path / "v", 2)
    pairs = [{"image": f"./imagesTr/case_00{i}.nii.gz", "label": f"./labelsTr/case_00{i}.nii.gz"} for i in range(2)]
    rewrite(root, channel_names=None, file_ending=None, modality={"0": "CT"}, training=pairs)
    found = survey_own(root, NOTHING, "volumes")
    assert [path.name for case in found.cases for path in case.images] == [
        "case_000_0000.nii.gz",
        "case_001_0000.nii.gz",
    ]


def test_all_that_is_missing_is_listed(tmp_path: Path) -> None:
    root = volumes(tmp_path / "v", 4, ("t1", "flair"))
    (root / "imagesTr/case_000_0001.nii.gz").unlink()
    (root / "labelsTr/case_001.nii.gz").unlink()
    (root / "imagesTr/case_002_0000.nii.gz").rename(root / "imagesTr/case_002_0004.nii.gz")
    (root / "imagesTr/stray.nii.gz").touch()
    (root / "labelsTr/lonely.nii.gz").touch()
    found = survey_own(root, NOTHING, "volumes")
    assert [case.case_id for case in found.cases] == ["case_003"]
    assert problems(found) == [
        ": is not called CASE_0000.nii.gz, so no case has it",
        "case_000: case_000_0001.nii.gz (flair) is missing",
        "case_001: has no mask case_001.nii.gz in labelsTr",
        "case_002: case_002_0000.nii.gz (t1) is missing",
        "case_002: has the channel 0004, but dataset.json names 2: t1, flair",
        "lonely: has no image lonely_0000.nii.gz in imagesTr",
    ]


@pytest.mark.parametrize(
    ("channels", "kind"),
    [(["CT"], "CT"), (["ct"], "CT"), (["CT", "CT"], "CT"), (["MRI"], "MRI"), (["T2", "ADC"], "MRI")],
)
def test_intensities_follow_the_channels_names(tmp_path: Path, channels: list[str], kind: str) -> None:
    root = volumes(tmp_path / "v", 1, channels)
    assert OwnVolumesDataModule(root).survey(root).release.modality == kind
    assert OwnVolumesDataModule(root, intensity="ct").survey(root).release.modality == "CT"


def test_ct_beside_something_else_has_to_be_decided(tmp_path: Path) -> None:
    root = volumes(tmp_path / "v", 1, ["CT", "PET"])
    with pytest.raises(ConfigError, match="some are CT, others not"):
        OwnVolumesDataModule(root).survey(root)
    assert OwnVolumesDataModule(root, intensity="zscore").survey(root).release.modality == "MRI"


def test_pictures_are_no_volumes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"end in .png, which are pictures; take tasks/own_pictures.yaml"):
        survey_own(pictures(tmp_path / "p", 1), NOTHING, "volumes")
    with pytest.raises(DataError, match=r"end in .nii.gz, which are volumes; take tasks/own_volumes.yaml"):
        survey_own(volumes(tmp_path / "v", 1), NOTHING, "pictures")
