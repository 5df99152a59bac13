"""Clipping by the rule of Abadi et al. 2016, Algorithm 1: g / max(1, |g| / C)."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.privacy.clipping import clip_, clip_factors, global_norm, group_norms

# Norms are taken in float32, where squares below 1e-38 vanish; a gradient that small is never clipped.
TINY = 1e-18
# Squares of less than 1e-19 are zero in float32.
VALUES = st.just(0.0) | st.builds(lambda sign, size: sign * size, st.sampled_from([-1, 1]), st.floats(1e-6, 1e3))
GRADIENTS = st.lists(st.lists(VALUES, min_size=1, max_size=5), min_size=1, max_size=4)


@given(gradients=GRADIENTS, threshold=st.floats(1e-3, 1e4))
def test_abadi_by_numpy(gradients, threshold):
    flat = np.concatenate([np.array(gradient) for gradient in gradients])
    norm = np.sqrt((flat**2).sum())
    tensors = [torch.tensor(gradient) for gradient in gradients]

    measured = global_norm(tensors)
    assert measured == pytest.approx(norm, rel=1e-5, abs=TINY)
    factor = clip_(tensors, measured, threshold)
    clipped = torch.cat(tensors).numpy()
    assert factor == pytest.approx(1 / max(1, norm / threshold), rel=2e-5)
    np.testing.assert_allclose(clipped, flat / max(1, norm / threshold), rtol=2e-5, atol=TINY)
    assert np.linalg.norm(clipped.astype(float)) <= threshold


def test_a_gradient_within_the_threshold_keeps_its_bits():
    gradient = [torch.tensor([0.1, 0.2]), torch.tensor(0.3)]
    before = [tensor.clone() for tensor in gradient]
    assert clip_(gradient, global_norm(gradient), 0.375) == 1.0
    assert all(torch.equal(new, old) for new, old in zip(gradient, before, strict=True))


def test_zeros_stay_zeros_even_at_threshold_zero():
    gradient = [torch.zeros(3)]
    assert clip_(gradient, global_norm(gradient), 0.0) == 1.0
    assert not gradient[0].any()


def test_shapes_do_not_matter():
    vector = torch.arange(12.0)
    split = [vector[:6].view(2, 3), vector[6:7].view(1, 1, 1), vector[7:]]
    assert global_norm(split) == pytest.approx(float(vector.norm()))


@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize("size", [1, 63, 64, 65, 100_000, 3_000_000])
@pytest.mark.parametrize("kind", ["normal", "equal", "heavy"])
def test_long_gradients_do_not_exceed_the_threshold_by_rounding(norm, size, kind):
    """Plain torch.linalg.vector_norm is off by 10^-3 (l2) and 10^-2 (l1) at the largest size."""
    values = torch.randn(2, size, generator=torch.Generator().manual_seed(size))
    values = {"normal": values, "equal": torch.full((2, size), 0.1234), "heavy": values**5}[kind]
    order = 1 if norm == "l1" else 2
    exact = torch.linalg.vector_norm(values.double(), ord=order, dim=1)
    norms = group_norms([values[:, : size // 3].reshape(2, -1), values[:, size // 3 :]], norm)
    torch.testing.assert_close(norms.double(), exact, rtol=3e-6, atol=0)
    for threshold in (exact.min() / 2, exact.max() * (1 - 1e-7), exact.max() * 2):
        clipped = values * clip_factors(norms, float(threshold))[:, None]
        assert (torch.linalg.vector_norm(clipped.double(), ord=order, dim=1) <= threshold).all()
