import numpy as np
import pytest

from adpfl_bench.metrics.functional import nearest


@pytest.fixture(scope="module", params=[np.inf, 0.0], ids=["tree", "transform"])
def way(request):
    """Finds nearest points in one of the two ways, whatever suits the masks: small ones would never use the tree."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "DENSE", request.param)
        yield
