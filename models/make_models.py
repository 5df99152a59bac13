"""Make the models to start from: train each on phantoms, keep its weights and lineage, write its card, index and table.

    python models/make_models.py                    # every model; make models is the same
    python models/make_models.py --models isic kits

Runs are made in ``build/models``, one after the other on one thread, so that the same machine makes the same bits; one
that is finished is not trained again, and one that was stopped goes on. Scores of real data stand in a card where they
lie beside its run (``adpfl-bench evaluate build/models/isic --cohort isic2017=DIR``), or stood there before and the
weights are the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import adpfl_bench
from adpfl_bench.privacy.lineage import CHECKPOINT_KEY
from adpfl_bench.records.cohort_record import cohort_home, read_cohort
from adpfl_bench.records.digests import file_sha256
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.score_columns import ScoreColumns
from adpfl_bench.records.score_means import ScoreMeans
from adpfl_bench.records.verification.cohort_check import read_cohort_scores

TOP = Path(__file__).resolve().parents[1]
PACKAGE = Path(__file__).resolve().parent / "adpfl_bench_models"
INDEX = PACKAGE / "index.json"
PAGE = TOP / "docs" / "models.md"
TEMPLATE = Path(__file__).resolve().parent / "card_template.md"
_HEADING = "|---|---|---:|---:|---:|\n"
WHAT = {
    "isic": "Skin lesions in photographs, as in ISIC",
    "isic_encoder": "Skin lesions in photographs, as in ISIC, on a public encoder",
    "ham10000": "Skin lesions in photographs, as in HAM10000",
    "lgg_slices": "FLAIR abnormality in single slices of MRI, as in TCGA-LGG",
    "lgg": "FLAIR abnormality in volumes of MRI, as in TCGA-LGG",
    "kits": "Kidneys, masses and tumours in CT, as in KiTS21 and 23",
    "brats": "Brain tumours in MRI, as in BraTS 2018 to 2023 and FeTS",
    "brats2024": "Brain tumours after treatment in MRI, as in BraTS 2024",
    "msd_brain": "Brain tumours in MRI, as in Task01 of the Medical Segmentation Decathlon",
}


@dataclass(frozen=True)
class Recipe:
    """How a model is trained, and how a run starts from it.

    Attributes:
        task: Name of the task.
        files: Configuration files behind those of the task and of FedAvg.
        start: Those by which a private run starts from it.
    """

    task: str
    files: tuple[str, ...] = ("configs/pretrain.yaml",)
    start: tuple[str, ...] = ("callbacks/adp_fl_quantile.yaml", "configs/from_phantoms.yaml")


RECIPES = {name: Recipe(name) for name in WHAT} | {
    "isic_encoder": Recipe(
        "isic",
        ("configs/pretrain.yaml", "configs/encoder.yaml", "configs/distractors.yaml"),
        ("callbacks/adp_fl_private.yaml", "configs/adapters.yaml"),
    )
}
"""By the model's name."""


@dataclass(frozen=True)
class Made:
    """A run that has trained a model.

    Attributes:
        name: Name of the model.
        directory: Its folder.
        record: Its record.
    """

    name: str
    directory: RunDirectory
    record: RunRecord


def words_of(name: str, work: str) -> list[str]:
    """The options by which a model is trained."""
    return [
        *_configs(f"tasks/{RECIPES[name].task}.yaml", "callbacks/fedavg.yaml", *RECIPES[name].files),
        *("--data.phantom_directory", f"{work}/phantoms", "--trainer.default_root_dir", f"{work}/{name}"),
    ]


def _configs(*files: str) -> list[str]:
    return [word for file in files for word in ("--config", file)]


def train(name: str, work: Path) -> Made:
    """Train a model, if that has not been done."""
    directory = RunDirectory(work / name)
    if not directory.record_file.exists() or directory.read_record().status != "finished":
        words = [
            *words_of(name, os.path.relpath(work, TOP)),
            *(["--ckpt_path", "last"] if directory.record_file.exists() else []),
        ]
        print(f"adpfl-bench fit {' '.join(words)}", flush=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(TOP)}
        subprocess.run([sys.executable, "-m", "adpfl_bench", "fit", *words], check=True, cwd=TOP, env=environment)
    return Made(name, directory, directory.read_record())


def keep_weights(made: Made) -> Path:
    """Write what starting from a model needs: its weights, and the run that they are of."""
    checkpoint = torch.load(made.directory.path / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)
    *public, ancestor = checkpoint[CHECKPOINT_KEY]
    if ancestor["kind"] != "phantom" or any(before["kind"] != "public" for before in public):
        raise SystemExit(f"{made.directory.path} was trained on {ancestor['kind']} data, and only phantoms are public.")
    weights: Mapping[str, torch.Tensor] = checkpoint["state_dict"]
    digest = hashlib.sha256(ancestor["cohort"].encode())
    for name, value in weights.items():
        digest.update(name.encode() + value.numpy().tobytes())
    # An id by what was made, so that making it again gives the same file.
    lineage = [*public, {**ancestor, "run": digest.hexdigest()[:32], "folder": ""}]
    path = PACKAGE / f"{made.name}.ckpt"
    torch.save({"state_dict": dict(weights), CHECKPOINT_KEY: lineage}, path)
    return path


def by_region(scores: ScoreColumns, record: RunRecord) -> dict[str, float]:
    """Mean Dice of each region."""
    (dice,) = (metric for metric in record.model.metrics if metric.name == "dice")
    found = {}
    for region in scores.region.present():
        mean = ScoreMeans(scores.of_region(region), record.model.metrics).mean(dice)
        if mean is None:
            raise SystemExit(f"{record.task} has a case without a Dice of {region}.")
        found[region] = mean
    return found


def zero_shot(made: Made, sha256: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """Scores of real data: those beside the run, or those that the index has of the same weights."""
    home = cohort_home(made.directory.path)
    folders = sorted(home.iterdir()) if home.is_dir() else []
    if not folders:
        return dict(before.get("real", {})) if before.get("sha256") == sha256 else {}
    found = {}
    for folder in folders:
        cohort, scores = read_cohort_scores(folder, made.record)
        if read_cohort(folder).data.kind != "real":
            raise SystemExit(f"{folder} holds no real data.")
        found[cohort.name] = {"cases": cohort.data.cases, "dice": by_region(scores, made.record)}
    return found


def write_card(made: Made, entry: Mapping[str, Any], work: Path) -> None:
    """Write what is known of a model."""
    record, data = made.record, made.record.config["data"]["init_args"]
    model = record.config["model"]["init_args"]
    regions = list(entry["phantoms"]["dice"])
    rows = {"phantoms": entry["phantoms"], **entry["real"]}
    lines = []
    for name, row in rows.items():
        dice = " | ".join(f"{100 * row['dice'][region]:.1f}" for region in regions)
        lines.append(f"| {name} | {row['cases']:,} | {dice} |")
    size = f"of {_times(data['phantom_size'])}" if data["phantom_size"] else "of the writer's own size"
    trained_at = _times(data.get("image_size") or data.get("patch_size"))
    spacing = f", at {_mm(data['spacing'])}" if data.get("spacing") else ""
    arguments = json.dumps(model["network_arguments"])
    versions = ", ".join(
        f"{name} {record.versions[name]}" for name in ("adpfl-bench", "torch", "monai", "lightning", "numpy")
    )
    epochs = record.config["federated"]["local_epochs"]
    origin = "".join(
        f"\n| its encoder started from | {before.name}, {before.licence}, trained on {before.trained_on} |"
        for before in record.privacy.lineage
        if before.kind == "public"
    )
    (PACKAGE / f"{made.name}.md").write_text(
        TEMPLATE.read_text(encoding="utf-8").format(
            name=made.name,
            start=" ".join(_configs(f"tasks/{RECIPES[made.name].task}.yaml", *RECIPES[made.name].start)),
            what=WHAT[made.name],
            network=f"`{model['network']}` of {record.model.parameters:,} parameters, `{arguments}`, on {trained_at}",
            cases=f"{record.data.cases:,}",
            train=f"{sum(client.train for client in record.data.clients.values()):,}",
            datamodule=record.data.datamodule,
            phantom_seed=data["phantom_seed"],
            size=size,
            spacing=spacing,
            fingerprint=record.data.fingerprint,
            rounds=record.rounds_completed,
            passes="one pass" if epochs == 1 else f"{epochs} passes",
            seed=record.seed,
            kilobytes=round(entry["bytes"] / 1000),
            sha256=entry["sha256"],
            versions=versions,
            test=f"{entry['phantoms']['cases']:,}",
            regions=" | ".join(regions),
            rules="|".join("---:" for _ in regions),
            scores="\n".join(lines),
            origin=origin,
            measured="" if entry["real"] else "\nNot measured on real data.\n",
            command=" ".join(words_of(made.name, os.path.relpath(work, TOP))),
        ),
        encoding="utf-8",
    )


def write_table(models: Mapping[str, Any]) -> None:
    """Write the table of the documentation's page."""
    rows = []
    for name, entry in models.items():
        real = "; ".join(f"{_mean(row)} ({row['cases']:,} of {cohort})" for cohort, row in entry["real"].items())
        kilobytes = f"{entry['bytes'] / 1000:.0f} kB"
        phantoms = f"{_mean(entry['phantoms'])} ({entry['phantoms']['cases']:,})"
        cells = (f"`models/{name}`", entry["text"], kilobytes, phantoms, real or "not measured")
        rows.append(f"| {' | '.join(cells)} |\n")
    head, rest = PAGE.read_text(encoding="utf-8").split(_HEADING)
    after = rest[rest.index("\n\n") :]
    PAGE.write_text(f"{head}{_HEADING}{''.join(rows).rstrip()}{after}", encoding="utf-8")


def _mean(row: Mapping[str, Any]) -> str:
    """Mean over regions, in percent."""
    return f"{100 * sum(row['dice'].values()) / len(row['dice']):.1f}"


def _times(sides: Any) -> str:
    return " x ".join(map(str, sides))


def _mm(spacing: Any) -> str:
    return f"{_times(spacing)} mm"


def make(name: str, work: Path, index: dict[str, Any]) -> None:
    """Make one model, its card and its entry of the index."""
    made = train(name, work)
    weights = keep_weights(made)
    test = made.directory.read_scores()
    test = test.take(test.split.equals("test"))
    sha256 = file_sha256(weights)
    entry = {
        "text": f"{WHAT[name]}: {made.record.model.parameters:,} parameters, from {made.record.data.cases:,} phantoms",
        "place": RECIPES[name].start[-1],
        "sha256": sha256,
        "trained_on": f"{made.record.data.cases:,} phantoms of {made.record.data.datamodule}, which are synthetic",
        "bytes": weights.stat().st_size,
        "phantoms": {"cases": len(test.case.present()), "dice": by_region(test, made.record)},
        "real": zero_shot(made, sha256, index["models"].get(name, {})),
    }
    index["models"][name] = entry
    write_card(made, entry, work)
    print(f"{weights.relative_to(TOP)}: {weights.stat().st_size:,} bytes, SHA-256 {sha256}", flush=True)


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description="Train the models to start from, on phantoms.")
    parser.add_argument("--models", nargs="+", choices=sorted(WHAT), default=list(WHAT))
    parser.add_argument("--work", type=Path, default=TOP / "build" / "models", help="Where the runs are made.")
    arguments = parser.parse_args()
    index: dict[str, Any] = {"format": 1, "version": adpfl_bench.__version__, "models": {}}
    if INDEX.exists():
        index["models"] = json.loads(INDEX.read_text(encoding="utf-8"))["models"]
    for name in arguments.models:
        make(name, arguments.work.resolve(), index)
        index["models"] = {made: index["models"][made] for made in WHAT if made in index["models"]}
        INDEX.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
        write_table(index["models"])


if __name__ == "__main__":
    main()
