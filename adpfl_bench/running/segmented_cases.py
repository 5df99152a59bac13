"""Segmentation of cases one after the other: the next is read, and the one before written, while a model is at work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.components import without_small_components
from adpfl_bench.data.dicom_series import DicomCase
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase
from adpfl_bench.data.volumes.dicom_seg import SegmentingModel, write_dicom_seg
from adpfl_bench.errors import DataError, RecordError
from adpfl_bench.running.trained_model import TrainedModel

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


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


@dataclass(frozen=True)
class Segmented:
    """What models made of a case, on the grid of its file.

    Attributes:
        case: The case.
        grid: The way back to its file; ``None`` of pictures.
        voxel: Volume of a voxel in mm^3; 1 of pictures.
        masks: The predicted regions, [P, *grid].
        probabilities: What they were cut from, [P, *grid]; ``None`` where logits were cut.
    """

    case: Case
    grid: CaseGrid | None
    voxel: float
    masks: NDArray[np.bool_]
    probabilities: NDArray[np.float32] | None = None


def segment_cases(
    models: Sequence[TrainedModel],
    cases: Iterable[Case],
    wanted: Segmentation,
    tell: Callable[[Case, str | None], None],
    maker: SegmentingModel | None = None,
) -> None:
    """Read, segment and write cases, three of which are in memory at a time.

    What was segmented is written and told even where an error or a stop ends the rest.

    Args:
        models: The models, of one task.
        cases: What they found.
        wanted: What is to be written, and where to.
        tell: Takes each case in turn, with the reason why it could not be segmented; another thread calls it.
        maker: What the models are, for a DICOM-SEG.

    Raises:
        RecordError: Masks cannot be written.
    """
    task, data = models[0].model, models[0].datamodule

    def bring(case: Case) -> tuple[Case, EvaluationCase | DataError]:
        try:
            return case, data.new_case(case)
        except DataError as error:
            return case, error

    def finish(case: Case, made: Segmented | DataError) -> None:
        if not isinstance(made, DataError):
            _write(made, task.predicted, data, wanted, maker)
        tell(case, str(made) if isinstance(made, DataError) else None)

    written: Future[None] | None = None
    with ThreadPoolExecutor(1, "writing") as behind:  # which ends when all is written
        for case, brought in _read_ahead(bring, cases):
            made: Segmented | DataError
            try:
                made = brought if isinstance(brought, DataError) else _segment(models, case, brought, wanted)
            except DataError as error:  # of a model that reads the case in its own way
                made = error
            if written is not None:
                written.result()
            written = behind.submit(partial(finish, case, made))
        if written is not None:
            written.result()


def _read_ahead(read: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Yield what is read of each item, in their order, while a thread reads the next one."""
    waiting: Future[_Result] | None = None
    with ThreadPoolExecutor(1, "reading") as ahead:
        for item in items:
            following = ahead.submit(read, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


def _segment(models: Sequence[TrainedModel], case: Case, brought: EvaluationCase, wanted: Segmentation) -> Segmented:
    voxel = float(np.prod(brought.spacing)) if brought.spacing else 1.0
    if wanted.is_plain:
        return Segmented(case, brought.grid, voxel, models[0].masks(brought))
    data = models[0].datamodule
    total = models[0].probabilities(brought, wanted.flips)
    for made in models[1:]:
        same = (type(made.datamodule), made.datamodule.network_input) == (type(data), data.network_input)
        total = total + made.probabilities(brought if same else made.datamodule.new_case(case), wanted.flips)
    mean = total / np.float32(len(models))
    return Segmented(case, brought.grid, voxel, mean > 0.5, mean)


def _write(
    made: Segmented,
    regions: Sequence[str],
    data: Any,
    wanted: Segmentation,
    maker: SegmentingModel | None,
) -> None:
    name, case, output = made.case.case_id, made.case, wanted.output
    masks = np.stack([without_small_components(mask, wanted.smallest, made.voxel) for mask in made.masks])
    try:
        data.write_prediction(output, name, masks, regions, made.grid)
        if maker is not None and isinstance(case, DicomCase):
            write_dicom_seg(output / f"{name}_seg.dcm", case, data.label_map(masks), data.release, maker)
        if wanted.uncertainty:
            assert made.probabilities is not None
            for region, probability in zip(regions, made.probabilities, strict=True):
                _write_map(output / f"{name}_{region}_uncertainty", entropy(probability), made.grid)
    except OSError as error:
        raise RecordError(f"The masks of {name} could not be written: {error}.") from error


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
