"""A trained model leaves as a MONAI bundle: MONAI alone makes the same masks, and the card says what it is."""

import hashlib
import json
import shutil
from pathlib import Path

import monai.bundle
import monai.networks.nets
import numpy as np
import pytest
import torch
from PIL import Image

from adpfl_bench.cli import main
from adpfl_bench.errors import ConfigError
from adpfl_bench.records.blocks import PrivacyBlock
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.running.bundled_network import inference_config
from adpfl_bench.running.model_card import OWN_MODELS, Exported, model_card
from adpfl_bench.running.picture_bundle import PictureNetwork
from adpfl_bench.tasks.networks import build_network, monai_definition
from tests.cli.conftest import Run
from tests.cli.plain_evaluator import run_bundle

NETWORK = PictureNetwork({"_target_": "UNet"}, (32, 32), ("lesion",))


def copy_pictures(run: Path, folder: Path, number: int) -> None:
    """Copy pictures of a run's cohort; one of them is made larger, so that its JPEG is decoded at a fraction."""
    config = json.loads((run / "run.json").read_text())["config"]
    cohort = next(Path(config["data"]["init_args"]["phantom_directory"]).glob("isic-*"))
    files = sorted(cohort.rglob("*.jpg"))[:number]
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    Image.open(files[0]).resize((400, 300)).save(folder / "large.jpg")
    Image.open(files[1]).convert("L").save(folder / "grey.PNG")


def test_monai_makes_the_masks_that_segment_makes(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run = Path("runs/isic/fedavg/seed0")
    assert adpfl_bench("fit", "--federated.rounds", "1") == 0
    assert main(["phantom", "isic", "--output", "other", "--cases", "4", "--image_size", "[48,64]"]) == 0
    assert main(["evaluate", str(run), "--cohort", "north=other"]) == 0
    capsys.readouterr()
    assert main(["export", str(run), "--output", "bundle", "--authors", "A. Uthor"]) == 0
    assert "privacy: not private; epsilon nominal none" in capsys.readouterr().out
    bundle, pictures = Path("bundle"), Path("pictures")

    copy_pictures(run, pictures, 4)
    run_bundle(bundle, pictures, Path("masks"))
    assert main(["segment", str(run), str(pictures), "--output", "out", "--cpu"]) == 0
    wanted = sorted(path.name for path in Path("out").glob("*.png"))
    assert sorted(path.name for path in Path("masks").iterdir()) == wanted
    assert len(wanted) == 6
    inside = 0
    for name in wanted:
        found, expected = np.array(Image.open(Path("masks") / name)), np.array(Image.open(Path("out") / name))
        assert found.shape == expected.shape
        assert found.dtype == np.uint8
        # Sums in another order may move what is 0 up to rounding.
        assert (found != expected).sum() <= 1
        inside += int((expected > 0).sum())
    assert inside > 100

    check_that_segment_takes(bundle, run, pictures, capsys)
    check_weights(bundle, run)
    check_metadata(bundle)
    card = (bundle / "docs/README.md").read_text()
    means = {row[0]: row[3] for row in cells(card) if row[1:2] == ["lesion"]}
    assert means["own test cases"] == f"{mean_dice(run):.4g}"
    assert means["north (phantom data)"] == f"{mean_dice(run / 'cohorts/north'):.4g}"
    assert "**Not private; epsilon nominal none" in card
    assert "has never seen a patient" in card
    assert hashlib.sha256((bundle / "models/model.pt").read_bytes()).hexdigest() in card

    check_card_of_a_private_run(run)

    assert main(["export", str(run), "--output", "bundle"]) == 1
    assert "bundle is not empty; choose another --output." in capsys.readouterr().err


def check_that_segment_takes(bundle: Path, run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By itself it gives the masks of its run, to the bit, and it may be in an ensemble."""
    assert main(["segment", str(bundle), str(pictures), "--output", "again", "--cpu"]) == 0
    alone = {path.name: path.read_bytes() for path in Path("out").glob("*.png")}
    assert alone == {path.name: path.read_bytes() for path in Path("again").glob("*.png")}
    words = (str(pictures), "--flips", "--cpu", "--output")
    assert main(["segment", str(run), "--ensemble", str(run), *words, "same"]) == 0
    assert main(["segment", str(bundle), "--ensemble", str(run), *words, "mixed"]) == 0
    for path in Path("same").glob("*.png"):
        assert (Path("mixed") / path.name).read_bytes() == path.read_bytes()
    models = json.loads(Path("mixed/segment.json").read_text())["models"]
    assert [(model.get("exported model"), model.get("run")) for model in models] == [("bundle", None), (None, str(run))]
    assert models[0]["weights"] == models[1]["weights"]

    capsys.readouterr()
    stated = (bundle / "configs/adpfl_bench.json").read_text()
    assert str(Path.cwd()) not in stated
    state = torch.load(bundle / "models/model.pt", weights_only=True)
    shutil.copytree(bundle, "changed")
    wrong = {
        "holds other weights than changed states": lambda: torch.save(
            {name: value + 1 for name, value in state.items()}, "changed/models/model.pt"
        ),
        "cannot be read as the model's weights": lambda: Path("changed/models/model.pt").write_bytes(b"none"),
        "cannot be read as the description of a model": lambda: Path("changed/configs/adpfl_bench.json").write_text(""),
        "it is no run, and no model of adpfl-bench export": Path("changed/configs/adpfl_bench.json").unlink,
    }
    for sentence, change in wrong.items():
        change()
        assert main(["segment", "changed", str(pictures), "--output", "none"]) == 1
        assert sentence in capsys.readouterr().err
    assert main(["segment", str(bundle), str(pictures), "--output", "none", "--client", "client-1"]) == 1
    assert "is an exported model, of no client's own; leave --client out" in capsys.readouterr().err
    assert not Path("none").exists()


def check_weights(bundle: Path, run: Path) -> None:
    """State dict and TorchScript are the run's network: the one that its last checkpoint holds."""
    state = torch.load(bundle / "models/model.pt", weights_only=True)
    last = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert {f"network.{name}" for name in state} == set(last)
    assert all(torch.equal(value, last[f"network.{name}"]) for name, value in state.items())
    definition = json.loads((bundle / "configs/inference.json").read_text())["network_def"]
    network = getattr(monai.networks.nets, definition.pop("_target_"))(**definition)
    network.load_state_dict(state)
    image = torch.rand(3, 3, 32, 32) * 4 - 2
    with torch.no_grad():
        assert torch.equal(torch.jit.load(bundle / "models/model.ts")(image), network.eval()(image))


def check_metadata(bundle: Path) -> None:
    """It states the network's input and output, which MONAI checks against the network."""
    files = {"config_file": str(bundle / "configs/inference.json"), "meta_file": str(bundle / "configs/metadata.json")}
    monai.bundle.verify_net_in_out(net_id="network_def", device="cpu", **files)
    metadata = json.loads(Path(files["meta_file"]).read_text())
    assert metadata["authors"] == "A. Uthor"
    assert metadata["network_data_format"]["outputs"]["pred"]["channel_def"] == {"0": "lesion"}
    assert metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] == [32, 32]
    assert all(metadata[key] for key in ("version", "changelog", "monai_version", "pytorch_version", "numpy_version"))
    assert metadata["description"].endswith("audited none (no audit beside this run).")


def cells(card: str) -> list[list[str]]:
    lines = (line for line in card.splitlines() if line.startswith("| "))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def mean_dice(folder: Path) -> float:
    lines = (folder / "cases.csv").read_text().splitlines()
    rows = [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    return float(np.mean([float(row["dice"]) for row in rows if row["split"] == "test"]))


def check_card_of_a_private_run(run: Path) -> None:
    """What is proved, for whom, and what came before, as a record states it."""
    accounted = {"epsilon": 3.25, "delta": 1e-5, "reason": None, "accountant": "zCDP", "by_client": {"client-1": 3.25}}
    before = {"run": "r1", "kind": "real", "cohort": "c1", "unit": "client", "epsilon": None, "reason": "no noise"}
    published = {"kind": "public", "name": "Net", "licence": "CC0", "trained_on": "birds", "digest": "ab"}
    published = {**before, **published, "run": "", "cohort": ""}
    stated = {
        "unit": "client",
        "adjacency": "zero-out",
        "mechanism": "GaussianMechanism",
        "clipping_norm": "l2",
        "threshold": "ConstantThreshold",
        "noise_multiplier": 1.5,
        "secure": False,
        "nominal_epsilon": 2.0,
        "accounted": {**accounted, "not_covered": [OWN_MODELS]},
        "lineage": [before, published],
    }
    record = RunDirectory(run).read_record().model_copy(update={"privacy": PrivacyBlock.model_validate(stated)})
    of_all = model_card(Exported(run, record, None, "0", {}, NETWORK))
    assert "**Unit client; epsilon nominal 2, accounted 3.25 at delta 1e-05" in of_all
    assert "noise comes from the seed, which protects from nobody who knows it, and this card states it.**" in of_all
    told: dict[str, str] = {row[0]: row[1] for row in cells(of_all) if len(row) == 2}
    assert told["Unit"] == "client: all training examples of one client"
    assert told["Epsilon, accounted"] == "3.25"
    assert told["By client"] == "client-1 3.25"
    assert told["Mechanism"] == "GaussianMechanism, noise multiplier 1.5"
    assert told["Trust"] == "no server: each client clips and noises what it sends"
    assert told["Not covered"] == OWN_MODELS
    assert told["Before it: run r1"] == "real data c1, unit client, epsilon none (no noise)"
    assert told["Before it: Net"] == "published weights, CC0; trained on birds; SHA-256 ab"
    pooled = record.model_copy(update={"federated": record.federated.model_copy(update={"pooled": True})})
    of_pooled = model_card(Exported(run, pooled, None, "0", {}, NETWORK))
    assert "| Trust | whoever trained it, since the data of all clients were pooled |" in of_pooled
    own = model_card(Exported(run, record, "client-1", "0", {}, NETWORK))
    assert "**None, since this is a client's own model, and epsilon is of what clients sent (unit client;" in own
    assert "of other weights than these" in of_all


def test_a_network_of_somebody_s_own_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"The network is torch\.nn\.Identity, which only your own code can build"):
        monai_definition("torch.nn.Identity", 2, 3, 1)


@pytest.mark.parametrize("name", ["AttentionUnet", "BasicUNet", "DynUNet", "SegResNet", "UNet"])
def test_definition_is_of_a_network_that_takes_the_weights_and_computes_the_same(name: str) -> None:
    arguments = {"channels": [4, 8], "strides": [2]} if name == "AttentionUnet" else {}
    trained = build_network(name, 2, 3, 2, arguments).eval()
    definition = json.loads(json.dumps(monai_definition(name, 2, 3, 2, arguments)))
    network = getattr(monai.networks.nets, definition.pop("_target_"))(**definition).eval()
    network.load_state_dict(trained.state_dict())
    assert not [layer for layer in network.modules() if type(layer).__module__.startswith("adpfl_bench")]
    image = torch.rand(1, 3, 32, 32) * 4 - 2
    with torch.no_grad():
        assert torch.allclose(trained(image), network(image), atol=1e-4)


def test_each_region_has_a_mask_of_the_picture_s_own_size(tmp_path: Path) -> None:
    """By hand, with two regions: logits to the picture's size, cut at 0."""
    network = PictureNetwork(monai_definition("UNet", 2, 3, 2), (16, 24), ("inner", "outer"))
    config = inference_config(network)
    assert "adpfl" not in json.dumps(config)
    for name in ("configs", "models", "pictures"):
        (tmp_path / name).mkdir()
    (tmp_path / "configs/inference.json").write_text(json.dumps(config))
    (tmp_path / "configs/metadata.json").write_text("{}")
    trained = build_network("UNet", 2, 3, 2).eval()
    torch.save(trained.state_dict(), tmp_path / "models/model.pt")
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "pictures/one.png")
    Image.fromarray(pixels).resize((50, 40), Image.Resampling.BICUBIC).save(tmp_path / "pictures/two.bmp")
    run_bundle(tmp_path, tmp_path / "pictures", tmp_path / "masks")
    assert len(list((tmp_path / "masks").iterdir())) == 4
    with torch.no_grad():
        logits = trained(torch.tensor(pixels).permute(2, 0, 1)[None].float() / 63.75 - 2)[0]
    for region, expected in zip(network.regions, logits.numpy(), strict=True):
        found = np.array(Image.open(tmp_path / f"masks/one_{region}.png"))
        sure = np.abs(expected) > 1e-4
        assert np.array_equal(found[sure], np.where(expected > 0, 255, 0)[sure])
        assert sure.mean() > 0.9
        assert Image.open(tmp_path / f"masks/two_{region}.png").size == (50, 40)
