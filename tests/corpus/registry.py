"""All kinds of bad input."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tests.corpus.bad_masks import MASKS
from tests.corpus.bad_pictures import PICTURES
from tests.corpus.bad_slices import SLICES
from tests.corpus.kind import Kind

KINDS: Sequence[Kind] = (*PICTURES, *MASKS, *SLICES)


def areas() -> list[str]:
    """Return the areas in their order."""
    return list(Counter(kind.area for kind in KINDS))


def sample(seed: int, share: float, among: Sequence[Kind] = KINDS) -> list[Kind]:
    """Draw a share of the kinds, at least one of each area."""
    generator = np.random.default_rng(seed)
    chosen = []
    for area in dict.fromkeys(kind.area for kind in among):
        of_area = [kind for kind in among if kind.area == area]
        count = max(1, round(share * len(of_area)))
        chosen += [of_area[index] for index in sorted(generator.permutation(len(of_area))[:count])]
    return chosen
