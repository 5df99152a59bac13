"""Memory that a training step of a planned network takes, estimated from its shape."""

from __future__ import annotations

import math

from adpfl_bench.planning.network_plan import NetworkPlan

GIB = 2**30

_BYTES = 4  # of a number in single precision, in which everything is computed but under bfloat16
_COPIES = 7  # of the weights: themselves, gradients, two moments of AdamW, global weights, running sum in 64 bits
_DOWN = 4  # maps that a stage keeps on the way down: of two convolutions, before and after normalisation
_UP = 6  # and on the way up: also the two that were joined
_WAY_BACK = 2  # maps of the finest stage: gradients that are there at the worst moment
_LOSS = 8  # maps of each region that the loss keeps


def step_bytes(network: NetworkPlan, batch: int, channels: int, regions: int) -> float:
    """Estimate the peak of the memory that tensors of a training step take, in bytes.

    ::

        4 B [ sum_down 4 f_i v_i + sum_up 6 f_i v_i + 2 f_0 v_0 + (c + 8 r) v_0 ] + 4 * 7 * p

    Here B is the batch, f_i are the features and v_i the voxels of stage i (0 the finest, the last one only on the way
    down), c the channels, r the regions, and p the weights. A stage keeps of each convolution what came before and
    after its normalisation; seven copies of the weights are those of federated AdamW. Under bfloat16 the first part is
    about half. What a GPU's libraries take as workspace comes on top.

    Args:
        network: The network.
        batch: Examples of a step.
        channels: Of the image.
        regions: That the network predicts.
    """
    sizes = _stage_sizes(network)
    maps = [features * size for features, size in zip(network.features, sizes, strict=True)]
    kept = _DOWN * sum(maps) + _UP * sum(maps[:-1]) + _WAY_BACK * maps[0]
    kept += (channels + _LOSS * regions) * sizes[0]
    return _BYTES * batch * kept + _BYTES * _COPIES * count_weights(network, channels, regions)


def count_weights(network: NetworkPlan, channels: int, regions: int) -> int:
    """Count the weights of MONAI's DynUNet with affine normalisation and without biases."""
    features = network.features
    total = features[0] * regions + regions
    before = channels
    for kernel, own in zip(network.kernels, features, strict=True):
        total += math.prod(kernel) * (before * own + own * own) + 4 * own
        before = own
    for stage in range(network.stages - 1):
        own, below, kernel = features[stage], features[stage + 1], network.kernels[stage + 1]
        total += math.prod(network.strides[stage + 1]) * below * own
        total += math.prod(kernel) * (2 * own * own + own * own) + 4 * own
    return total


def _stage_sizes(network: NetworkPlan) -> list[int]:
    """Voxels of each stage's feature maps."""
    sizes, sides = [], network.patch
    for stride in network.strides:
        sides = tuple(side // by for side, by in zip(sides, stride, strict=True))
        sizes.append(math.prod(sides))
    return sizes
