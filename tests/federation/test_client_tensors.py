"""Tensors that clients keep between their turns."""

import pytest
import torch

from adpfl_bench.federation.client_tensors import ClientTensors


def test_tensors_come_back_to_their_client_as_they_were_stored():
    kept, own = ClientTensors(), [torch.zeros(2)]
    assert "a" not in kept
    assert kept.load("a", own) is None
    kept.save("a", own)
    own[0] += 1
    assert "a" in kept
    assert "b" not in kept
    assert [tensor.tolist() for tensor in kept.load("a", own)] == [[0.0, 0.0]]
    restored = ClientTensors()
    restored.load_state_dict(kept.state_dict(), own)
    assert [tensor.tolist() for tensor in restored.load("a", own)] == [[0.0, 0.0]]


@pytest.mark.parametrize("stored", [[torch.zeros(3)], [], [torch.zeros(2)] * 2, [torch.zeros(2, dtype=torch.long)]])
def test_tensors_of_other_shapes_are_refused(stored):
    restored = ClientTensors()
    with pytest.raises(ValueError, match="the tensors of a are not those of this network"):
        restored.load_state_dict({"a": stored}, [torch.zeros(2)])
    assert "a" not in restored
