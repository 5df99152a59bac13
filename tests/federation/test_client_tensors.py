"""Tensors that clients keep between their turns."""

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
    restored.load_state_dict(kept.state_dict())
    assert [tensor.tolist() for tensor in restored.load("a", own)] == [[0.0, 0.0]]
