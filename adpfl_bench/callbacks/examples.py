"""Kept test cases: a few images with truth and prediction, for pictures."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from numpy.typing import NDArray
from torch.nn import functional

from adpfl_bench.callbacks.case_pool import CasePool
from adpfl_bench.callbacks.lookup import need_task
from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.evaluation.evaluation_batch import SPARE, EvaluationBatch
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.metrics.functional.overlap import dice
from adpfl_bench.peers import peers
from adpfl_bench.records.run_directory import RunDirectory

Mask = NDArray[np.bool_]

_AXES = {"picture": (0, 1), "axial": (1, 0), "coronal": (2, 0), "sagittal": (2, 1)}
"""By plane, the image's axes along its rows and columns: x to the patient's right, y to the front, z to the head."""


class KeptExample(NamedTuple):
    """A test case that is kept: its id, client and model, image [C, H, W], truth and prediction [R, H, W]."""

    case: str
    client: str
    model: str
    image: NDArray[Any]
    truth: Mask
    prediction: Mask


class ExampleCases(Callback):
    """The first test cases of every client, kept in ``examples.npz`` of the run's folder.

    The file holds the arrays ``case``, ``client`` and ``model`` [N], ``region`` [R], ``image`` [N, C, H, W] (as the
    network sees it) and ``truth`` and ``prediction`` [N, R, H, W]. A case that several models score is kept with the
    prediction of its own client's model; where there is none, of the first that scores it. Of a volume it holds the
    axial slice with most of the truth, added up over the regions, or the middle one if there is none, as radiologists
    look at it: the patient's front is up and the right side is left. Slices of several sizes are padded to the largest.
    It shows patients' images: it stays with the run and is not published.

    For a look at what the scores mean, it also holds the cases with the best, about the median and the worst Dice (the
    mean over regions) of those that have something to find. They are scored by their own clients' models where there
    are such, else by the global one. The arrays are ``chosen`` [K] (``best``, ``median``, ``worst``), ``chosen_case``,
    ``chosen_client``, ``chosen_model`` and ``chosen_dice``; ``chosen_of``, the number of cases they were chosen from;
    and for each an image of 8 bits ``best_axial_image`` [1 or 3, H, W], ``best_axial_truth`` and
    ``best_axial_prediction`` [R, H, W], and the edges of its pixels, ``best_axial_spacing`` [2]. Of volumes there are
    three orthogonal planes, ``axial``, ``coronal`` and ``sagittal``, each the one with most of the truth; a picture is
    called ``picture``.

    Args:
        per_client: Number of cases kept of each client; 0 keeps none at all.

    Raises:
        ConfigError: The number is negative.
    """

    def __init__(self, per_client: int = 2) -> None:
        if per_client < 0:
            raise ConfigError(f"examples.per_client must be at least 0, which keeps none, but it is {per_client}.")
        self.per_client = per_client
        self._kept: dict[str, dict[str, KeptExample]] = {}
        self._places: dict[str, tuple[int, int]] = {}
        self._pools: dict[str, CasePool] = {}
        self._regions: list[str] = []

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the examples of the evaluation before."""
        self._kept, self._places = {}, {}
        self._pools = {"global": CasePool(), "own": CasePool()}
        self._regions = list(need_task(pl_module).regions)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: EvaluationBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a batch's first cases while its client still has room, and what its own model predicts for them."""
        if self.per_client == 0 or outputs is None or batch.place == SPARE:
            return
        kept = self._kept.setdefault(batch.client, {})
        model = batch.model
        for index, case in enumerate(batch.cases):
            self._offer(batch, index, outputs[index])
            wanted = model == batch.client if case in kept else len(kept) < self.per_client
            if wanted:
                planes = _planes(*_on_network_grid(batch, index, outputs[index]))
                pixels, truth, prediction = next(iter(planes.values()))
                kept[case] = KeptExample(case, batch.client, model, pixels, truth, prediction)
                self._places.setdefault(case, (batch.place, index))

    def _offer(self, batch: EvaluationBatch, index: int, masks: Mask) -> None:
        """Let a case be among the best, median and worst, if its client's own model or the global one scored it."""
        model = batch.model
        if model not in (GLOBAL_MODEL, batch.client):
            return
        label = batch.labels[index].cpu().numpy().astype(bool)
        if not label.any():
            return
        score = float(np.mean([dice(predicted, true) for predicted, true in zip(masks, label, strict=True)]))

        def draw() -> bytes:
            arrays: dict[str, Any] = {"case": batch.cases[index], "client": batch.client, "model": model}
            arrays["dice"] = score
            spacing = _network_spacing(batch, index)
            for name, (image, truth, prediction) in _planes(*_on_network_grid(batch, index, masks)).items():
                arrays |= {
                    f"{name}_image": _eight_bits(image),
                    f"{name}_truth": truth,
                    f"{name}_prediction": prediction,
                }
                arrays[f"{name}_spacing"] = np.array([spacing[axis] for axis in _AXES[name]])
            buffer = io.BytesIO()
            np.savez_compressed(buffer, **arrays)
            return buffer.getvalue()

        self._pools["global" if model == GLOBAL_MODEL else "own"].offer(batch.cases[index], score, draw)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring together what the processes of the run have kept, before others look at it."""
        self._exchange()

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write examples.npz.

        Raises:
            RecordError: It could not be written.
        """
        examples = self.examples()
        if not examples or not peers().first:
            return
        buffer = io.BytesIO()
        columns = zip(KeptExample._fields, zip(*examples, strict=True), strict=True)
        arrays: dict[str, Any] = {name: np.stack(_padded(list(values))) for name, values in columns}
        arrays["region"] = np.array(self._regions)
        arrays |= self._chosen()
        np.savez_compressed(buffer, **arrays)
        RunDirectory(Path(trainer.default_root_dir)).write_examples(buffer.getvalue())

    def _exchange(self) -> None:
        """Keep what one process would have kept: every process has seen some cases, and by all of their models."""
        if peers().count == 1:
            return
        kept: dict[str, dict[str, KeptExample]] = {}
        for places, own, pools in peers().gather((self._places, self._kept, self._pools)):
            self._places |= places
            for client, examples in own.items():
                kept.setdefault(client, {}).update(examples)
            for name, pool in pools.items():
                self._pools[name].join(pool)
        ordered = sorted(kept, key=lambda client: min((self._places[case] for case in kept[client]), default=(0, 0)))
        self._kept = {client: self._first_of(kept[client]) for client in ordered}

    def _first_of(self, kept: dict[str, KeptExample]) -> dict[str, KeptExample]:
        return {case: kept[case] for case in sorted(kept, key=self._places.__getitem__)[: self.per_client]}

    def examples(self) -> list[KeptExample]:
        """Return the kept cases, client after client."""
        return [example for kept in self._kept.values() for example in kept.values()]

    def _chosen(self) -> dict[str, Any]:
        """The arrays of the best, median and worst case; none where no case was scored by one of their models."""
        pool = self._pools["own"] if self._pools["own"].scores else self._pools["global"]
        arrays: dict[str, Any] = {}
        names: dict[str, list[Any]] = {"case": [], "client": [], "model": [], "dice": []}
        chosen = pool.chosen()
        for which, content in chosen.items():
            with np.load(io.BytesIO(content)) as file:
                arrays |= {f"{which}_{name}": file[name] for name in file if name not in names}
                for name, values in names.items():
                    values.append(file[name][()])
        if chosen:
            arrays |= {f"chosen_{name}": np.array(values) for name, values in names.items()}
            arrays |= {"chosen": np.array(list(chosen)), "chosen_of": np.array(len(pool.scores))}
        return arrays


def _on_network_grid(batch: EvaluationBatch, index: int, masks: Mask) -> tuple[NDArray[Any], Mask, Mask]:
    """Image, truth and prediction of a batch's case, all on the grid of the image."""
    image = batch.image[index].float().cpu()
    grid = batch.grids[index]
    both = (batch.labels[index].cpu(), torch.from_numpy(masks))
    truth, prediction = (_on_grid(mask, grid, image.shape[1:]) for mask in both)
    return image.numpy(), truth, prediction


def _network_spacing(batch: EvaluationBatch, index: int) -> tuple[float, ...]:
    """Edges of the image's pixels or voxels along its axes; equal ones where none are stated."""
    grid = batch.grids[index]
    if grid is not None:
        return tuple(grid.network_spacing)
    stated = batch.spacings[index]
    return tuple(stated) if stated is not None else (1.0,) * (batch.image[index].ndim - 1)


def _on_grid(mask: torch.Tensor, grid: CaseGrid | None, shape: torch.Size) -> Mask:
    """Bring masks [R, *file] to the grid of the image."""
    if grid is not None:
        return np.asarray(grid.to_network(mask.numpy()), dtype=np.bool_)
    resized = functional.interpolate(mask[None].float(), size=shape, mode="nearest-exact")[0]
    return np.asarray(resized.numpy() > 0.5)


def _planes(image: NDArray[Any], truth: Mask, prediction: Mask) -> dict[str, tuple[NDArray[Any], Mask, Mask]]:
    """Of a volume [C, X, Y, Z] in RAS+ order the three planes with most truth, [C, rows, columns]; pictures stay."""
    if image.ndim == 3:
        return {"picture": (image, truth, prediction)}
    # Around a standardised brain everything is 0, which is its mean, and would be shown as grey.
    image = np.where((image == 0).all(axis=0), image.min(), image)
    planes = {}
    for name in ("axial", "coronal", "sagittal"):
        rows, columns = _AXES[name]
        (axis,) = {0, 1, 2} - {rows, columns}
        within = truth.sum(axis=(0, 1 + rows, 1 + columns))
        index = int(within.argmax()) if truth.any() else image.shape[1 + axis] // 2
        arrays = (np.moveaxis(array, 1 + axis, 1)[:, index] for array in (image, truth, prediction))
        # What is left has the columns' axis before the rows', and both run against the way in which they are shown.
        cut, cut_truth, cut_prediction = (np.ascontiguousarray(array[:, ::-1, ::-1].swapaxes(1, 2)) for array in arrays)
        planes[name] = (cut, cut_truth, cut_prediction)
    return planes


def _eight_bits(image: NDArray[Any]) -> NDArray[np.uint8]:
    """An image to look at, [1 or 3, H, W]: colours, or of other channels the last, which is FLAIR in brain MRI."""
    shown = image if len(image) == 3 else image[-1:]
    low, high = np.percentile(shown, (0.5, 99.5))
    scaled = np.clip((shown - low) / max(float(high - low), 1e-6), 0, 1)
    return np.asarray((255 * scaled).round(), dtype=np.uint8)


def _padded(arrays: list[Any]) -> list[Any]:
    """Pad pictures [C, H, W] around their middle to a common size, images with the darkest value, masks with False."""
    shapes = {np.shape(array) for array in arrays}
    if len(shapes) == 1:
        return arrays
    height, width = (max(shape[axis] for shape in shapes) for axis in (1, 2))
    padded = []
    for array in arrays:
        rows, columns = height - array.shape[1], width - array.shape[2]
        around = [(0, 0), (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)]
        padded.append(np.pad(array, around, constant_values=array.min() if array.dtype != np.bool_ else False))
    return padded
