"""What the tests of memory share."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture
def only_new_objects() -> Iterator[None]:
    """Hides the hundred thousands of objects that libraries made from the garbage collector, so that it is quick."""
    gc.freeze()
    yield
    gc.unfreeze()
