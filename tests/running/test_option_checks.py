"""A precision that the processor does not have is refused in a sentence."""

from types import SimpleNamespace

import pytest
import torch

from adpfl_bench.errors import ConfigError
from adpfl_bench.running import option_checks
from adpfl_bench.running.option_checks import check_precision


def trainer(precision, device="cpu"):
    return SimpleNamespace(precision=precision, strategy=SimpleNamespace(root_device=torch.device(device)))


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_bfloat16_needs_its_instructions(monkeypatch, precision):
    monkeypatch.setattr(option_checks, "computes_bfloat16", lambda: False)
    sentence = f"trainer.precision is {precision}, but this machine's processor has no instructions for bfloat16"
    with pytest.raises(ConfigError, match=sentence):
        check_precision(trainer(precision))
    check_precision(trainer("32-true"))
    check_precision(trainer(precision, "cuda"))
    monkeypatch.setattr(option_checks, "computes_bfloat16", lambda: True)
    check_precision(trainer(precision))


@pytest.mark.parametrize("found", ["_is_avx512_bf16_supported", "_is_amx_tile_supported", None])
def test_either_set_of_instructions_is_enough(monkeypatch, found):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda name=name: name == found)
    assert option_checks.computes_bfloat16() is (found is not None)
