"""Tables of cases and pictures of examples for Weights & Biases."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from adpfl_bench.callbacks.examples import ExampleCases
from adpfl_bench.callbacks.lookup import find_callback
from adpfl_bench.results.case_row import CaseRow
from adpfl_bench.tasks.segmentation import SegmentationTask


class WandbCases(Callback):
    """Logs the scored test cases as a table and the examples as images with masks, if W&B is among the loggers."""

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
        for logger in loggers:
            logger.log_table("test/cases", columns=columns, data=[list(astuple(row)) for row in rows])
            logger.experiment.log({"test/examples": images})
            logger.experiment.summary["test/dice"] = float(np.mean([row.dice for row in rows]))
            logger.experiment.summary["test/n_missed"] = sum(row.missed for row in rows)


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
