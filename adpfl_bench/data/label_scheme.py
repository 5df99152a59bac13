"""Which structures a label map holds, which regions are scored, and which of them a network predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

LabelMap = NDArray[np.uint8]
Masks = NDArray[np.bool_]


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
        regions: Scored regions, each with its classes.
        painting: Regions that the network predicts, each with the class that it is painted with, in painting order.
        tolerances: Tolerance in mm of each region's normalised surface distance.
        source: Where regions, order and tolerances are published.
    """

    name: str
    classes: tuple[str, ...]
    regions: Mapping[str, tuple[str, ...]]
    painting: tuple[tuple[str, str], ...]
    tolerances: Mapping[str, float] = field(default_factory=dict)
    source: str = ""

    @property
    def predicted(self) -> tuple[str, ...]:
        """Names of the regions that the network predicts, in the order of its channels."""
        return tuple(region for region, _ in self.painting)

    def masks(self, label_map: LabelMap, regions: Sequence[str] | None = None) -> Masks:
        """Make region masks of a label map.

        Args:
            label_map: Integer label map, [*grid].
            regions: Names of the regions; by default all that are scored.

        Returns:
            Boolean masks [R, *grid].
        """
        names = tuple(self.regions) if regions is None else tuple(regions)
        masks = np.zeros((len(names), *label_map.shape), dtype=np.bool_)
        for mask, name in zip(masks, names, strict=True):
            for cls in self.regions[name]:
                mask |= label_map == self.classes.index(cls) + 1
        return masks

    def paint(self, masks: Masks) -> LabelMap:
        """Make a label map of the masks that a network predicted.

        Args:
            masks: Boolean masks [P, *grid] in the order of ``predicted``.

        Returns:
            Label map [*grid].
        """
        label_map = np.zeros(masks.shape[1:], dtype=np.uint8)
        for mask, (_, cls) in zip(masks, self.painting, strict=True):
            label_map[mask] = self.classes.index(cls) + 1
        return label_map


KITS = LabelScheme(
    name="kits",
    classes=("kidney", "tumour", "cyst"),
    regions={
        "kidney_and_masses": ("kidney", "tumour", "cyst"),
        "masses": ("tumour", "cyst"),
        "tumour": ("tumour",),
    },
    painting=(("kidney_and_masses", "kidney"), ("masses", "cyst"), ("tumour", "tumour")),
    tolerances={
        "kidney_and_masses": 1.0330772532390826,
        "masses": 1.1328796488598762,
        "tumour": 1.1498198361434828,
    },
    source="KiTS21 and KiTS23, github.com/neheller/kits23, kits23/configuration/labels.py",
)

KITS19 = LabelScheme(
    name="kits19",
    classes=("kidney", "tumour"),
    regions={"kidney_and_masses": ("kidney", "tumour"), "tumour": ("tumour",)},
    painting=(("kidney_and_masses", "kidney"), ("tumour", "tumour")),
    tolerances={"kidney_and_masses": 1.0330772532390826, "tumour": 1.1498198361434828},
    source="KiTS19 (no cyst label), kits19.grand-challenge.org; tolerances of KiTS21 and KiTS23",
)

_WT, _TC, _ET = ("NETC", "SNFH", "ET"), ("NETC", "ET"), ("ET",)

BRATS = LabelScheme(
    name="brats",
    classes=("NETC", "SNFH", "ET"),
    regions={"WT": _WT, "TC": _TC, "ET": _ET},
    painting=(("WT", "SNFH"), ("TC", "NETC"), ("ET", "ET")),
    tolerances={"WT": 1.0, "TC": 1.0, "ET": 1.0},
    source="BraTS 2018 to 2023, arXiv 2107.02314; the tolerance of 1 mm is that of BraTS 2024",
)

BRATS_2024 = LabelScheme(
    name="brats2024",
    classes=("NETC", "SNFH", "ET", "RC"),
    regions={"WT": _WT, "TC": _TC, "ET": _ET, "NETC": ("NETC",), "SNFH": ("SNFH",), "RC": ("RC",)},
    # NETC is predicted itself: painted as what TC has over ET, every case without it gets slivers along the edge of ET.
    painting=(("WT", "SNFH"), ("NETC", "NETC"), ("ET", "ET"), ("RC", "RC")),
    tolerances=dict.fromkeys(("WT", "TC", "ET", "NETC", "SNFH", "RC"), 1.0),
    source="BraTS 2024 adult glioma after treatment, arXiv 2405.18368",
)

LGG = LabelScheme(
    name="lgg",
    classes=("abnormality",),
    regions={"abnormality": ("abnormality",)},
    painting=(("abnormality", "abnormality"),),
    source="FLAIR abnormality, Buda et al. 2019, arXiv 1906.03720",
)

SCHEMES: Mapping[str, LabelScheme] = MappingProxyType(
    {scheme.name: scheme for scheme in (KITS, KITS19, BRATS, BRATS_2024, LGG)}
)
"""All label schemes by name."""
