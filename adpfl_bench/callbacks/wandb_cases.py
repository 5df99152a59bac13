"""Tables of cases and pictures of examples for Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from adpfl_bench.callbacks.examples import ExampleCases
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.lookup import find_callback
from adpfl_bench.results.case_row import CaseRow
from adpfl_bench.results.case_score import mean_dice
from adpfl_bench.results.headline import headline_of, headline_rows, held_out_of
from adpfl_bench.tasks.segmentation import SegmentationTask


class WandbCases(Callback):
    """Logs the scored test cases as a table and the examples as images with masks, if W&B is among the loggers.

    The summary's ``test/dice`` and ``test/n_missed`` are of the models that tables judge the run by. Where these are
    the clients' own and the global model was scored too, its Dice is ``test/dice_global``.
    """

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log table, images and the mean scores."""
        loggers = [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]
        if not loggers or not isinstance(pl_module, SegmentationTask):
            return
        import wandb  # deferred: most runs do without it

        columns = [field.name for field in fields(CaseRow)]
        keeper = find_callback(trainer, ExampleCases)
        images = [_image(wandb, example, pl_module) for example in (keeper.examples() if keeper else [])]
        rows = pl_module.rows
        loop = find_callback(trainer, FederatedLoop)
        means = _means(rows, loop.describe(pl_module) if loop is not None else {})
        for logger in loggers:
            logger.log_table("test/cases", columns=columns, data=[list(astuple(row)) for row in rows])
            logger.experiment.log({"test/examples": images})
            for name, value in means.items():
                logger.experiment.summary[f"test/{name}"] = value


def _means(rows: Sequence[CaseRow], federated: Mapping[str, Any]) -> dict[str, float]:
    """Mean Dice and misses of the models that tables judge the run by, and the global model's Dice beside theirs."""
    headline = headline_of(federated)
    judged = headline_rows(rows, headline, held_out_of(federated))
    means: dict[str, float] = {}
    if judged:
        means = {"dice": mean_dice(judged), "n_missed": sum(row.missed for row in judged)}
    of_global = headline_rows(rows, "global")
    if headline != "global" and of_global:
        means["dice_global"] = mean_dice(of_global)
    return means


def _image(wandb: Any, example: dict[str, Any], task: SegmentationTask) -> Any:
    labels = {index: name for index, name in enumerate(task.regions, start=1)}

    def class_map(masks: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        classes = np.zeros(masks.shape[1:], dtype=np.uint8)
        for index, mask in enumerate(masks, start=1):
            classes[mask] = index
        return classes

    channels = example["image"]  # of brain MRI the last is shown, FLAIR, in grey
    pixels = channels.transpose(1, 2, 0) if len(channels) == 3 else channels[-1]
    pixels = (pixels - pixels.min()) / max(float(np.ptp(pixels)), 1e-6)
    return wandb.Image(
        (255 * pixels).astype(np.uint8),
        caption=f"{example['client']} {example['case']}",
        masks={
            "prediction": {"mask_data": class_map(example["prediction"]), "class_labels": labels},
            "truth": {"mask_data": class_map(example["truth"]), "class_labels": labels},
        },
    )
