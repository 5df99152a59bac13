"""Segmentation of new patients' images by trained models."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.dicom_series import DicomCase
from adpfl_bench.data.new_cases import NewCases
from adpfl_bench.data.volumes.dicom_seg import SegmentingModel, require_highdicom
from adpfl_bench.errors import ConfigError, DataError, RecordError
from adpfl_bench.files import append_to_file, replace_file
from adpfl_bench.processors import with_bar
from adpfl_bench.running.model_source import ModelSource
from adpfl_bench.running.segmented_cases import Segmentation, segment_cases
from adpfl_bench.running.trained_model import TrainedModel, open_model
from adpfl_bench.text import a_few, count, csv_text

_COLUMNS = ("case", "files", "outcome")


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

    failed = len(found.problems)

    def tell(case: Case, reason: str | None) -> None:
        nonlocal failed
        _note(output, case.case_id, case.images, "segmented" if reason is None else f"not segmented: {reason}")
        if reason is not None:
            failed += 1
            print(f"not segmented: {case.case_id}: {reason}")

    cases = with_bar(found.cases, len(found.cases), "segmenting")
    segment_cases(models, cases, wanted, tell, maker if wanted.dicom_seg else None)
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
