"""A made-up package of published weights, in the form of the real one."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from adpfl_bench.tasks import public_encoder_unet
from adpfl_bench.tasks.public_weights import LITE0

BLOCKS = (
    "r1_k3_s1_e1_i32_o16",
    "r2_k3_s2_e6_i16_o24",
    "r2_k5_s2_e6_i24_o40",
    "r3_k3_s2_e6_i40_o80",
    "r3_k5_s1_e6_i80_o112",
    "r4_k5_s2_e6_i112_o192",
    "r1_k3_s1_e6_i192_o320",
)
"""As the network's own code has them: repeats, kernel, stride of the first, expansion, inputs and outputs."""


def published_layers():
    """Each convolution with the norm behind it: names, shape, stride, groups; block by block, the stem first."""
    yield [("_conv_stem", "_bn0", (32, 3, 3, 3), 2, 1)]
    index = 0
    for block in BLOCKS:
        repeats, kernel, stride, expansion, inputs, outputs = (int(part[1:]) for part in block.split("_"))
        for again in range(repeats):
            inputs, stride = (outputs, 1) if again else (inputs, stride)
            name, wide = f"_blocks.{index}.", inputs * expansion
            layers = [
                (f"{name}_expand_conv", f"{name}_bn0", (wide, inputs, 1, 1), 1, 1),
                (f"{name}_depthwise_conv", f"{name}_bn1", (wide, 1, kernel, kernel), stride, wide),
                (f"{name}_project_conv", f"{name}_bn2", (outputs, wide, 1, 1), 1, 1),
            ]
            yield layers[expansion == 1 :]
            index += 1


def made_up_weights():
    """Random weights, shifts and statistics under the published names."""
    generator, state = torch.Generator().manual_seed(3), {}
    for layers in published_layers():
        for convolution, norm, shape, _, _ in layers:
            fan = shape[1] * shape[2] * shape[3]
            state[f"{convolution}.weight"] = torch.randn(shape, generator=generator) / fan**0.5
            for part in ("weight", "bias", "running_mean", "running_var"):
                values = torch.rand(shape[0], generator=generator)
                state[f"{norm}.{part}"] = values + 0.5 if part in ("weight", "running_var") else values - 0.5
    return state


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a package with made-up weights on the path, and let its file be what was published; returns the file."""
    file = folder / LITE0.package / LITE0.file
    file.parent.mkdir(parents=True)
    (file.parents[1] / "__init__.py").write_text("raise AssertionError('the package was run')\n")
    torch.save(made_up_weights(), file)
    monkeypatch.syspath_prepend(folder)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr(public_encoder_unet, "LITE0", replace(LITE0, sha256=digest))
    return file
