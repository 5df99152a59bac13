"""A few test cases with their predictions, kept to be looked at."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.nn import functional

from adpfl_bench.files import replace_file
from adpfl_bench.results.run_directory import RunDirectory


class ExampleCases(Callback):
    """Keeps the first test cases of every client in ``examples.npz`` of the run's folder.

    The file holds the arrays ``case`` and ``client`` [N], ``image`` [N, C, H, W] (as the network sees it) and
    ``truth`` and ``prediction`` [N, R, H, W]. It shows patients' images: it stays with the run and is not published.

    Args:
        per_client: Number of cases kept of each client; 0 keeps none.
    """

    def __init__(self, per_client: int = 2) -> None:
        self.per_client = per_client
        self._kept: dict[str, list[dict[str, Any]]] = {}

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the examples of the evaluation before."""
        self._kept = {}

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a batch's first cases while its client still has room."""
        kept = self._kept.setdefault(batch["client"], [])
        for index in range(min(self.per_client - len(kept), len(batch["case"]))):
            image = batch["image"][index].float().cpu()
            grid = image.shape[1:]
            kept.append(
                {
                    "case": batch["case"][index],
                    "client": batch["client"],
                    "image": image.numpy(),
                    "truth": _on_grid(batch["label"][index].cpu(), grid),
                    "prediction": _on_grid(torch.from_numpy(outputs["masks"][index]), grid),
                }
            )

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write examples.npz."""
        examples = self.examples()
        if not examples:
            return
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {key: np.stack([e[key] for e in examples]) for key in examples[0]}
        np.savez_compressed(buffer, **arrays)
        replace_file(RunDirectory(Path(trainer.default_root_dir)).examples_file, buffer.getvalue())

    def examples(self) -> list[dict[str, Any]]:
        """The kept cases, client after client."""
        return [example for kept in self._kept.values() for example in kept]


def _on_grid(mask: torch.Tensor, grid: torch.Size) -> np.ndarray[Any, np.dtype[np.bool_]]:
    resized = functional.interpolate(mask[None].float(), size=grid, mode="nearest-exact")[0]
    array: np.ndarray[Any, np.dtype[np.bool_]] = resized.numpy() > 0.5
    return array
