"""Label scheme: classes of a label map, regions that are scored, and those that a network predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.errors import ConfigError

LabelMap = NDArray[np.uint8]
Masks = NDArray[np.bool_]

UNNAMED = ("foreground",)
"""Classes of masks that do not say what they are of."""


@dataclass(frozen=True)
class LabelScheme:
    """Classes of a label map, the regions made of them, and the way back.

    Inside the suite a label map holds 0 for background and ``i + 1`` for ``classes[i]``, whatever values a
    publisher's files use. Regions are unions of classes and may overlap, so a network predicts each as a sigmoid of
    its own. Its label map is then painted region by region in the challenge's order, later over earlier ones, and
    every region is scored as it stands in that label map: what is scored is what a submitted file would hold.

    Attributes:
        name: Name of the scheme, as a task's ``label_scheme`` gives it.
        classes: Classes of the label map, in order.
        regions: Scored regions, each with its classes; by default each class is one.
        painting: Regions that the network predicts, each with the class that it is painted with, in painting order; by
            default all, each with the first of its classes.
        tolerances: Tolerance of each region's normalised surface distance, in mm or, of files that do not state the
            size of a voxel, in percent of the image's diagonal.
        source: Where regions, order and tolerances are published.

    Raises:
        ConfigError: A region holds a class that is not among ``classes``, or is painted and not among ``regions``.

    Example:
        >>> scheme = LabelScheme("heart", ("wall", "chamber"))
        >>> scheme.predicted
        ('wall', 'chamber')
    """

    name: str
    classes: tuple[str, ...]
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    painting: tuple[tuple[str, str], ...] = ()
    tolerances: Mapping[str, float] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        regions = self.regions or {name: (name,) for name in self.classes}
        if empty := [region for region, classes in regions.items() if not classes]:
            raise ConfigError(f"The region {empty[0]} of the label scheme {self.name} has no class; give it one.")
        painting = self.painting or tuple((region, classes[0]) for region, classes in regions.items())
        object.__setattr__(self, "regions", regions)
        object.__setattr__(self, "painting", painting)
        unknown = {cls for classes in regions.values() for cls in classes} | {cls for _, cls in painting}
        if unknown := unknown - set(self.classes):
            raise ConfigError(
                f"The label scheme {self.name} uses the classes {', '.join(sorted(unknown))}, which are not among its"
                f" own: {', '.join(self.classes)}."
            )
        if strange := set(self.predicted) - set(regions):
            raise ConfigError(
                f"The label scheme {self.name} paints {', '.join(sorted(strange))}, which are not among its regions:"
                f" {', '.join(regions)}."
            )

    @property
    def predicted(self) -> tuple[str, ...]:
        """Names of the regions that the network predicts, in the order of its channels."""
        return tuple(region for region, _ in self.painting)

    def masks(self, label_map: LabelMap, regions: Sequence[str] | None = None) -> Masks:
        """Make boolean masks [R, *grid] of a label map; by default of all regions that are scored."""
        names = tuple(self.regions) if regions is None else tuple(regions)
        masks = np.zeros((len(names), *label_map.shape), dtype=np.bool_)
        for mask, name in zip(masks, names, strict=True):
            for cls in self.regions[name]:
                mask |= label_map == self.classes.index(cls) + 1
        return masks

    def paint(self, masks: Masks) -> LabelMap:
        """Make a label map [*grid] of the masks [P, *grid] that a network predicted, in the order of ``predicted``."""
        label_map = np.zeros(masks.shape[1:], dtype=np.uint8)
        for mask, (_, cls) in zip(masks, self.painting, strict=True):
            label_map[mask] = self.classes.index(cls) + 1
        return label_map
