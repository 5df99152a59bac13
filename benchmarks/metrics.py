"""HD95 and NSD on masks of the size of BraTS, beside MONAI and the surface-distance package.

    OMP_NUM_THREADS=1 python benchmarks/metrics.py

The pair of masks has 240x240x155 voxels of 1 mm: a bumpy blob of the size of a tumour, and the same blob moved and
with other bumps. Repetitions are interleaved and medians printed. HD95 has to equal MONAI's, and NSD that of
surface-distance, to 1e-4, or the exit status is 1. The two packages define a surface otherwise (MONAI by voxels at the
edge, counted alike; surface-distance by elements between voxels, weighted by their area), so their HD95 differ, and so
do their NSD.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import surface_distance
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice

from adpfl_bench.data.phantoms.volumes.space import Space, depth_in_ellipsoid, smooth_field
from adpfl_bench.metrics.functional import hausdorff_distance, normalized_surface_distance

SHAPE, SPACING, TOLERANCE, REPETITIONS = (240, 240, 155), (1.0, 1.0, 1.0), 1.0, 7


def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Two overlapping masks of about 120 ml."""
    space = Space(SHAPE, SPACING)
    generator = np.random.default_rng(0)
    masks = []
    for centre in ((20.0, -10.0, 5.0), (23.0, -8.0, 4.0)):
        depth = depth_in_ellipsoid(space, centre, (32.0, 27.0, 34.0)) + 0.15 * smooth_field(generator, space, 25)
        masks.append(np.asarray(depth > 0))
    return masks[0], masks[1]


def main() -> int:
    """Print values, differences, times and their ratio."""
    warnings.filterwarnings("ignore", message=".*always_return_as_numpy.*")
    prediction, target = blobs()
    p, t = (torch.from_numpy(mask)[None, None].float() for mask in (prediction, target))

    def package_distances() -> dict:
        return surface_distance.compute_surface_distances(target, prediction, SPACING)

    ways: dict[str, Callable[[], float]] = {
        "HD95 ours": lambda: hausdorff_distance(prediction, target, SPACING, percentile=95),
        "HD95 MONAI": lambda: float(compute_hausdorff_distance(p, t, percentile=95, spacing=SPACING)),
        "NSD ours": lambda: normalized_surface_distance(prediction, target, TOLERANCE, SPACING),
        "NSD MONAI": lambda: float(compute_surface_dice(p, t, [TOLERANCE], spacing=SPACING)),
        "NSD MONAI, subvoxels": lambda: float(
            compute_surface_dice(p, t, [TOLERANCE], spacing=SPACING, use_subvoxels=True)
        ),
        "NSD surface-distance": lambda: float(
            surface_distance.compute_surface_dice_at_tolerance(package_distances(), TOLERANCE)
        ),
        "HD95 surface-distance": lambda: float(surface_distance.compute_robust_hausdorff(package_distances(), 95)),
    }
    values = {name: way() for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPETITIONS):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(
        f"{prediction.sum() / 1000:.0f} and {target.sum() / 1000:.0f} ml in {'x'.join(map(str, SHAPE))} voxels of 1 mm"
    )
    for name, value in values.items():
        print(f"  {name:<24} {value:>9.5f}   {1000 * medians[name]:>7.0f} ms")
    differences = {
        "HD95, ours and MONAI": abs(values["HD95 ours"] - values["HD95 MONAI"]),
        "NSD, ours and surface-distance": abs(values["NSD ours"] - values["NSD surface-distance"]),
    }
    for name, difference in differences.items():
        print(f"  difference of {name}: {difference:.1e}")
    ours = medians["HD95 ours"] + medians["NSD ours"]
    for name in ("NSD MONAI", "NSD MONAI, subvoxels"):
        ratio = (medians["HD95 MONAI"] + medians[name]) / ours
        print(f"  HD95 MONAI and {name} together take {ratio:.1f} times as long as ours")
    return 0 if max(differences.values()) <= 1e-4 else 1


if __name__ == "__main__":
    sys.exit(main())
