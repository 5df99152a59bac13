"""Weights & Biases log of a whole run: its numbers, tables of cases and pictures of examples."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from adpfl_bench.callbacks.examples import ExampleCases, KeptExample
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.lookup import federated_data, find_callback
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.leaderboard.audits import Audit, audits_beside
from adpfl_bench.records.blocks import FederatedBlock
from adpfl_bench.records.case_score import CaseScore, columns_of, to_line
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.tasks.federated_task import FederatedTask
from adpfl_bench.wandb.session import load_wandb
from adpfl_bench.wandb.summary import record_summary, score_summary

_IDS = ("case", "patient")


class WandbCases(Callback):
    """Log in Weights & Biases, if it is among the loggers: the run, its test cases as a table, examples as pictures.

    The run's configuration is the resolved one. Its summary has the scores of the models that tables judge the run by
    (``test/...``, :func:`~adpfl_bench.wandb.summary.score_summary`) and what is in its record
    (:func:`~adpfl_bench.wandb.summary.record_summary`). Pictures, and the names of cases and patients, are
    logged of phantoms; of patients only where the logger was asked for them (``images``, ``case_ids``).
    """

    def __init__(self) -> None:
        self._configured = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log the configuration before anything is trained or scored."""
        recorder = find_callback(trainer, RunRecorder)
        if recorder is not None and not self._configured:
            self._configured = True
            for logger in _loggers(trainer):
                logger.experiment.config.update(recorder.config, allow_val_change=True)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log table, pictures and scores."""
        loggers = _loggers(trainer)
        if not loggers or not isinstance(pl_module, FederatedTask):
            return
        wandb = load_wandb()
        kind = federated_data(trainer).describe().kind
        keeper, loop = find_callback(trainer, ExampleCases), find_callback(trainer, FederatedLoop)
        examples = keeper.examples() if keeper else []
        judged = loop.describe(pl_module) if loop is not None else FederatedBlock(rounds=0)
        summary = score_summary(pl_module.scores, judged.headline, judged.held_out_clients, pl_module.metrics)
        scores = {f"test/{name}": value for name, value in summary.items()}
        rounds = loop.rounds_completed if loop is not None else None
        for logger in loggers:
            named = _asked_for(logger, "case_ids", kind)
            columns, data = _table(pl_module.scores, named)
            logger.log_table("test/cases", columns=columns, data=data, step=rounds)
            if examples and _asked_for(logger, "images", kind):
                images: Any = [_image(wandb, example, pl_module, named) for example in examples]
                logger.log_metrics({"test/examples": images}, step=rounds)
            # W&B makes panels by itself of what is logged, and of the summary only columns.
            logger.log_metrics(
                {name: value for name, value in scores.items() if not isinstance(value, str)}, step=rounds
            )
            logger.experiment.summary.update(scores)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log what the record says, which every callback has completed by now."""
        directory = RunDirectory(Path(trainer.default_root_dir))
        if (loggers := _loggers(trainer)) and directory.record_file.exists():
            summary = _summary(directory)
            for logger in loggers:
                logger.experiment.summary.update(summary)


def _loggers(trainer: Trainer) -> list[WandbLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]


def _asked_for(logger: WandbLogger, option: str, kind: str) -> bool:
    """Whether to log what shows patients: as the logger says or, where it says nothing, of phantoms alone."""
    choice = getattr(logger, option, None)
    return kind == "phantom" if choice is None else bool(choice)


def _summary(directory: RunDirectory) -> dict[str, Any]:
    record = directory.read_record()
    rounds = directory.read_rounds() if directory.rounds_file.exists() else []
    own = record.privacy.audited
    audits = [Audit(directory.path, record, own)] if own else audits_beside(directory.path, record)
    return record_summary(record, rounds, audits)


def _table(scores: Sequence[CaseScore], named: bool) -> tuple[list[str], list[list[Any]]]:
    """Columns and cells of the table of cases; without names, scores can be told apart by client and region alone."""
    columns = [name for name in columns_of(scores) if named or name not in _IDS]
    return columns, [[line.get(name) for name in columns] for line in map(to_line, scores)]


def _image(wandb: Any, example: KeptExample, task: FederatedTask, named: bool = True) -> Any:
    labels = {index: name for index, name in enumerate(task.regions, start=1)}

    def class_map(masks: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        classes = np.zeros(masks.shape[1:], dtype=np.uint8)
        for index, mask in enumerate(masks, start=1):
            classes[mask] = index
        return classes

    channels = example.image  # of brain MRI the last is shown, FLAIR, in grey
    pixels = channels.transpose(1, 2, 0) if len(channels) == 3 else channels[-1]
    pixels = (pixels - pixels.min()) / max(float(np.ptp(pixels)), 1e-6)
    return wandb.Image(
        (255 * pixels).astype(np.uint8),
        caption=f"{example.client} {example.case}" if named else example.client,
        masks={
            "prediction": {"mask_data": class_map(example.prediction), "class_labels": labels},
            "truth": {"mask_data": class_map(example.truth), "class_labels": labels},
        },
    )
