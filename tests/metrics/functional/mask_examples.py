"""Random masks, and the settings under which the tests draw them."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

# The first 3-D example builds the table of areas, and other processes share the cores: time says nothing here.
thorough = settings(deadline=None, max_examples=100)
slow = settings(deadline=None, max_examples=40)

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=8) | array_shapes(min_dims=3, max_dims=3, max_side=5)


@st.composite
def mask_pairs(draw, occupied=False):
    """Two masks of one shape; `occupied` keeps both from being empty."""
    shape = draw(SHAPES)
    pair = [draw(arrays(bool, shape)) for _ in range(2)]
    if occupied:
        for mask in pair:
            mask.flat[draw(st.integers(0, mask.size - 1))] = True
    return pair


@st.composite
def mask_pairs_with_spacing(draw, occupied=False):
    """Two masks and a spacing in quarters of a mm, so that distances are the same however they are rounded."""
    prediction, target = draw(mask_pairs(occupied))
    quarters = draw(st.tuples(*[st.integers(1, 16)] * target.ndim))
    return prediction, target, tuple(quarter / 4 for quarter in quarters)


def ellipsoid(shape, centre, radii):
    grid = np.ogrid[tuple(slice(size) for size in shape)]
    return sum(((x - c) / r) ** 2 for x, c, r in zip(grid, centre, radii, strict=True)) <= 1
