"""Random batches of masks, and the spacing under which the tests score them."""

import torch

SPACING = (0.5, 1.0, 2.0)


def masks(cases, shape=(6, 5, 4), seed=0):
    """Prediction and target of three regions: dense, sparse, and one that only even cases have and none predicts."""
    generator = torch.Generator().manual_seed(seed)
    prediction, target = torch.rand((2, cases, 3, *shape), generator=generator) < torch.tensor([0.5, 0.1, 0.3]).view(
        3, *[1] * len(shape)
    )
    target[1::2, 2] = False
    prediction[:, 2] = False
    return prediction, target
