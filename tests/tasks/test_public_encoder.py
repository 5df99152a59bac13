"""The encoder that was published, and networks on it."""

import importlib.util

import pytest
import torch
from torch.nn import functional

from adpfl_bench.callbacks.privacy_checks import check_private_task
from adpfl_bench.errors import BenchError, CheckpointError, ConfigError
from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.tasks.lite_encoder import LiteEncoder
from adpfl_bench.tasks.networks import build_network, monai_definition
from adpfl_bench.tasks.public_weights import LITE0
from adpfl_bench.tasks.skin_lesion import SkinLesionTask
from tests.cli.conftest import resolved
from tests.tasks.public_package import install, made_up_weights, published_layers

SMALL = {"channels": [4, 6, 8]}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The file of an installed package of published weights."""
    return install(tmp_path / "site", monkeypatch)


def as_published(state, image):
    """Features after each stage, with batch normalisation where it was published with it."""

    def layer(x, convolution, norm, shape, stride, groups):
        sides = []
        for side in (x.shape[3], x.shape[2]):
            short = shape[2] - (stride if side % stride == 0 else side % stride)
            sides += [max(short, 0) // 2, max(short, 0) - max(short, 0) // 2]
        x = functional.conv2d(functional.pad(x, sides), state[f"{convolution}.weight"], None, stride, 0, 1, groups)
        mean, var, scale, shift = (state[f"{norm}.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, mean, var, scale, shift, eps=1e-3)

    found = []
    for layers in published_layers():
        before = image
        for number, named in enumerate(layers):
            image = layer(image, *named)
            if len(layers) == 1 or number < len(layers) - 1:
                image = image.clamp(0, 6)
        image = image + before if len(layers) > 1 and image.shape == before.shape else image
        found.append(image)
    return [found[i] for i in (1, 3, 5, 11, 16)]  # the last of each width but those that keep the size


def test_folded_encoder_computes_what_was_published_with_batch_norms():
    state = made_up_weights()
    encoder = LiteEncoder(5)
    encoder.load_published(state)
    assert not list(encoder.buffers())
    image = torch.randn(2, 3, 75, 102)
    with torch.no_grad():
        for mine, theirs in zip(encoder(image), as_published(state, image), strict=True):
            assert mine.shape == theirs.shape
            assert (mine - theirs).abs().max() < 1e-4 * theirs.abs().max()


@pytest.mark.skipif(importlib.util.find_spec(LITE0.package) is None, reason="adpfl-bench[encoder] is not installed")
def test_the_package_holds_what_is_stated_and_every_level_takes_it():
    encoder = LiteEncoder(5)
    encoder.load_published(LITE0.read())
    features = encoder(torch.zeros(1, 3, 64, 64))
    # Of a grey picture; an encoder from chance has less than 1 everywhere.
    assert [float(level.abs().max()) > 1 for level in features] == [True] * 5


@pytest.mark.parametrize("arguments", [SMALL, {**SMALL, "joined": False}, {**SMALL, "enlarge": 2}, {"channels": [4]}])
def test_network_brings_logits_of_any_size_and_has_nothing_that_a_federation_would_average(package, arguments):
    network = build_network("PublicEncoderUNet", 2, 3, 2, arguments)
    assert network(torch.randn(2, 3, 37, 50)).shape == (2, 2, 37, 50)
    assert not list(network.buffers())


@pytest.mark.parametrize(("frozen", "joined"), [("^network.encoder", True), (None, True), ("^network.encoder", False)])
def test_gradients_of_examples_frozen_and_fine_tuned(package, frozen, joined):
    task = SkinLesionTask(network="PublicEncoderUNet", network_arguments={**SMALL, "joined": joined}, frozen=frozen)
    check_private_task(task)
    trained = [p for p in task.parameters() if p.requires_grad]
    assert (len(trained) < len(list(task.parameters()))) == (frozen is not None)
    image, label = torch.randn(3, 3, 16, 16), (torch.rand(3, 1, 16, 16) > 0.5).float()
    rows = UnitGradients(task, task.example_losses, 1e9).gradients(image, label, torch.arange(3))
    for i, row in enumerate(rows):
        alone = torch.autograd.grad(task.example_losses(image[i : i + 1], label[i : i + 1]).sum(), trained)
        expected = torch.cat([gradient.flatten() for gradient in alone])
        assert (row - expected).norm() < 1e-5 * expected.norm()


def test_a_network_without_its_own_path_sees_the_picture_by_the_encoder(package):
    network = build_network("PublicEncoderUNet", 2, 3, 1, {**SMALL, "joined": False})
    image = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        before = network(image)
        for parameter in network.encoder.parameters():
            parameter.zero_()
        assert not torch.allclose(before, network(image))


def test_weights_from_chance_are_nobodys(package):
    ours = SkinLesionTask(network="PublicEncoderUNet", network_arguments={**SMALL, "published": False})
    assert ours.started_from is None
    assert SkinLesionTask(network="PublicEncoderUNet", network_arguments=SMALL).started_from == "public"


@pytest.mark.parametrize(
    ("shape", "arguments", "sentence"),
    [
        ((3, 1), SMALL, "pictures of 3 channels, but there are 3 axes and 1 channels"),
        ((2, 3), {"channels": []}, "channels are 1 to 5 widths"),
        ((2, 3), {"channels": [4] * 6}, "channels are 1 to 5 widths"),
        ((2, 3), {"channels": [4, 0]}, "channels are 1 to 5 widths"),
        ((2, 3), {**SMALL, "enlarge": 3}, "enlarge is 1, 2 or 4, but it is 3"),
        ((2, 3), {"strides": [2]}, "unexpected keyword argument 'strides'.*It accepts channels, joined"),
    ],
)
def test_arguments_that_do_not_fit(package, shape, arguments, sentence):
    with pytest.raises(ConfigError, match=rf"do not fit PublicEncoderUNet: .*{sentence}"):
        build_network("PublicEncoderUNet", *shape, 1, arguments)


def test_without_the_package_and_with_another_file(package):
    package.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=r"57934424\.pth should have the SHA-256 .*\[encoder\] again"):
        build_network("PublicEncoderUNet", 2, 3, 1)
    package.unlink()
    with pytest.raises(CheckpointError, match=r"cannot be read \(No such file or directory\)"):
        build_network("PublicEncoderUNet", 2, 3, 1)


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"not installed: pip install 'adpfl-bench\[encoder\]'"):
        build_network("PublicEncoderUNet", 2, 3, 1)


def test_published_weights_of_another_shape():
    state = made_up_weights()
    state["_blocks.0._bn1.bias"] = torch.zeros(5)
    with pytest.raises(CheckpointError, match=r"_blocks\.0\._bn1\.bias of \[32\], but its file has one of \[5\]"):
        LiteEncoder(1).load_published(state)
    del state["_conv_stem.weight"]
    with pytest.raises(CheckpointError, match="but its file has none of that name"):
        LiteEncoder(1).load_published(state)


def test_the_place_freezes_the_encoder_whatever_network_there_was_before(package, capsys):
    files = ("tasks/isic.yaml", "callbacks/fedavg.yaml", "configs/pretrain.yaml", "configs/encoder.yaml")
    model = resolved(capsys, *(part for file in files for part in ("--config", file)))["model"]["init_args"]
    task = SkinLesionTask(**{name: model[name] for name in ("network", "network_arguments", "frozen")})
    frozen = {name for name, parameter in task.named_parameters() if not parameter.requires_grad}
    assert frozen == {f"network.encoder.{name}" for name, _ in task.network.encoder.named_parameters()}


def test_the_place_for_adapters_trains_what_brings_the_encoder_s_features_in_and_the_head(package, capsys):
    files = ("tasks/isic.yaml", "callbacks/adp_fl_private.yaml", "configs/adapters.yaml")
    settled = resolved(capsys, *(part for file in files for part in ("--config", file)))
    model = settled["model"]["init_args"]
    task = SkinLesionTask(**{name: model[name] for name in ("network", "network_arguments", "frozen")})
    trained = {name: parameter for name, parameter in task.named_parameters() if parameter.requires_grad}
    assert {name.split(".")[1] for name in trained} == {"squeezes", "head"}
    assert sum(map(torch.numel, trained.values())) == 1_671
    assert sum(map(torch.numel, task.parameters())) == 86_085
    assert settled["data"]["init_args"]["augmentation"] is False
    assert settled["federated"]["client_optimizer"]["init_args"]["lr"] == 0.25


def test_what_monai_cannot_build_does_not_leave_for_it():
    with pytest.raises(BenchError, match=r"PublicEncoderUNet, which only this suite can build; .* is one of .*UNet"):
        monai_definition("PublicEncoderUNet", 2, 3, 1)
