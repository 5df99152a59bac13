"""A label map, prepared with the settings of its task, cut into windows, stitched and brought back, is still itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from adpfl_bench.data.evaluation.evaluation_batch import collate_cases
from adpfl_bench.data.partitioning.partition import IIDPartition
from adpfl_bench.datasets.brats import BraTSDataModule
from adpfl_bench.datasets.catalogue import find_writer
from adpfl_bench.datasets.kits import KiTSDataModule
from adpfl_bench.datasets.lgg import LGGDataModule
from adpfl_bench.datasets.msd_brain import MSDBrainDataModule
from adpfl_bench.metrics.functional import dice
from adpfl_bench.phantoms import write_phantom
from adpfl_bench.tasks.brain_tumour import BrainTumorTask
from adpfl_bench.tasks.kidney_tumour import KidneyTumorTask
from tests.schemes import SCHEMES

TOP = Path(__file__).resolve().parents[3]
MODULES = {
    "kits": (KiTSDataModule, KidneyTumorTask, "kits", (72, 200, 200)),
    "brats": (BraTSDataModule, BrainTumorTask, "brats2021", (120, 146, 104)),
    "brats2024": (BraTSDataModule, BrainTumorTask, "brats2024", (120, 146, 104)),
    "msd_brain": (MSDBrainDataModule, BrainTumorTask, "msd_brain", (120, 146, 104)),
    "lgg": (LGGDataModule, BrainTumorTask, "lgg", (24, 96, 96)),
}


def score_label_map(root: Path, cache: Path, name: str) -> dict[str, float]:
    """Dice of each region of the cohort's first label map with itself, after the whole way."""
    module, task_class, _, _ = MODULES[name]
    content = yaml.safe_load((TOP / "tasks" / f"{name}.yaml").read_text())
    settings, scheme = content["data"]["init_args"], SCHEMES[content["model"]["init_args"]["label_scheme"]]
    kept = {key: settings[key] for key in ("spacing", "patch_size", "ct_window") if key in settings}
    data = module(root, IIDPartition(1), cache_directory=cache, **kept)
    data.scheme = scheme
    data.setup("test")
    task = task_class(scheme.name, network="UNet", network_arguments={"channels": [4, 8], "strides": [2]})
    task.network = nn.Identity()
    case = data.clients[0].cases[0]
    stored, brought = data._volumes[case.case_id], data.evaluation_case(case, native=True)
    logits = np.where(scheme.masks(stored.read_label(), scheme.predicted), 1.0, -1.0)
    brought = replace(brought, image=torch.from_numpy(logits).float())
    (masks,) = task.segment(collate_cases([brought], ["c"], ["p"], "a", "test"))
    truth = brought.label.numpy().astype(bool)
    assert masks.shape == truth.shape
    return {
        region: dice(mask, target)
        for region, mask, target in zip(task.regions, masks, truth, strict=True)
        if target.any()
    }


@pytest.mark.parametrize("name", MODULES)
def test_label_maps_survive_the_whole_way(tmp_path: Path, name: str) -> None:
    _, _, layout, size = MODULES[name]
    write_phantom(find_writer(layout), tmp_path / "data", 1, 0, size)
    scores = score_label_map(tmp_path / "data", tmp_path / "cache", name)
    assert len(scores) >= 1
    assert min(scores.values()) >= 0.97, scores


@pytest.mark.parametrize(("folder", "name"), [("brats_sample", "brats"), ("lgg", "lgg")])
def test_real_label_maps_survive_the_whole_way(real_data: Path, tmp_path: Path, folder: str, name: str) -> None:
    patient = min(file.parent for file in (real_data / folder).rglob("*_*.*"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / patient.name).symlink_to(patient)
    scores = score_label_map(tmp_path / "data", tmp_path / "cache", name)
    assert len(scores) >= 1
    assert min(scores.values()) >= 0.97, scores
