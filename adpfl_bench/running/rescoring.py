"""Rescoring: a run's last checkpoint scores its cases again, and everything is compared with the record."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from adpfl_bench.callbacks.checkpointing import last_checkpoint
from adpfl_bench.callbacks.data_changes import data_difference
from adpfl_bench.errors import BenchError
from adpfl_bench.metrics.metric import Metric
from adpfl_bench.privacy.noise_key import state_digest
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.score_columns import ScoreColumns
from adpfl_bench.records.verification.finding import Finding
from adpfl_bench.running.bare_cli import recorded_words
from adpfl_bench.running.training import BenchCLI, run


class Rescoring(BenchCLI):
    """The command line of ``test`` that scores validation cases too.

    Attributes:
        scores: The scores.
    """

    def start(self) -> None:
        """Score all cases by the checkpoint's models."""
        how = {"datamodule": self.datamodule, "ckpt_path": self._checkpoint, "verbose": False}
        self.trainer.validate(self.model, **how)
        self.trainer.test(self.model, **how)
        self.scores = RunDirectory(self.run_directory).read_scores()


def score_again(
    directory: RunDirectory, record: RunRecord, root: Path | None, tolerance: float, trust: Sequence[str] = ()
) -> list[Finding]:
    """Score a run's cases by its last checkpoint, on the data, and say what is otherwise than in its folder.

    Nothing is written into the folder.

    Args:
        directory: The run's folder.
        record: Its record, whose configuration says what is scored on what.
        root: The dataset's folder; ``None``: where the configuration has it.
        tolerance: By how much a share, or a distance in relation to itself, may differ.
        trust: Modules whose classes the configuration may name beside those of the list; the record's own word counts
            for nothing.
    """
    if record.data.canaries is not None or record.privacy.audited is not None:
        return []  # what an audit has trained is never scored
    try:
        with tempfile.TemporaryDirectory() as scratch:
            made = _rescore(directory, record, root, Path(scratch), trust)
            return list(_compare(directory, record, made, tolerance))
    except BenchError as error:
        return [Finding("scored again", f"it cannot be: {error}")]


def _rescore(
    directory: RunDirectory, record: RunRecord, root: Path | None, scratch: Path, trust: Sequence[str]
) -> Rescoring:
    words = recorded_words("test", record.config, last_checkpoint(directory.path), scratch, trust)
    words += ["--trainer.logger", "false", "--trainer.enable_progress_bar", "false"]
    words += ["--data.root", str(root)] if root is not None else []
    made = run(words, Rescoring)
    assert isinstance(made, Rescoring)
    return made


def _compare(directory: RunDirectory, record: RunRecord, made: Rescoring, tolerance: float) -> Iterator[Finding]:
    if changed := data_difference(record, directory, made.datamodule):
        yield Finding("data", f"they are others now: {changed}")
    data = made.datamodule.describe()
    for name in ("kind", "clients"):
        ours, theirs = getattr(record.data, name), getattr(data, name)
        if ours is not None and ours != theirs:
            yield Finding("data", f"{name} of the data there is not that of run.json")
    parameters = sum(parameter.numel() for parameter in made.model.parameters())
    if record.model.parameters not in (None, parameters):
        yield Finding(
            "record", f"the network has {parameters:,} parameters, but run.json states {record.model.parameters:,}"
        )
    if record.digests is not None and record.digests.chain.links:
        state = torch.load(last_checkpoint(directory.path), map_location="cpu", weights_only=True, mmap=True)
        if state_digest(state["state_dict"]) != record.digests.chain.links[-1].weights:
            yield Finding("checkpoint", "its weights are not those of the last round")
    yield from compare_scores(directory.read_scores(), made.scores, tolerance, record.model.metrics)


def compare_scores(
    recorded: ScoreColumns, found: ScoreColumns, tolerance: float, metrics: Sequence[Metric] = ()
) -> Iterator[Finding]:
    """Compare every score of a run with what its checkpoint scores now.

    Distances of older records may be in another unit, as may be the tolerance of surfaces: what depends on it is not
    compared, which is printed.

    Args:
        recorded: What cases.csv has.
        found: What was scored now.
        tolerance: By how much a share, or a distance in relation to itself, may differ.
        metrics: What the run was scored by.
    """
    ours, theirs = _by_key(recorded), _by_key(found)
    if missing := sorted(ours.keys() ^ theirs.keys()):
        split, case, region, model = missing[0]
        where = "now" if missing[0] in ours else "in cases.csv"
        yield Finding("scored again", f"{region} of {case} ({split}, model {model}) is not scored {where}")
        return
    places = np.array([theirs[key] for key in ours], dtype=np.int64)
    again = found.take(places)
    units = tuple("/".join(sorted(set(rows.distance_unit.present()) - {""})) for rows in (recorded, again))
    passed_over = {m.name: m.title for m in metrics if (m.measures or m.tolerant) and units[0] != units[1]}
    if titles := [title for name, title in passed_over.items() if name in recorded.values]:
        print(f"{' and '.join(titles)} cannot be compared: distances are in {units[0]} there, and in {units[1]} now.")
    for name in (name for name in recorded.values if name not in passed_over):
        before, now = recorded.values[name], again.values.get(name, np.full(len(again), np.nan))
        scale = np.maximum(1.0, np.maximum(np.abs(before), np.abs(now)))
        with np.errstate(invalid="ignore"):
            same = np.abs(before - now) <= tolerance * scale
        wrong = ~(same | (np.isnan(before) & np.isnan(now)))
        if wrong.any():
            row = int(np.argmax(wrong))
            score = recorded[row]
            yield Finding(
                "scored again",
                f"{name} of {score.region} of {score.case} is {before[row]:.6g} in cases.csv, and {now[row]:.6g} now"
                f" ({int(wrong.sum()):,} of {len(recorded):,} scores differ)",
            )


def _by_key(scores: ScoreColumns) -> dict[tuple[str, str, str, str], int]:
    keys = zip(scores.split.texts(), scores.case.texts(), scores.region.texts(), scores.model.texts(), strict=True)
    return {key: place for place, key in enumerate(keys)}
