"""Models to start from: each is what its index says, fits its task's configuration, and is found by its name alone."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

import adpfl_bench
from adpfl_bench.config.config_files import find_config
from adpfl_bench.errors import CheckpointError
from adpfl_bench.records.digests import file_sha256
from adpfl_bench.tasks import starting_models as module
from adpfl_bench.tasks.public_weights import LITE0
from adpfl_bench.tasks.starting_models import named_model, starting_models

ENCODER = "isic_encoder"
TASKS = sorted(path.stem for path in (find_config("tasks/isic.yaml").parent).glob("[!o]*.yaml"))
PACKAGE = Path(__file__).resolve().parents[2] / "models" / "adpfl_bench_models"
SMALL = {"channels": [4, 8], "strides": [2], "num_res_units": 0}


def block(place: str, task: str) -> dict:
    return yaml.safe_load(find_config(f"configs/{place}.yaml").read_text())["by_task"][task]


def made(task: str):
    """The task's network as configs/from_phantoms.yaml has it."""
    stated = yaml.safe_load(find_config(f"tasks/{task}.yaml").read_text())["model"]
    arguments = {**stated["init_args"], **block("from_phantoms", task)["model"]["init_args"]}
    kept = {key: value for key, value in arguments.items() if key not in ("optimizer", "lr_scheduler")}
    return getattr(adpfl_bench, stated["class_path"].removeprefix("adpfl_bench."))(
        **{**kept, "init_from": Path(kept["init_from"])}
    )


def test_every_task_has_a_model_a_card_and_nothing_else_is_there() -> None:
    names = sorted([*TASKS, ENCODER])
    assert sorted(starting_models()) == [f"models/{name}" for name in names]
    expected = {f"{name}.{kind}" for name in names for kind in ("ckpt", "md")} | {"__init__.py", "index.json"}
    assert {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"} == expected


@pytest.mark.parametrize("task", TASKS)
def test_a_model_fits_its_task_and_is_public(task: str) -> None:
    model = starting_models()[f"models/{task}"]
    assert model.sha256 == file_sha256(PACKAGE / f"{task}.ckpt")
    first, stored = made(task), torch.load(model.weights, weights_only=True)
    assert set(stored) == {"state_dict", "lineage"}
    for name, value in first.state_dict().items():
        assert torch.equal(value, stored["state_dict"][name])
        assert torch.isfinite(value).all()
    (ancestor,) = first.lineage.before
    assert (ancestor.kind, ancestor.digest, ancestor.folder) == ("phantom", model.sha256, "")
    assert (ancestor.name, ancestor.licence) == (f"models/{task} of adpfl-bench-models {model.version}", "Apache-2.0")
    assert "phantoms" in ancestor.trained_on
    assert first.started_from == "phantom"
    card = model.card.read_text()
    assert model.sha256 in card
    assert ancestor.cohort in card
    assert f"{sum(p.numel() for p in first.parameters()):,} parameters" in card
    assert "image, mask or record of a person went in" in card


def test_the_model_on_a_public_encoder_says_where_that_is_from() -> None:
    """It is of the network that configs/adapters.yaml trains, and needs no other package."""
    model, place = (
        starting_models()[f"models/{ENCODER}"],
        yaml.safe_load(find_config("configs/adapters.yaml").read_text()),
    )
    own = place["by_task"]["isic"]["model"]["init_args"]
    assert own["init_from"] == model.name
    arguments = {**place["model"]["init_args"], **own, "init_from": Path(own["init_from"])}
    first, stored = adpfl_bench.SkinLesionTask(**arguments), torch.load(model.weights, weights_only=True)
    for name, value in first.state_dict().items():
        assert torch.equal(value, stored["state_dict"][name])
    public, phantom = first.lineage.before
    assert (public.kind, public.licence, public.digest) == ("public", "Apache-2.0", LITE0.sha256)
    assert (phantom.kind, phantom.digest) == ("phantom", model.sha256)
    assert model.sha256 == file_sha256(model.weights)
    card = model.card.read_text()
    assert LITE0.name in card
    assert LITE0.trained_on in card
    assert "--config callbacks/adp_fl_private.yaml --config configs/adapters.yaml" in card


@pytest.mark.parametrize("task", TASKS)
def test_runs_see_what_the_model_was_trained_on(task: str) -> None:
    trained, started = block("pretrain", task), block("from_phantoms", task)
    assert started["model"]["init_args"]["network_arguments"] == trained["model"]["init_args"]["network_arguments"]
    for size in ("image_size", "patch_size", "spacing"):
        assert started["data"]["init_args"].get(size) == trained["data"]["init_args"].get(size)


def test_packages_have_one_version() -> None:
    index = json.loads((PACKAGE / "index.json").read_text())
    assert index["version"] == adpfl_bench.__version__
    assert f'__version__ = "{adpfl_bench.__version__}"' in (PACKAGE / "__init__.py").read_text()


def test_without_the_package_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKAGE", "no_such_package")
    assert starting_models() == {}
    with pytest.raises(CheckpointError, match=r"is models/isic, .* adpfl-bench-models, which is not installed"):
        adpfl_bench.SkinLesionTask(network_arguments=SMALL, init_from=Path("models/isic"))


def test_an_installed_package_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "site" / "elsewhere_models")
    monkeypatch.setattr(module, "_PACKAGE", "elsewhere_models")
    monkeypatch.syspath_prepend(tmp_path / "site")
    found = named_model(Path("models/isic"))
    assert found is not None
    assert found.weights == tmp_path / "site" / "elsewhere_models" / "isic.ckpt"


def test_a_file_that_is_not_the_published_one_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "changed_models")
    monkeypatch.setattr(module, "_PACKAGE", "changed_models")
    monkeypatch.syspath_prepend(tmp_path)
    with (tmp_path / "changed_models" / "isic.ckpt").open("ab") as file:
        file.write(b"\0")
    (tmp_path / "changed_models" / "kits.ckpt").unlink()
    for name in ("models/isic", "models/kits"):
        with pytest.raises(CheckpointError, match=rf"is {name}, but .* is not the file that was published"):
            named_model(Path(name))


def test_a_name_without_a_model_and_a_network_of_another_shape() -> None:
    listed = r"there is no model of that name; there are models/isic, models/isic_encoder, models/ham"
    with pytest.raises(CheckpointError, match=listed):
        named_model(Path("models/TASK"))
    for name, place in (("isic", "from_phantoms"), (ENCODER, "adapters")):
        with pytest.raises(CheckpointError, match=rf"configs/{place}\.yaml has its network\.$"):
            adpfl_bench.SkinLesionTask(network_arguments=SMALL, init_from=Path(f"models/{name}"))


def test_other_names_are_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "isic").write_bytes(b"mine")
    for name in ("models/isic", "models/isic.ckpt", "other/isic", "models/deeper/isic", "isic"):
        assert named_model(Path(name)) is None
