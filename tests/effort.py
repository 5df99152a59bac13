"""How hard the tests try: ``EXAMPLES=50`` is the gate's, which tries everything; less is for every day."""

import os

EXAMPLES = int(os.environ.get("EXAMPLES", "25"))
"""Examples of each property that states no number of its own."""

THOROUGH = EXAMPLES >= 50
"""Whether the slow ones of many like cases are tried too."""

ACCIDENTS_SEED = int(os.environ.get("ADPFL_ACCIDENTS_SEED", "0"))
"""Chooses the accidents that the tests try; ``make accidents`` tries them all."""
