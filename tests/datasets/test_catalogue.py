"""The catalogue of datasets: every name opens, and what is none is told."""

import subprocess
import sys
from pathlib import Path

import pytest

import adpfl_bench
from adpfl_bench.cli import main
from adpfl_bench.config.config_files import find_config
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.datasets.catalogue import DATASETS, IDENTITIES, PHANTOMS, find_datamodule, find_writer
from adpfl_bench.errors import ConfigError


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_has_a_datamodule_a_task_and_a_phantom_that_it_reads(name: str, tmp_path: Path) -> None:
    dataset = DATASETS[name]
    assert find_config(f"tasks/{dataset.task}.yaml").is_file()
    for phantom in dataset.phantoms:
        writer = find_writer(phantom)
        assert writer.name == phantom
        size = [writer.smallest] * len(writer.default_size)
        words = ["--output", str(tmp_path / phantom), "--cases", "2", "--image_size", str(size)]
        assert main(["phantom", phantom, *words]) == 0
        data = find_datamodule(name)(tmp_path / phantom)
        assert data.phantom in [find_writer(phantom) for phantom in dataset.phantoms]
        assert len(data.inventory(data.root).cases) == len(data.scan(data.root)) == 2


def test_the_catalogue_and_phantoms_are_light() -> None:
    program = (
        "import sys; from adpfl_bench.datasets.catalogue import PHANTOMS, find_writer\n"
        "for name in PHANTOMS: find_writer(name)\n"
        "print(sorted({'torch', 'monai', 'lightning', 'matplotlib', 'wandb'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("kvasir", f"There is no dataset 'kvasir'; there are {', '.join(DATASETS)}; of your own, give the class path"),
        ("nowhere.ClinicDataModule", "No module named 'nowhere'"),
        ("pathlib.Clinic", "pathlib.Clinic was not found"),
        ("pathlib.Path", "pathlib.Path is no datamodule"),
        ("os.sep", "os.sep is no class"),
    ],
)
def test_what_is_no_dataset_is_told(name: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        find_datamodule(name)
    assert sentence in str(error.value)


def test_what_has_no_phantom_is_told() -> None:
    with pytest.raises(
        ConfigError, match=f"no phantom of 'kvasir'; there are phantoms of {', '.join(sorted(PHANTOMS))}"
    ):
        find_writer("kvasir")
    with pytest.raises(ConfigError, match=r"pathlib.Path has no phantom"):
        find_writer("pathlib.Path")
    assert FederatedDataModule.phantom is None
    assert find_writer("adpfl_bench.datasets.kits.KiTSDataModule") is find_writer("kits")


def test_pictures_need_not_be_prepared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "isic", "--root", "."]) == 1
    assert "prepare is for volumes" in capsys.readouterr().err


@pytest.mark.parametrize("name", IDENTITIES)
def test_every_datamodule_states_what_its_ids_identify_as_the_catalogue_does(name: str, tmp_path: Path) -> None:
    """Tables of older records ask the catalogue, and runs the datamodule."""
    data = getattr(adpfl_bench, name)(tmp_path)
    assert (data.example_is, data.patient_id_is) == IDENTITIES[name]


def test_the_catalogue_knows_the_words_of_all_datamodules() -> None:
    public = {name for name in dir(adpfl_bench) if name.endswith("DataModule")}
    stated_in_yaml = {"OwnPicturesDataModule", "OwnVolumesDataModule"}
    general = {"FederatedDataModule", "ImageDataModule", "VolumeDataModule", *stated_in_yaml}
    assert public - general == {*IDENTITIES}
    assert {dataset.datamodule.rpartition(".")[2] for dataset in DATASETS.values()} - stated_in_yaml <= {*IDENTITIES}
