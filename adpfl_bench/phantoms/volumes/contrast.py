"""Contrast phases of CT: how bright tissues are after the contrast agent was injected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

FAT, MUSCLE, AIR = -100.0, 58.0, -1000.0


@dataclass(frozen=True)
class Phase:
    """Attenuation of the tissues that take up contrast agent, in HU.

    Attributes:
        aorta: Arteries.
        vein: Inferior vena cava.
        liver: Liver.
        spleen: Spleen.
        bowel: Wall of stomach and bowel.
        cortex: Outer layer of the kidney.
        medulla: Its inside.
        tumour: Range of the solid part of tumours.
    """

    aorta: float
    vein: float
    liver: float
    spleen: float
    bowel: float
    cortex: float
    medulla: float
    tumour: tuple[float, float]


PHASES: Mapping[str, Phase] = MappingProxyType(
    {
        "unenhanced": Phase(42, 40, 56, 48, 40, 33, 30, (36, 46)),
        "corticomedullary": Phase(270, 110, 75, 120, 85, 205, 125, (60, 92)),
        "nephrographic": Phase(155, 145, 112, 122, 78, 182, 172, (52, 85)),
    }
)
