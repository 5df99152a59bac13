"""Segmentation of new patients' images by trained models."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.components import without_small_components
from adpfl_bench.data.dicom_series import DicomCase
from adpfl_bench.data.new_cases import NewCases
from adpfl_bench.data.volumes.dicom_seg import SegmentingModel, require_highdicom, write_dicom_seg
from adpfl_bench.errors import ConfigError, DataError, RecordError
from adpfl_bench.files import append_to_file, replace_file
from adpfl_bench.processors import with_bar
from adpfl_bench.running.model_source import ModelSource
from adpfl_bench.running.trained_model import TrainedModel, open_model
from adpfl_bench.text import a_few, count, csv_text

_COLUMNS = ("case", "files", "outcome")


@dataclass(frozen=True)
class Segmentation:
    """What is to be segmented, by what, and how.

    Attributes:
        models: Folders of runs, or of exported models; the probabilities of several are averaged.
        files: Images, and folders that hold some.
        output: Folder for the masks.
        client: The client whose own models they are, of methods that train such.
        flips: Whether to average over the image and its mirror images along all axes.
        uncertainty: Whether to write the entropy of each region's probability too, in bits.
        smallest: Components of a region that are smaller are removed: in mm^3, or in pixels of pictures.
        on_cpu: Whether to leave a GPU alone.
        overwrite: Whether the output may hold files before.
        trust: Modules whose classes the runs' configurations may name beside those of the list.
        dicom_seg: Whether to write DICOM-SEG, too, of cases that are DICOM series.
    """

    models: Sequence[Path]
    files: Sequence[Path]
    output: Path
    client: str | None = None
    flips: bool = False
    uncertainty: bool = False
    smallest: float = 0.0
    on_cpu: bool = False
    overwrite: bool = False
    trust: Sequence[str] = ()
    dicom_seg: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether masks are those of ``predict``, whose logits are cut at 0."""
        return len(self.models) == 1 and not self.flips and not self.uncertainty


def segment_new(wanted: Segmentation) -> int:
    """Segment images one after the other; one that cannot be is told, and the others go on.

    ``segment.json`` in the output says what did it, and ``segmented.csv`` what became of each case.

    Returns:
        Number of cases that could not be segmented.

    Raises:
        BenchError: A run or folder cannot be used, or there is no image.
    """
    output = wanted.output
    _check_output(output, wanted.overwrite, wanted.files)
    if wanted.dicom_seg:
        require_highdicom()
    sources = [ModelSource.find(folder, wanted.client) for folder in wanted.models]
    with tempfile.TemporaryDirectory() as scratch:
        models = [open_model(source, Path(scratch), wanted.on_cpu, wanted.trust) for source in sources]
    found = _find(models, sources, wanted.files)
    maker = _describe(models, sources)
    if wanted.dicom_seg:
        _check_all_dicom(found)
    _begin(wanted, sources, models)
    for problem in found.problems:
        _note(output, problem.case, [problem.path], f"not segmented: {problem.problem}")
        print(f"not segmented: {problem}")
    if found.ignored:
        print(f"{count(found.ignored, 'file')} passed over, as no image: {a_few([str(p) for p in found.ignored])}")

    def one(case: Case) -> str | None:
        try:
            segment_case(models, case, wanted, maker if wanted.dicom_seg else None)
        except DataError as error:
            return str(error)
        return None

    failed = len(found.problems)
    for case in with_bar(found.cases, len(found.cases), "segmenting"):
        reason = one(case)
        _note(output, case.case_id, case.images, "segmented" if reason is None else f"not segmented: {reason}")
        if reason is not None:
            failed += 1
            print(f"not segmented: {case.case_id}: {reason}")
    done = len(found.cases) + len(found.problems) - failed
    print(f"{count(done, 'case')} segmented, {failed:,} not; masks are in {output}")
    return failed


def _find(models: Sequence[TrainedModel], sources: Sequence[ModelSource], files: Sequence[Path]) -> NewCases:
    """Find the cases, which all models must take alike."""
    first, *others = models
    found: NewCases = first.datamodule.find_new(files, sources[0].release)
    for made, source in zip(others, sources[1:], strict=True):
        if (made.model.predicted, made.model.spatial_dims) != (first.model.predicted, first.model.spatial_dims):
            raise ConfigError(
                f"The models segment different regions: {', '.join(first.model.predicted)} ({sources[0].method}) and"
                f" {', '.join(made.model.predicted)} ({source.method}); an ensemble is of one task."
            )
        if made.datamodule.find_new(files, source.release) != found:
            raise ConfigError(
                f"The models take other files: {sources[0].task} and {source.task}; an ensemble is of one task."
            )
    return found


def _describe(models: Sequence[TrainedModel], sources: Sequence[ModelSource]) -> SegmentingModel:
    """Say which models they are, for a DICOM-SEG."""
    methods = " + ".join(dict.fromkeys(source.method for source in sources))
    return SegmentingModel(
        f"adpfl-bench {methods}", tuple(made.weights for made in models), {"task": str(sources[0].task)}
    )


def _check_all_dicom(found: NewCases) -> None:
    other = next((case for case in found.cases if not isinstance(case, DicomCase)), None)
    if other is not None:
        raise ConfigError(
            f"--dicom_seg is for DICOM series, which a DICOM-SEG refers to, but {other.images[0]} is none; leave it"
            " out, or give series only."
        )


def segment_case(
    models: Sequence[TrainedModel], case: Case, wanted: Segmentation, maker: SegmentingModel | None = None
) -> None:
    """Read, segment and write one case.

    Args:
        models: The models, of one task.
        case: One that they found.
        wanted: What is to be written, and where to.
        maker: What the models are, for a DICOM-SEG.

    Raises:
        DataError: The case cannot be read.
        RecordError: Its masks cannot be written.
    """
    task, data = models[0].model, models[0].datamodule
    brought = data.new_case(case)
    if wanted.is_plain:
        masks = models[0].masks(brought)
    else:
        total = models[0].probabilities(brought, wanted.flips)
        for made in models[1:]:
            same = (type(made.datamodule), made.datamodule.network_input) == (type(data), data.network_input)
            total = total + made.probabilities(brought if same else made.datamodule.new_case(case), wanted.flips)
        mean = total / len(models)
        masks = mean > 0.5
    voxel = float(np.prod(brought.spacing)) if brought.spacing else 1.0
    masks = np.stack([without_small_components(mask, wanted.smallest, voxel) for mask in masks])
    try:
        data.write_prediction(wanted.output, case.case_id, masks, task.predicted, brought.grid)
        if maker is not None and isinstance(case, DicomCase):
            path = wanted.output / f"{case.case_id}_seg.dcm"
            write_dicom_seg(path, case, data.label_map(masks), data.release, maker)
        if wanted.uncertainty:
            for region, probability in zip(task.predicted, mean, strict=True):
                path = wanted.output / f"{case.case_id}_{region}_uncertainty"
                _write_map(path, entropy(probability), brought.grid)
    except OSError as error:
        raise RecordError(f"The masks of {case.case_id} could not be written: {error}.") from error


def entropy(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Entropy in bits of a yes or no of this probability: 0 where it is certain, 1 at a half."""
    inside = np.clip(probability.astype(np.float64), 1e-12, 1 - 1e-12)
    bits = -(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside))
    return np.asarray(bits, dtype=np.float32)


def _write_map(path: Path, values: NDArray[np.float32], grid: CaseGrid | None) -> None:
    """Values in [0, 1], as a NIfTI file, or as a PNG of 0 to 255."""
    if grid is None:
        Image.fromarray(np.round(values * 255).astype(np.uint8)).save(path.with_name(f"{path.name}.png"))
    else:
        image = nib.Nifti1Image(values, grid.affine)
        image.header.set_xyzt_units("mm")
        nib.save(image, path.with_name(f"{path.name}.nii.gz"))


def _check_output(output: Path, overwrite: bool, files: Sequence[Path]) -> None:
    inside = [path for path in files if path.is_dir() and output.resolve().is_relative_to(path.resolve())]
    if inside:
        raise ConfigError(
            f"The masks would be in {output}, within {inside[0]}, all of whose images are segmented, so that masks"
            " would be taken for images; choose an --output beside it."
        )
    if output.exists() and not output.is_dir():
        raise DataError(f"{output} is no folder; choose another --output.")
    if not overwrite and output.is_dir() and any(output.iterdir()):
        raise DataError(f"{output} is not empty; choose another --output, or add --overwrite.")


def _begin(wanted: Segmentation, sources: Sequence[ModelSource], models: Sequence[TrainedModel]) -> None:
    """Make the output's folder, and say what will be in it."""
    content = {
        "models": [
            {
                source.kind: str(source.folder),
                "task": source.task,
                "method": source.method,
                "seed": source.seed,
                "client": source.client,
                "weights": made.weights,
            }
            for source, made in zip(sources, models, strict=True)
        ],
        "flips": wanted.flips,
        "uncertainty": wanted.uncertainty,
        "smallest_component": wanted.smallest,
        "device": str(models[0].trainer.strategy.root_device),
    }
    try:
        wanted.output.mkdir(parents=True, exist_ok=True)
        replace_file(wanted.output / "segment.json", json.dumps(content, indent=2).encode() + b"\n")
        replace_file(wanted.output / "segmented.csv", csv_text([_COLUMNS]).encode())
    except OSError as error:
        raise RecordError(f"{wanted.output} could not be written: {error}; choose another --output.") from error


def _note(output: Path, case: str, files: Sequence[Path], outcome: str) -> None:
    row = (case, "; ".join(map(str, files)), " ".join(outcome.split()))
    append_to_file(output / "segmented.csv", csv_text([row]).encode())
