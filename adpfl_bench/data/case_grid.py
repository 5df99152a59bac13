"""Case grid: the way from a file's voxels to the network's, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import nibabel as nib
import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Affine = NDArray[np.float64]
Shape3 = tuple[int, int, int]
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


class CaseGrid:
    """The three grids of a case and how they lie in each other.

    * the *file's* grid, with whatever axes its affine states;
    * the *canonical* grid: the same voxels in RAS+ order (x to the patient's right, y to the front, z to the head);
    * the *network's* grid: a box of the canonical grid, resampled.

    Resampling aligns the outer faces of the box (voxel centres at half voxels), so it commutes with flips, and the
    network's spacing is the box's exact extent divided by its number of voxels.

    It is no dataclass, because Lightning copies and changes those when it moves a batch to a device.

    Args:
        shape: Shape of the file's array.
        affine: Voxel indices of the file to mm (RAS+).
        box: (start, stop) along each canonical axis; by default everything.
        network_shape: Shape of the network's grid; by default that of the box.
    """

    def __init__(
        self, shape: Shape3, affine: Affine, box: Box | None = None, network_shape: Shape3 | None = None
    ) -> None:
        self.shape = shape
        self.affine = np.asarray(affine, dtype=np.float64)
        self._orientation = nib.orientations.io_orientation(self.affine)
        sides = np.empty(3, dtype=int)
        edges = np.empty(3)
        target = self._orientation[:, 0].astype(int)
        sides[target] = shape
        edges[target] = np.linalg.norm(self.affine[:3, :3], axis=0)
        self.canonical_shape: Shape3 = (int(sides[0]), int(sides[1]), int(sides[2]))
        self.canonical_spacing = (float(edges[0]), float(edges[1]), float(edges[2]))
        x, y, z = self.canonical_shape
        self.box: Box = box or ((0, x), (0, y), (0, z))
        self.network_shape: Shape3 = network_shape or self.box_shape

    @property
    def box_shape(self) -> Shape3:
        """Shape of the box in canonical voxels."""
        x, y, z = (stop - start for start, stop in self.box)
        return x, y, z

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel edge lengths in mm along the axes of the file's array."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def network_spacing(self) -> tuple[float, float, float]:
        """Voxel edge lengths in mm of the network's grid."""
        x, y, z = (
            edge * old / new
            for edge, old, new in zip(self.canonical_spacing, self.box_shape, self.network_shape, strict=True)
        )
        return x, y, z

    def to_canonical(self, array: NDArray[Any]) -> NDArray[Any]:
        """Bring an array [*file] to RAS+ order."""
        turned: NDArray[Any] = nib.orientations.apply_orientation(array, self._orientation)
        return turned

    def to_file(self, array: NDArray[Any]) -> NDArray[Any]:
        """Bring an array [*canonical] to the axes of the file."""
        canonical = nib.orientations.axcodes2ornt("RAS")
        back = nib.orientations.ornt_transform(canonical, self._orientation)
        turned: NDArray[Any] = nib.orientations.apply_orientation(array, back)
        return turned

    def to_network(self, masks: NDArray[Any]) -> NDArray[Any]:
        """Bring masks [R, *file] to the network's grid by nearest neighbour, [R, *network]."""
        within = tuple(slice(start, stop) for start, stop in self.box)
        return np.stack([resize(self.to_canonical(mask)[within], self.network_shape, order=0) for mask in masks])

    def restore(self, logits: Tensor) -> NDArray[np.bool_]:
        """Bring logits [P, *network] back to the file's grid, as boolean masks [P, *file].

        They are interpolated linearly to the box and cut at 0; outside of it the masks are False.
        """
        return np.stack([self._whole((self._in_box(channel) > 0).cpu().numpy()) for channel in logits])

    def restore_values(self, values: Tensor) -> NDArray[np.float32]:
        """Bring values [P, *network] back to the file's grid, [P, *file], linearly; outside of the box they are 0."""
        return np.stack([self._whole(self._in_box(channel).float().cpu().numpy()) for channel in values])

    def _in_box(self, channel: Tensor) -> Tensor:
        from torch.nn import functional  # deferred: preparing data does without torch

        if tuple(channel.shape) == self.box_shape:
            return channel
        whole = channel[None, None].float()
        return functional.interpolate(whole, size=self.box_shape, mode="trilinear", align_corners=False)[0, 0]

    def _whole(self, inside: NDArray[Any]) -> NDArray[Any]:
        """Values of the box on the file's grid."""
        canonical = np.zeros(self.canonical_shape, dtype=inside.dtype)
        canonical[tuple(slice(start, stop) for start, stop in self.box)] = inside
        return self.to_file(canonical)

    def to_json(self) -> dict[str, Any]:
        """Arguments that make an equal grid, for a JSON file."""
        return {
            "shape": list(self.shape),
            "affine": self.affine.tolist(),
            "box": [list(side) for side in self.box],
            "network_shape": list(self.network_shape),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> CaseGrid:
        """Make the grid that ``to_json`` described."""
        x, y, z = ((int(start), int(stop)) for start, stop in content["box"])
        return cls(_shape(content["shape"]), np.array(content["affine"]), (x, y, z), _shape(content["network_shape"]))


def resize(array: NDArray[Any], shape: Shape3, order: Literal[0, 1]) -> NDArray[Any]:
    """Resize a volume so that its outer faces stay where they are, by nearest neighbour (order 0) or linearly (1)."""
    if array.shape == shape:
        return array
    factors = [new / old for new, old in zip(shape, array.shape, strict=True)]
    resized: NDArray[Any] = scipy.ndimage.zoom(array, factors, order=order, mode="nearest", grid_mode=True)
    return resized


def _shape(sides: Any) -> Shape3:
    x, y, z = (int(side) for side in sides)
    return x, y, z
