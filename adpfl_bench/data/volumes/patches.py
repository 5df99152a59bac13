"""Training examples of volumes: one patch of one patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from adpfl_bench.data.case_grid import Shape3
from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.data.rounds.augmentation import Augmentation, augment
from adpfl_bench.data.rounds.round_plan import ExampleKey
from adpfl_bench.data.volumes.store import StoredCase
from adpfl_bench.federation.training_batch import Example
from adpfl_bench.seeding import derive_seed, numpy_generator


class PatchExamples(Dataset[Example]):
    """Patches of patients; an example is a patient, so one draw never holds two patches of the same one.

    A draw chooses one of the patient's cases, then where the patch lies: with ``foreground_probability`` around a
    voxel of a class drawn from those present, otherwise anywhere. All of it depends on the example's seed alone.

    Args:
        patients: The prepared cases of each patient.
        scheme: Makes region masks of the label maps.
        size: Shape of a patch in voxels.
        foreground_probability: Share of patches that are centred on a structure.
        background: Value around a volume that is smaller than the patch.
        augmentation: Random transform, or ``None``.
    """

    def __init__(
        self,
        patients: Sequence[Sequence[StoredCase]],
        scheme: LabelScheme,
        size: Shape3,
        foreground_probability: float,
        background: float,
        augmentation: Augmentation | None,
    ) -> None:
        self._patients = patients
        self._scheme = scheme
        self._size = size
        self._foreground_probability = foreground_probability
        self._background = background
        self._augmentation = augmentation

    def __len__(self) -> int:
        return len(self._patients)

    def __getitem__(self, key: ExampleKey) -> Example:
        """Bring ``image`` [C, *size] and ``label`` [P, *size], both float32."""
        generator = numpy_generator(key.seed, "patch")
        cases = self._patients[key.example]
        case = cases[int(generator.integers(len(cases)))]
        corner = draw_corner(
            generator, case.grid.network_shape, self._size, case.foreground, self._foreground_probability
        )
        pixels, label_map = read_patch(case, corner, self._size, self._background)
        image = torch.from_numpy(pixels).float()
        masks = self._scheme.masks(label_map, self._scheme.predicted)
        label = torch.from_numpy(masks.view(np.uint8)).float()  # torch converts bytes faster than truth values
        if self._augmentation is not None:
            image, label = augment(self._augmentation, image, label, derive_seed(key.seed, "augment"))
        return Example(image, label)


def draw_corner(
    generator: np.random.Generator,
    shape: Shape3,
    size: Shape3,
    foreground: Mapping[int, NDArray[np.int16]],
    foreground_probability: float,
) -> Shape3:
    """Draw the first voxel of a patch.

    Args:
        generator: Where chance comes from.
        shape: Shape of the volume.
        size: Shape of the patch. Along an axis where it is the longer one, the volume lies in its middle.
        foreground: Voxels of each class, [N, 3].
        foreground_probability: How often the patch is centred on one of them (as far as it stays in the volume).
    """
    around = generator.random() < foreground_probability and bool(foreground)
    if around:
        voxels = foreground[sorted(foreground)[int(generator.integers(len(foreground)))]]
        centre = voxels[int(generator.integers(len(voxels)))]
    corner = []
    for axis, (side, wanted) in enumerate(zip(shape, size, strict=True)):
        room = side - wanted
        if room <= 0:
            corner.append(-((wanted - side) // 2))
        elif around:
            corner.append(min(max(int(centre[axis]) - wanted // 2, 0), room))
        else:
            corner.append(int(generator.integers(room + 1)))
    x, y, z = corner
    return x, y, z


def read_patch(
    case: StoredCase, corner: Shape3, size: Shape3, background: float
) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
    """Read a patch: image [C, *size] and label map [*size]; what lies outside of the volume is background."""
    shape = case.grid.network_shape
    starts = [max(first, 0) for first in corner]
    stops = [min(first + wanted, side) for first, wanted, side in zip(corner, size, shape, strict=True)]
    within = tuple(slice(start, stop) for start, stop in zip(starts, stops, strict=True))
    image, label = case.read_image(within), case.read_label(within)
    if label.shape == size:
        return image, label
    before = [start - first for start, first in zip(starts, corner, strict=True)]
    pads = [(b, wanted - b - have) for b, wanted, have in zip(before, size, label.shape, strict=True)]
    padded = np.pad(image, [(0, 0), *pads], constant_values=background)
    return padded, np.pad(label, pads)
