"""Export of a run's model as a MONAI bundle."""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

import adpfl_bench
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.images.image_datamodule import ImageDataModule
from adpfl_bench.data.volumes.reader import NiftiReader
from adpfl_bench.data.volumes.volume_datamodule import VolumeDataModule
from adpfl_bench.errors import ConfigError, DataError, RecordError
from adpfl_bench.files import atomic_folder
from adpfl_bench.privacy.noise_key import state_digest
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.running.bundle_check import check_bundle
from adpfl_bench.running.bundled_network import BundledNetwork, bundle_metadata, inference_config
from adpfl_bench.running.model_card import Exported, model_card
from adpfl_bench.running.model_source import ExportedModel, ModelSource, check_client, description_of, weights_of
from adpfl_bench.running.picture_bundle import PictureNetwork
from adpfl_bench.running.trained_model import TrainedModel, open_model
from adpfl_bench.running.volume_bundle import VolumeNetwork
from adpfl_bench.tasks.networks import monai_definition
from adpfl_bench.tasks.segmentation import SegmentationTask

_OF_TRAINING = ("optimizer", "lr_scheduler", "init_from", "frozen")
"""Arguments of a task that nothing but its training asks for."""

_CLOSE = 1e-3
"""Largest difference of logits that another order of sums may make."""


@dataclass(frozen=True)
class Export:
    """What is to be exported, and where to.

    Attributes:
        run: Folder of the run.
        output: Folder of the bundle, empty or not there.
        client: The client whose own model it is, of methods that train such.
        authors: Who made the model.
        copyright: Who holds the rights.
        trust: Modules whose classes the run's configuration may name beside those of the list.
    """

    run: Path
    output: Path
    client: str | None = None
    authors: str = "not stated"
    copyright: str = "not stated"
    trust: Sequence[str] = ()


def export_run(wanted: Export) -> None:
    """Write a model as a bundle, whole or not at all.

    Raises:
        BenchError: The run cannot be used, its model is one that MONAI alone does not compute, or the output cannot be
            written.
    """
    output = wanted.output
    if output.exists() and not output.is_dir():
        raise DataError(f"{output} is no folder; choose another --output.")
    if output.is_dir() and any(output.iterdir()):
        raise DataError(f"{output} is not empty; choose another --output.")
    record = RunDirectory(wanted.run).read_record()
    if record.privacy.audited is not None:
        raise ConfigError(f"{wanted.run} is an audit, whose model is no result; export a run of fit.")
    check_client(wanted.run, record, wanted.client)
    with tempfile.TemporaryDirectory() as scratch:
        made = open_model(ModelSource.of_run(wanted.run, record, wanted.client), Path(scratch), True, wanted.trust)
        network = _network_of(made, record)
    try:
        with atomic_folder(output) as partial:
            model = _write(partial, made, network, record, wanted)
    except OSError as error:
        raise RecordError(f"{output} could not be written: {error}; choose another --output.") from error
    print(f"exported {model.title} to {output}\nprivacy: {model.privacy}")


def _network_of(made: TrainedModel, record: RunRecord) -> BundledNetwork:
    """Describe the network, of a task and a datamodule that do what the bundle will do.

    Raises:
        ConfigError: What of them the bundle has no words for.
    """
    task, data = made.model, made.datamodule
    own = [
        f"{type(task).__name__}.{name}"
        for name in ("predict_step", "predict_regions", "masks_of", "_logits", "_resized")
        if getattr(type(task), name) is not getattr(SegmentationTask, name)
    ]
    if own:
        raise ConfigError(
            f"{' and '.join(own)} is code of your own, which a bundle cannot hold; export a task without it."
        )
    if state_digest(task.state_dict()) != made.weights:
        raise ConfigError(
            f"trainer.precision is {record.config['trainer']['precision']}, which holds weights in other numbers than"
            " were trained; a bundle computes in 32-bit floats."
        )
    if {f"network.{name}" for name in task.network.state_dict()} != set(task.state_dict()):
        raise ConfigError(f"{type(task).__name__} has weights beside its network's, which a bundle has no place for.")
    settings = record.config["model"].get("init_args") or {}
    name = settings.get("network", "UNet")
    arguments = settings.get("network_arguments")
    definition = monai_definition(name, task.spatial_dims, task.in_channels, len(task.predicted), arguments)
    regions = tuple(task.predicted)
    if isinstance(data, ImageDataModule):
        colours = ("red", "green", "blue") if data.reader.channels == 3 else ("grey",)
        if data.reader.channels not in (1, 3):
            raise ConfigError(
                f"{type(data).__name__} brings {data.reader.channels} channels, each a file of its own, which a bundle"
                " has no words for; models of colour or grey pictures can be exported."
            )
        return PictureNetwork(definition, data.image_size, regions, colours)
    if isinstance(data, VolumeDataModule):
        release = data.new_release(record.data.release)
        if not isinstance(release.reader, NiftiReader):
            raise ConfigError(
                f"{release.name} is of slices that state no place in the patient, but MONAI reads volumes as NIfTI;"
                " segment its slices with adpfl-bench segment, or export a model of pictures."
            )
        values = {cls: value for value, cls in release.labels.items()}
        painting = tuple(values[cls] for _, cls in data.check_scheme(task.scheme).painting)
        return VolumeNetwork(definition, data.patch_size, regions, release, data.how, data.window, painting)
    raise ConfigError(
        f"{type(data).__name__} brings neither pictures nor volumes as this suite prepares them, so that a bundle"
        " cannot state how."
    )


def _write(folder: Path, made: TrainedModel, network: BundledNetwork, record: RunRecord, wanted: Export) -> Exported:
    for name in ("configs", "models", "docs"):
        (folder / name).mkdir()
    config = inference_config(network)
    _write_json(folder / "configs" / "inference.json", config)
    torch.save({name: value.cpu() for name, value in made.model.network.state_dict().items()}, weights_of(folder))
    rebuilt = _rebuilt(folder, config)
    generator = torch.Generator().manual_seed(0)
    channels = len(network.channels)
    images = [torch.rand(number, channels, *network.size, generator=generator) * 4 - 2 for number in (1, 2)]
    called = str(network.definition["_target_"])
    _check_same(made.model.network, rebuilt, images, called)
    check_bundle(config, network, made, record.data.release)
    _write_script(folder / "models" / "model.ts", rebuilt, images)
    described = _described(made, record, wanted.client).model_dump_json(indent=4) + "\n"
    description_of(folder).write_text(described, encoding="utf-8")
    files = ("models/model.pt", "models/model.ts", "configs/inference.json", "configs/adpfl_bench.json")
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}
    model = Exported(wanted.run, record, wanted.client, made.weights, digests, network)
    stated = {
        "name": model.title,
        "task": f"Segmentation of {', '.join(network.regions)}",
        "description": f"{called} trained by {record.method} in a federation. Privacy: {model.privacy}.",
        "made": f"exported by adpfl-bench {adpfl_bench.__version__} from run {record.run or 'without an id'}",
        "authors": wanted.authors,
        "copyright": wanted.copyright,
        "data_source": model.source,
        "intended_use": model.use,
    }
    _write_json(folder / "configs" / "metadata.json", bundle_metadata(network, stated))
    (folder / "docs" / "README.md").write_text(model_card(model), encoding="utf-8")
    return model


def _described(made: TrainedModel, record: RunRecord, client: str | None) -> ExportedModel:
    """What makes the model again, without anything of the data and the training that it does not need."""
    data: FederatedDataModule = made.datamodule
    model, settings = record.config["model"], record.config["data"].get("init_args") or {}
    arguments = {key: value for key, value in (model.get("init_args") or {}).items() if key not in _OF_TRAINING}
    read = {name: settings[name] for name in (*data.network_input, *data.described_by) if name in settings}
    config = {
        "task": record.task,
        "method": record.method,
        "trainer": {"precision": record.config["trainer"]["precision"]},
        "model": {"class_path": model["class_path"], "init_args": arguments},
        "data": {"class_path": record.config["data"]["class_path"], "init_args": {"root": ".", **read}},
    }
    return ExportedModel(
        task=record.task,
        method=record.method,
        seed=record.seed,
        client=client,
        release=record.data.release,
        weights=made.weights,
        config=config,
    )


def _rebuilt(folder: Path, config: dict[str, Any]) -> nn.Module:
    """The network as MONAI builds it from the bundle's files."""
    network: nn.Module = ConfigParser(dict(config)).get_parsed_content("network_def")
    state = torch.load(weights_of(folder), map_location="cpu", weights_only=True)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ConfigError(
            f"The network of the run is not the {config['network_def']['_target_']} that its configuration names:"
            f" {str(error).splitlines()[-1].strip()} A bundle holds a network of MONAI's as it is."
        ) from error
    return network.eval()


def _check_same(trained: nn.Module, rebuilt: nn.Module, images: Sequence[Tensor], called: str) -> None:
    with torch.inference_mode():
        furthest = max(float((trained(image) - rebuilt(image)).abs().max()) for image in images)
    if not furthest <= _CLOSE:
        raise ConfigError(
            f"MONAI's {called} computes other values with the run's weights: logits differ by"
            f" up to {furthest:.3g}. A bundle holds a network of MONAI's as it is."
        )


def _write_script(path: Path, network: nn.Module, images: Sequence[Tensor]) -> None:
    """Write the network as TorchScript, and check that it gives the same logits, of several images too."""
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit, which MONAI's bundles are made of
        warnings.simplefilter("ignore", TracerWarning)  # what is traced is compared below
        torch.jit.save(torch.jit.trace(network, images[0]), path)  # type: ignore[no-untyped-call]
        again = torch.jit.load(path)  # type: ignore[no-untyped-call]
        for image in images:
            if not torch.equal(again(image), network(image)):
                raise ConfigError("The network gives other logits as TorchScript; it may choose its way by the image.")


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
