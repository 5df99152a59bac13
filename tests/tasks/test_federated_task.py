"""What every task does: it is called, scored and loaded like any LightningModule."""

import numpy as np
import pytest
import torch
from torch import nn

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.errors import CheckpointError, ConfigError
from adpfl_bench.metrics.registry import METRICS
from adpfl_bench.tasks.federated_task import FederatedTask
from adpfl_bench.tasks.skin_lesion import SkinLesionTask


def test_test_returns_the_mean_scores(toy_task, toy_data, make_trainer):
    task = toy_task()
    (found,) = make_trainer(FederatedLoop(rounds=1)).test(task, datamodule=toy_data(), verbose=False)
    assert list(found) == [f"test_{metric.name}" for metric in METRICS]
    for name, value in found.items():
        assert value == pytest.approx(np.mean([s.values[name.removeprefix("test_")] for s in task.scores]), rel=1e-6)


def test_a_task_is_loaded_from_a_run_s_checkpoint(toy_task, toy_data, fit, tmp_path):
    task = toy_task("batchnorm", frozen="0.bias", surface_tolerance=3.0)
    fit(task, toy_data(), FederatedLoop(rounds=1)).save_checkpoint(tmp_path / "last.ckpt")
    torch.load(tmp_path / "last.ckpt", weights_only=True)
    loaded = type(task).load_from_checkpoint(tmp_path / "last.ckpt")
    assert loaded.tolerance("blob") == 3.0
    assert not loaded.network[0].bias.requires_grad
    assert loaded.started_from == "real"
    image = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(image), task.eval()(image))
    with pytest.raises(CheckpointError, match=r"does not name its task's class, .*, and not of FederatedTask\."):
        FederatedTask.load_from_checkpoint(tmp_path / "last.ckpt")


def test_a_class_that_nobody_has_imported_is_not_loaded(tmp_path):
    torch.save({"hyper_parameters": {"_class_path": "clinic.Task"}}, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"holds a clinic\.Task, which is no SkinLesionTask that is imported"):
        SkinLesionTask.load_from_checkpoint(tmp_path / "last.ckpt")


class Pixels(nn.Module):
    """A network of one's own."""

    def __init__(self, channels, regions):
        super().__init__()
        self.layer = nn.Conv2d(channels, regions, 1)

    def forward(self, image):
        return self.layer(image)


def test_any_module_is_a_network_by_its_class_path():
    task = SkinLesionTask(f"{__name__}.Pixels", {"channels": 3, "regions": 1})
    assert type(task.network).__name__ == "Pixels"
    assert task(torch.zeros(2, 3, 8, 8)).shape == (2, 1, 8, 8)


@pytest.mark.parametrize(
    ("path", "arguments", "sentence"),
    [
        (f"{__name__}.Pixels", {"channels": 3}, r"do not fit .*Pixels: .*regions.* It accepts channels, regions"),
        ("no_such_file.Net", {}, r"model\.network is no_such_file\.Net, which cannot be imported: .* on PYTHONPATH"),
        ("torch.nn.NoSuchNet", {}, r"which cannot be imported: .*NoSuchNet"),
        ("math.sqrt", {}, r"model\.network is math\.sqrt, which is not a segmentation network .* torch\.nn\.Module"),
    ],
)
def test_what_is_no_network_is_refused(path, arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        SkinLesionTask(path, arguments)
