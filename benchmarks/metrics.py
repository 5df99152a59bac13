"""HD95, NSD and lesion-wise scores on masks of the size of BraTS, beside MONAI, surface-distance and plain definitions.

    OMP_NUM_THREADS=1 python benchmarks/metrics.py

The synthetic pair of masks has 240x240x155 voxels of 1 mm: a bumpy blob of the size of a tumour, and the same blob
moved and with other bumps. Where ``brats_sample`` is in the folder of real images (ADPFL_DATA, or ../shared/data beside
the repository), the segmentation there is set against an eroded and shifted copy of it. Repetitions are interleaved and
medians printed. HD95 has to equal MONAI's, and NSD that of surface-distance, to 1e-4, or the exit status is 1. The two
packages define a surface otherwise (MONAI by voxels at the edge, counted alike; surface-distance by elements between
voxels, weighted by their area), so their HD95 differ, and so do their NSD.

Lesion-wise scores and counts of components are then taken of the same pairs, and of the synthetic one with speckle, as
an untrained network predicts it, beside the definitions written down plainly (``tests/metrics/lesion_reference.py``):
whole arrays, one lesion at a time, as the challenges' own scorers are. They too have to be equal to 1e-4.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import surface_distance
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from adpfl_bench.metrics.brats_lesions import BRATS_2023_SCORES, BRATS_2024_SCORES
from adpfl_bench.metrics.false_components import COMPONENTS, FALSE_COMPONENTS, FALSE_POSITIVE_VOLUME
from adpfl_bench.metrics.functional import hausdorff_distance, normalized_surface_distance
from adpfl_bench.metrics.metric import MaskMetric
from adpfl_bench.metrics.region_masks import CaseMasks, RegionMasks
from adpfl_bench.metrics.registry import DICE, HD95, NSD
from adpfl_bench.phantoms.volumes.space import Space, depth_in_ellipsoid, smooth_field

Mask = NDArray[np.bool_]
Spacing = tuple[float, ...]

SHAPE, SPACING = (240, 240, 155), (1.0, 1.0, 1.0)
TOLERANCE, REPETITIONS, LARGEST_DIFFERENCE = 1.0, 7, 1e-4


def blobs() -> tuple[Mask, Mask]:
    """Two overlapping masks of about 120 ml."""
    space = Space(SHAPE, SPACING)
    generator = np.random.default_rng(0)
    masks = []
    for centre in ((20.0, -10.0, 5.0), (23.0, -8.0, 4.0)):
        depth = depth_in_ellipsoid(space, centre, (32.0, 27.0, 34.0)) + 0.15 * smooth_field(generator, space, 25)
        masks.append(np.asarray(depth > 0))
    return masks[0], masks[1]


def real_pair() -> tuple[Mask, Mask, Spacing] | None:
    """Whole tumour of the sample, eroded by a voxel and shifted, and as it is; ``None`` without the sample."""
    default = Path(__file__).parents[2] / "shared" / "data"
    found = sorted(Path(os.environ.get("ADPFL_DATA", default)).glob("brats_sample/*/*_seg.nii.gz"))
    if not found:
        return None
    image = nib.load(found[0])
    target = np.asarray(image.dataobj) > 0
    prediction = np.roll(binary_erosion(target), (2, -1, 1), axis=(0, 1, 2))
    return prediction, target, tuple(map(float, image.header.get_zooms()))


def ways(prediction: Mask, target: Mask, spacing: Spacing) -> dict[str, Callable[[], float]]:
    """Every way to compute HD95 and NSD."""
    p, t = (torch.from_numpy(mask)[None, None].float() for mask in (prediction, target))

    def package_distances() -> dict:
        return surface_distance.compute_surface_distances(target, prediction, spacing)

    def region() -> RegionMasks:
        return RegionMasks(prediction, target, spacing, TOLERANCE)

    return {
        "both ours, as scored": lambda: HD95.score(masks := region()) + NSD.score(masks),
        "HD95 ours": lambda: hausdorff_distance(prediction, target, spacing, percentile=95),
        "HD95 MONAI": lambda: float(compute_hausdorff_distance(p, t, percentile=95, spacing=spacing)),
        "NSD ours": lambda: normalized_surface_distance(prediction, target, TOLERANCE, spacing),
        "NSD MONAI": lambda: float(compute_surface_dice(p, t, [TOLERANCE], spacing=spacing)),
        "NSD MONAI, subvoxels": lambda: float(
            compute_surface_dice(p, t, [TOLERANCE], spacing=spacing, use_subvoxels=True)
        ),
        "NSD surface-distance": lambda: float(
            surface_distance.compute_surface_dice_at_tolerance(package_distances(), TOLERANCE)
        ),
        "HD95 surface-distance": lambda: float(surface_distance.compute_robust_hausdorff(package_distances(), 95)),
    }


def compare(title: str, prediction: Mask, target: Mask, spacing: Spacing) -> bool:
    """Print values, differences, times and their ratio of a pair; whether ours equal the references."""
    voxel = float(np.prod(spacing)) / 1000
    volumes = " and ".join(f"{voxel * np.count_nonzero(mask):.0f}" for mask in (prediction, target))
    edges = " x ".join(f"{edge:g}" for edge in spacing)
    print(f"{title}: {volumes} ml in {'x'.join(map(str, target.shape))} voxels of {edges} mm")
    computed = ways(prediction, target, spacing)
    values = {name: way() for name, way in computed.items()}
    seconds: dict[str, list[float]] = {name: [] for name in computed}
    for _ in range(REPETITIONS):
        for name, way in computed.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, value in list(values.items())[1:]:
        print(f"  {name:<24} {value:>9.5f}   {1000 * medians[name]:>7.0f} ms")
    differences = {
        "HD95, ours and MONAI": abs(values["HD95 ours"] - values["HD95 MONAI"]),
        "NSD, ours and surface-distance": abs(values["NSD ours"] - values["NSD surface-distance"]),
    }
    for name, difference in differences.items():
        print(f"  difference of {name}: {difference:.1e}")
    ours = medians["both ours, as scored"]
    print(f"  both ours, as a run scores them: {1000 * ours:.0f} ms")
    for name in ("NSD MONAI", "NSD MONAI, subvoxels"):
        ratio = (medians["HD95 MONAI"] + medians[name]) / ours
        print(f"  HD95 MONAI and {name} together take {ratio:.1f} times as long as ours")
    # A NaN is no agreement either.
    return all(difference <= LARGEST_DIFFERENCE for difference in differences.values())


def compare_lesions(title: str, prediction: Mask, target: Mask, spacing: Spacing) -> bool:
    """Print lesion-wise scores and counts of a pair, and times beside HD95 and NSD and beside the plain definition."""
    empty = np.zeros_like(target)
    others = {name: (empty, empty) for name in ("NETC", "SNFH", "ET", "RC")}

    def region() -> RegionMasks:
        case = CaseMasks({"WT": (prediction, target), **others})
        return RegionMasks(prediction, target, spacing, TOLERANCE, "WT", case)

    def scored(*metrics: MaskMetric) -> Callable[[], list[float]]:
        return lambda: [metric.score(masks) for masks in [region()] for metric in metrics]

    steps: dict[str, Callable[[], list[float]]] = {
        "HD95 and NSD": scored(HD95, NSD),
        "components, false ones, their volume": scored(COMPONENTS, FALSE_COMPONENTS, FALSE_POSITIVE_VOLUME),
        "lesion-wise, 2023": scored(*BRATS_2023_SCORES[:2]),
        "lesion-wise, 2024": scored(*BRATS_2024_SCORES),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(REPETITIONS):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"{title}: Dice {DICE.score(region()):.4f}; " + ", ".join(f"{value:g}" for value in steps[list(steps)[1]]()))
    for name in list(steps)[1:]:
        print(f"  {name:<38} {medians[name] / medians['HD95 and NSD']:>6.2f} times as long as HD95 and NSD")
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.metrics import lesion_reference  # the definitions stand beside the tests

    equal = True
    plain = {
        "lesion-wise, 2023": lambda: lesion_reference.brats2023(prediction, target, spacing)[:2],
        "lesion-wise, 2024": lambda: lesion_reference.brats2024(
            {name: pair[0] for name, pair in region().case.regions.items()},
            {name: pair[1] for name, pair in region().case.regions.items()},
            "WT",
            spacing,
        ),
    }
    for name, definition in plain.items():
        start = time.perf_counter()
        expected = definition()
        took = time.perf_counter() - start
        difference = float(np.abs(expected - steps[name]()).max())
        equal &= difference <= LARGEST_DIFFERENCE
        print(f"  {name}: plainly {took / medians[name]:.1f} times as long; largest difference {difference:.1e}")
    return equal


def main() -> int:
    """Compare on the synthetic pair, and on the real one where there is one."""
    warnings.filterwarnings("ignore", message=".*always_return_as_numpy.*")
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # surface-distance's own
    prediction, target = blobs()
    equal = compare("synthetic", prediction, target, SPACING)
    equal &= compare_lesions("synthetic, lesions", prediction, target, SPACING)
    speckle = np.random.default_rng(1).random(SHAPE) < 2e-5
    equal &= compare_lesions("synthetic with speckle, lesions", prediction | speckle, target, SPACING)
    real = real_pair()
    if real is None:
        print("no real pair: brats_sample is not in the folder of real images (ADPFL_DATA)")
    else:
        equal &= compare("real, whole tumour", *real)
        equal &= compare_lesions("real, lesions", *real)
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
