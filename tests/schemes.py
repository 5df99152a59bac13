"""The label schemes of the suite's datasets."""

from adpfl_bench.datasets.brats import BRATS, BRATS_2024
from adpfl_bench.datasets.kits import KITS, KITS19
from adpfl_bench.datasets.lgg import LGG

SCHEMES = {scheme.name: scheme for scheme in (KITS, KITS19, BRATS, BRATS_2024, LGG)}
