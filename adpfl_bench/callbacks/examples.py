"""A few test cases with their predictions, kept to be looked at."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from numpy.typing import NDArray
from torch.nn import functional

from adpfl_bench.files import replace_file
from adpfl_bench.results.case_row import GLOBAL_MODEL
from adpfl_bench.results.run_directory import RunDirectory

Mask = NDArray[np.bool_]


class ExampleCases(Callback):
    """Keeps the first test cases of every client in ``examples.npz`` of the run's folder.

    The file holds the arrays ``case``, ``client`` and ``model`` [N], ``region`` [R], ``image`` [N, C, H, W] (as the
    network sees it) and ``truth`` and ``prediction`` [N, R, H, W]. A case that several models score is kept with the
    prediction of its own client's model; where there is none, of the first that scores it. Of a volume it holds the
    axial slice with most of the truth, added up over the regions, or the middle one if there is none, as radiologists
    look at it: the patient's front is up and the right side is left. Slices of several sizes are padded to the largest.
    It shows patients' images: it stays with the run and is not published.

    Args:
        per_client: Number of cases kept of each client; 0 keeps none.
    """

    def __init__(self, per_client: int = 2) -> None:
        self.per_client = per_client
        self._kept: dict[str, dict[str, dict[str, Any]]] = {}
        self._regions: list[str] = []

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the examples of the evaluation before."""
        self._kept = {}
        self._regions = list(getattr(pl_module, "regions", []))

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a batch's first cases while its client still has room, and what its own model predicts for them."""
        kept = self._kept.setdefault(batch["client"], {})
        model = batch.get("model", GLOBAL_MODEL)
        grids = batch.get("grid") or [None] * len(batch["case"])
        for index, case in enumerate(batch["case"]):
            wanted = model == batch["client"] if case in kept else len(kept) < self.per_client
            if not wanted:
                continue
            image = batch["image"][index].float().cpu()
            masks = (batch["label"][index].cpu(), torch.from_numpy(outputs["masks"][index]))
            truth, prediction = (_on_grid(mask, grids[index], image.shape[1:]) for mask in masks)
            pixels, truth, prediction = _plane(image.numpy(), truth, prediction)
            names = {"case": case, "client": batch["client"], "model": model}
            kept[case] = {**names, "image": pixels, "truth": truth, "prediction": prediction}

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write examples.npz."""
        examples = self.examples()
        if not examples:
            return
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {key: np.stack(_padded([e[key] for e in examples])) for key in examples[0]}
        arrays["region"] = np.array(self._regions)
        np.savez_compressed(buffer, **arrays)
        replace_file(RunDirectory(Path(trainer.default_root_dir)).examples_file, buffer.getvalue())

    def examples(self) -> list[dict[str, Any]]:
        """The kept cases, client after client."""
        return [example for kept in self._kept.values() for example in kept.values()]


def _on_grid(mask: torch.Tensor, grid: Any, shape: torch.Size) -> Mask:
    """Bring masks [R, *file] to the grid of the image."""
    if grid is not None:
        return np.asarray(grid.to_network(mask.numpy()), dtype=np.bool_)
    resized = functional.interpolate(mask[None].float(), size=shape, mode="nearest-exact")[0]
    return np.asarray(resized.numpy() > 0.5)


def _plane(image: NDArray[Any], truth: Mask, prediction: Mask) -> tuple[NDArray[Any], Mask, Mask]:
    """Of a volume [C, X, Y, Z] in RAS+ order the slice with most truth, [C, rows, columns]; pictures stay."""
    if image.ndim == 3:
        return image, truth, prediction
    index = int(truth.sum(axis=(0, 1, 2)).argmax()) if truth.any() else image.shape[3] // 2
    # Around a standardised brain everything is 0, which is its mean, and would be shown as grey.
    image = np.where((image == 0).all(axis=0), image.min(), image)
    image, truth, prediction = (
        np.ascontiguousarray(array[:, ::-1, ::-1, index].swapaxes(1, 2)) for array in (image, truth, prediction)
    )
    return image, truth, prediction


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
