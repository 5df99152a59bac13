"""Phantoms like a task file: in its layout, of what it states, and of nothing else."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from PIL import Image

from adpfl_bench.cli import main
from adpfl_bench.datasets.own.dataset_description import DatasetDescription, TableColumns
from adpfl_bench.datasets.own.own_pictures import OwnPicturesDataModule
from adpfl_bench.datasets.own.own_volumes import OwnVolumesDataModule
from adpfl_bench.datasets.own.phantom_like import phantom_like
from adpfl_bench.phantoms.cohort import write_phantom
from adpfl_bench.phantoms.like.blobs import draw_anatomy
from adpfl_bench.phantoms.like.like_writer import LikePictureWriter, LikeVolumeWriter
from adpfl_bench.phantoms.volumes.space import Space

KIDNEYS = {
    "name": "kidneys",
    "channels": ["CT"],
    "labels": {"kidney": 1, "tumour": 4, "cyst": 9},
    "regions": {"whole": [1, 4, 9], "masses": [4, 9], "tumour": [4]},
}


def task_file(folder: Path, kind: str = "Volumes", description: object = None, **arguments: object) -> Path:
    arguments = {"root": "/no/such/folder", "description": description or KIDNEYS, **arguments}
    content = {"task": "mine", "data": {"class_path": f"adpfl_bench.Own{kind}DataModule", "init_args": arguments}}
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_volumes_have_the_files_geometry_channels_and_labels(tmp_path, capsys):
    path = task_file(
        tmp_path, spacing=[0.8, 0.8, 2.5], phantom_size=[24, 20, 12], phantom_cases=3, ct_window=[-79, 304]
    )
    assert main(["phantom", "--like", str(path), "--output", str(tmp_path / "out")]) == 0
    assert "Wrote a phantom of 3 mine images (sites not stated)" in capsys.readouterr().out
    described = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert described["labels"] == {"background": 0, "kidney": 1, "tumour": 4, "cyst": 9}
    image = nib.load(tmp_path / "out" / "imagesTr" / "phantom00000_0000.nii.gz")
    assert image.shape == (24, 20, 12)
    assert image.header.get_zooms() == pytest.approx((0.8, 0.8, 2.5))
    values = np.asarray(image.dataobj)
    assert values[0, 0, 0] == -1000  # air around the body
    label = np.asarray(nib.load(tmp_path / "out" / "labelsTr" / "phantom00000.nii.gz").dataobj)
    assert set(np.unique(label)) <= {0, 1, 4, 9}
    assert -79 < np.median(values[label > 0]) < 304
    survey = OwnVolumesDataModule(tmp_path / "out").survey(tmp_path / "out")
    assert (len(survey.cases), survey.problems) == (3, ())


def test_structures_lie_within_those_that_hold_them():
    described = phantom_like(DatasetDescription(**KIDNEYS), "CT")
    assert [(each.name, each.within) for each in described.structures] == [("kidney", None), ("cyst", 0), ("tumour", 1)]
    whole = draw_anatomy(np.random.default_rng(0), Space((40, 40, 24), (1, 1, 2)), described.structures, False)
    alone = draw_anatomy(np.random.default_rng(0), Space((40, 40, 24), (1, 1, 2)), described.structures[:1], False)
    assert set(np.unique(whole.places)) == {0, 1, 2, 3}
    assert ((whole.places > 0) == (alone.places > 0)).mean() > 0.999
    assert whole.body[whole.places > 0].all()


@pytest.mark.parametrize("size", [(4, 4, 4), (64, 48, 2), (30, 30, 1)])
@pytest.mark.parametrize("seed", range(5))
def test_every_case_shows_something_unless_it_is_empty(size, seed):
    structures = phantom_like(DatasetDescription(**KIDNEYS), "MRI").structures
    space = Space(size, (1.0, 2.0, 3.0))
    assert (draw_anatomy(np.random.default_rng(seed), space, structures, False).places == 1).any()
    assert not draw_anatomy(np.random.default_rng(seed), space, structures, True).places.any()


def test_a_table_has_the_columns_that_the_file_names(tmp_path):
    columns = {"images": ["he", "ihc"], "mask": "truth", "patient": "who", "site": "where", "split": "part"}
    description = {"name": "slides", "channels": ["he", "ihc"], "labels": {"gland": 255}, "columns": columns}
    path = task_file(tmp_path, "Pictures", description, phantom_size=[20, 16])
    assert main(["phantom", "--like", str(path), "--output", str(tmp_path / "out"), "--cases", "16"]) == 0
    head, *rows = (tmp_path / "out" / "cases.csv").read_text().splitlines()
    assert head == "he,ihc,truth,who,where,part"
    assert len(rows) == 16
    stated = DatasetDescription(**{**description, "columns": TableColumns(**columns)})
    data = OwnPicturesDataModule(tmp_path / "out" / "cases.csv", description=stated, image_size=(16, 16))
    data.divide()
    assert {client.name for client in data.clients} == {"site-0", "site-1", "site-2", "site-3"}
    assert {case.split for client in data.clients for case in client.cases} == {"train", "test", "validation"}
    assert data.describe().kind == "phantom"
    with Image.open(tmp_path / "out" / "images" / "phantom00003_0001.png") as image:
        assert (image.size, image.mode) == ((16, 20), "L")
    values = np.unique(Image.open(tmp_path / "out" / "masks" / "phantom00003.png"))
    assert values.tolist() == [0, 255]


def test_patients_and_sites_that_case_ids_state_are_stated_by_those_of_phantoms(tmp_path):
    description = {**KIDNEYS, "case_pattern": r"(?P<site>[A-Z]{2})_(?P<patient>\d+)_.*"}
    path = task_file(tmp_path, description=description, phantom_size=[8, 8, 8])
    assert main(["phantom", "--like", str(path), "--output", str(tmp_path / "out"), "--cases", "24"]) == 0
    data = OwnVolumesDataModule(tmp_path / "out", description=DatasetDescription(**description), patch_size=(8, 8, 8))
    data.divide()
    assert [client.name for client in data.clients] == ["site-0", "site-1", "site-2", "site-3"]
    assert {case.patient_id for client in data.clients for case in client.cases} == {
        f"patient{n:05d}" for n in range(12)
    }


def test_three_channels_are_one_picture_in_colour(tmp_path):
    like = phantom_like(DatasetDescription(name="x", channels=["R", "G", "B"], labels={"spot": 1}), "picture")
    write_phantom(LikePictureWriter, tmp_path / "out", 2, size=(20, 16), like=like)
    with Image.open(tmp_path / "out" / "imagesTr" / "phantom00001_0000.png") as image:
        assert image.mode == "RGB"
    assert len(list((tmp_path / "out" / "imagesTr").iterdir())) == 2


def test_equal_files_give_equal_phantoms_and_others_are_refused(tmp_path, capsys):
    path = task_file(tmp_path, phantom_size=[12, 12, 8], phantom_cases=2)
    for _ in range(2):
        assert main(["phantom", "--like", str(path), "--output", str(tmp_path / "out")]) == 0
    assert "Kept, as it was there already" in capsys.readouterr().out
    task_file(tmp_path, phantom_size=[12, 12, 8], phantom_cases=2, spacing=[2, 2, 2])
    assert main(["phantom", "--like", str(path), "--output", str(tmp_path / "out")]) == 1
    assert "is a phantom with like " in capsys.readouterr().err
    like = phantom_like(DatasetDescription(**KIDNEYS), "CT")
    for name, workers in (("one", 1), ("two", 2)):
        write_phantom(LikeVolumeWriter, tmp_path / name, 3, size=(12, 12, 8), like=like, workers=workers)
    files = [[path.read_bytes() for path in sorted((tmp_path / n).rglob("*.nii.gz"))] for n in ("one", "two")]
    assert files[0] == files[1]
    assert len(files[0]) == 6


def test_a_run_makes_its_phantoms_by_itself(tmp_path, monkeypatch):
    """Those of a table whose columns have names of their own, and whose sites are clients."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADPFL_CACHE", str(tmp_path / "cache"))
    columns = {"images": ["scan"], "mask": "truth", "site": "hospital"}
    geometry = {"phantom_size": [16, 16, 8], "phantom_cases": 12, "patch_size": [8, 8, 8], "spacing": None}
    clients = {"class_path": "adpfl_bench.NaturalPartition"}
    path = task_file(tmp_path, description={**KIDNEYS, "columns": columns}, partition=clients, **geometry)
    content = yaml.safe_load(path.read_text())
    content["model"] = {"class_path": "adpfl_bench.RegionsTask"}
    content["model"]["init_args"] = {"network": "UNet", "network_arguments": {"channels": [2, 2], "strides": [2]}}
    path.write_text(yaml.safe_dump(content))
    words = ["--data.root", "phantom", "--federated.rounds", "1", "--trainer.devices", "1"]
    assert main(["fit", "--config", "task.yaml", *words]) == 0
    record = json.loads((tmp_path / "runs" / "mine" / "adp_fl" / "seed0" / "run.json").read_text())
    assert record["data"]["kind"] == "phantom"
    assert sorted(record["data"]["clients"]) == ["site-0", "site-1", "site-2", "site-3"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"description": {"name": "x", "labels": {"a": 1}}}, "data.description has no channels; state them"),
        (
            {"description": {**KIDNEYS, "colour": "red"}},
            "has colour under data.description, which has",
        ),
        ({"description": {**KIDNEYS, "columns": {"photo": "x"}}}, "has columns.photo under data.description"),
        ({"description": {**KIDNEYS, "labels": {"a": "b"}}}, "has 'b' as data.description.labels.a: Input should be a"),
        ({"description": {**KIDNEYS, "channels": "CT"}}, "has 'CT' as data.description.channels: Input should be a"),
        ({"description": {**KIDNEYS, "regions": {"x": [7]}}}, "makes the region x of 7, which is none of its labels"),
        ({"description": [1]}, r"has \[1\] as data.description; expected keys"),
        ({"phantom_size": [12, 12]}, r"has \[12, 12\] as data.phantom_size; expected 3 numbers"),
        ({"spacing": "fine"}, "has 'fine' as data.spacing; expected 3 numbers"),
        ({"phantom_cases": "many"}, "has 'many' as data.phantom_cases; expected a whole number"),
        ({"phantom_size": [9, 9, 0]}, "need 3 sides of at least 1 voxels"),
    ],
)
def test_a_file_that_does_not_say_enough_is_refused(tmp_path, capsys, change, sentence):
    path = task_file(tmp_path, **change)
    assert main(["phantom", "--like", str(path), "--output", str(tmp_path / "out")]) == 1
    found = capsys.readouterr().err
    assert re.search(sentence, found), found
    assert not (tmp_path / "out").exists()


def test_either_a_dataset_or_a_file_says_what_to_write(tmp_path, capsys):
    path = task_file(tmp_path)
    for words in ([], ["isic", "--like", str(path)]):
        assert main(["phantom", *words]) == 1
        assert "phantom needs a DATASET or --like TASK.yaml, and not both" in capsys.readouterr().err
    assert main(["phantom", "--like", str(path), "--cases", "0"]) == 1
    assert "A phantom needs at least 1 case, but 0 were asked for" in capsys.readouterr().err
    assert main(["phantom", "--like", str(path), "--labels", str(tmp_path)]) == 1
    assert "--labels is for kits" in capsys.readouterr().err
    assert main(["phantom", "--like", "tasks/isic.yaml"]) == 1
    assert "has the datamodule adpfl_bench.ISICDataModule; phantoms are made like tasks of" in capsys.readouterr().err
