"""The estimate of memory, against a step whose tensors are counted."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from adpfl_bench.planning.network_plan import plan_network
from adpfl_bench.planning.step_memory import count_weights, step_bytes
from adpfl_bench.tasks.losses import dice_cross_entropy
from adpfl_bench.tasks.networks import build_network

#: Shapes and batches: of a patch with thick slices, and of pictures.
STEPS = {
    "thick slices": ((48, 40, 8), (0.6, 0.6, 3.6), 8, 4, 3),
    "pictures": ((32, 32), (1, 1), 64, 3, 1),
}


@pytest.mark.parametrize("name", STEPS)
def test_the_estimate_is_that_of_a_counted_step(name):
    patch, spacing, batch, channels, regions = STEPS[name]
    plan = plan_network(patch, spacing)
    with FakeTensorMode():  # tensors of these shapes, without their memory
        network = build_network("DynUNet", len(patch), channels, regions, plan.arguments())
        optimizer = torch.optim.AdamW(network.parameters())
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        optimizer.zero_grad()
        weights = sum(parameter.numel() for parameter in network.parameters())
        tracker = MemTracker()
        tracker.track_external(network, optimizer)
        with tracker:
            image, label = torch.zeros(batch, channels, *plan.patch), torch.zeros(batch, regions, *plan.patch)
            dice_cross_entropy(network(image), label).mean().backward()
            optimizer.step()
        counted = sum(found["Total"] for found in tracker.get_tracker_snapshot("peak").values())
    assert weights == count_weights(plan, channels, regions)
    # The federation's copies of the weights (global ones, and a sum in 64 bits) are not part of this step.
    estimated = step_bytes(plan, batch, channels, regions) - 4 * 3 * weights
    assert 1.0 <= estimated / counted <= 1.1
