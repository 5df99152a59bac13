"""A few of the accidents that ``make accidents`` arranges at every file operation of a run."""

import random

import pytest

from tests.accidents.disk import missing
from tests.accidents.every_operation import Campaign
from tests.effort import ACCIDENTS_SEED, THOROUGH

pytestmark = pytest.mark.skipif(missing() is not None, reason=f"no accidents are arranged: {missing()}")


def test_accidents_at_file_operations_are_mended(tmp_path):
    campaign = Campaign(tmp_path)
    points = random.Random(ACCIDENTS_SEED).sample(campaign.points(), 12 if THOROUGH else 2)
    unmended = {point: problems for point in points if (problems := campaign.problems(point))}
    campaign.close()
    assert len(campaign.operations) > 100
    assert unmended == {}
