"""What Weights & Biases is handed over: pictures of photographs, CT and MRI, and what of patients only if asked for."""

from types import SimpleNamespace

import numpy as np
import pytest

from adpfl_bench.callbacks.examples import KeptExample
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.tasks.skin_lesion import SkinLesionTask
from adpfl_bench.wandb.cases import WandbCases, _image
from adpfl_bench.wandb.logger import RunWandbLogger

REGIONS = ("whole", "core")
WANDB = SimpleNamespace(Image=lambda pixels, **rest: SimpleNamespace(pixels=pixels, **rest))


def example(channels: int):
    """Channels that rise, but the last, which falls, and a core within a whole that the prediction misses."""
    image = np.stack([np.linspace(-1, 3, 20, dtype=np.float32).reshape(4, 5)] * channels)
    image[-1] *= -1
    truth = np.zeros((2, 4, 5), dtype=bool)
    truth[0, 1:4], truth[1, 2] = True, True
    return KeptExample("c", "a", "global", image, truth, np.zeros_like(truth))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_of_ct_and_mri_the_last_channel_is_grey(channels):
    shown = _image(WANDB, example(channels), SimpleNamespace(regions=REGIONS))
    assert shown.pixels.shape == (4, 5)
    assert shown.pixels.dtype == np.uint8
    assert (shown.pixels[0, 0], shown.pixels[-1, -1]) == (255, 0)
    assert shown.caption == "a c"


def test_three_channels_are_colours():
    pixels = _image(WANDB, example(3), SimpleNamespace(regions=REGIONS)).pixels
    assert pixels.shape == (4, 5, 3)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert pixels[0, 0, 0] < pixels[-1, -1, 0]
    assert pixels[0, 0, 2] > pixels[-1, -1, 2]


def test_later_regions_lie_over_earlier_ones_and_are_named():
    masks = _image(WANDB, example(4), SimpleNamespace(regions=REGIONS)).masks
    assert masks["truth"]["mask_data"][:, 0].tolist() == [0, 1, 2, 1]
    assert masks["truth"]["class_labels"] == {1: "whole", 2: "core"}
    assert not masks["prediction"]["mask_data"].any()


class Run:
    """Stands for a run of wandb: remembers what it is given."""

    id = "abc"

    def __init__(self):
        self.logged, self.summary = {}, {}

    def define_metric(self, *_arguments, **_settings):
        pass

    def log(self, metrics):
        self.logged.update(metrics)


@pytest.fixture
def handed_over(monkeypatch, tmp_path):
    """What a run on real or phantom cases gives to W&B at the end of its test, under a logger's options."""
    module = "adpfl_bench.wandb.cases"
    examples = SimpleNamespace(examples=lambda: [example(3)._replace(client="clinic", case="CASE-7")])
    monkeypatch.setattr(f"{module}.load_wandb", lambda: WANDB)
    monkeypatch.setattr("adpfl_bench.wandb.logger.default_mode", lambda: "offline")
    monkeypatch.setattr(
        f"{module}.find_callback", lambda _, kind: examples if kind.__name__ == "ExampleCases" else None
    )
    monkeypatch.setattr(
        RunWandbLogger,
        "log_table",
        lambda self, key, columns, data, step: self.experiment.logged.update({key: (columns, data)}),
    )
    task = SkinLesionTask(network_arguments={"channels": [4, 8], "strides": [2], "num_res_units": 0})
    task.scores = [CaseScore("CASE-7", "PATIENT-7", "clinic", "test", "lesion", {"dice": 0.5}, "px", False)]

    def hand_over(kind, **options):
        run = Run()
        monkeypatch.setattr(
            f"{module}.federated_data", lambda _: SimpleNamespace(describe=lambda: SimpleNamespace(kind=kind))
        )
        logger = RunWandbLogger(save_dir=tmp_path, experiment=run, **options)
        trainer = SimpleNamespace(loggers=[logger], default_root_dir=str(tmp_path))
        WandbCases().on_test_end(trainer, task)
        return run

    return hand_over


@pytest.mark.parametrize(
    ("kind", "options", "shown", "named"),
    [
        ("phantom", {}, True, True),
        ("real", {}, False, False),
        ("real", {"images": True}, True, False),
        ("real", {"images": True, "case_ids": True}, True, True),
        ("phantom", {"images": False, "case_ids": False}, False, False),
    ],
)
def test_images_and_names_of_real_cases_are_left_out_unless_asked_for(handed_over, kind, options, shown, named):
    run = handed_over(kind, **options)
    assert ("test/examples" in run.logged) == shown
    columns, data = run.logged["test/cases"]
    assert (columns[:2] == ["case", "patient"]) == named
    assert data == [[*(["CASE-7", "PATIENT-7"] if named else []), *data[0][-10:]]]
    everything = str(run.logged) + str(run.summary)
    assert ("CASE-7" in everything) == named
    assert ("PATIENT-7" in everything) == named
    assert run.summary["test/dice"] == run.summary["test/dice/clinic"] == 0.5
