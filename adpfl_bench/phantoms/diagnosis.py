"""How lesions of each diagnosis tend to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

Range = tuple[float, float]
"""Lower and upper bound of a uniform draw."""


@dataclass(frozen=True)
class Diagnosis:
    """Ranges and probabilities from which a lesion's appearance is drawn.

    Attributes:
        irregularity: Relative amplitude of the bumps of the outline.
        elongation: Ratio of the long to the short axis.
        softness: Width of the border in lesion radii.
        melanin: Optical density of the lightest and of the darkest tone.
        blood: Optical density of blood added inside the lesion.
        network: Probability of a pigment network.
        globules: Probability of globules; lacunae if they are filled with blood.
        veil: Probability of a blue-white area.
        regression: Probability of an area that lost its pigment.
        keratin: Probability of scale or horn cysts.
        confirmation: How the diagnosis is usually made, as the metadata abbreviates it.
    """

    irregularity: Range
    elongation: Range
    softness: Range
    melanin: Range
    blood: Range
    network: float = 0.0
    globules: float = 0.0
    veil: float = 0.0
    regression: float = 0.0
    keratin: float = 0.0
    confirmation: str = "histo"


DIAGNOSES: Mapping[str, Diagnosis] = MappingProxyType(
    {
        "nv": Diagnosis(
            irregularity=(0.05, 0.16),
            elongation=(1.0, 1.6),
            softness=(0.08, 0.30),
            melanin=(0.30, 1.9),
            blood=(0.0, 0.20),
            network=0.55,
            globules=0.35,
            veil=0.05,
            regression=0.1,
            confirmation="follow_up",
        ),
        "mel": Diagnosis(
            irregularity=(0.14, 0.32),
            elongation=(1.0, 1.9),
            softness=(0.08, 0.35),
            melanin=(0.35, 3.0),
            blood=(0.0, 0.35),
            network=0.5,
            globules=0.5,
            veil=0.5,
            regression=0.4,
        ),
        "bkl": Diagnosis(
            irregularity=(0.08, 0.24),
            elongation=(1.0, 1.8),
            softness=(0.05, 0.16),
            melanin=(0.28, 1.3),
            blood=(0.0, 0.20),
            network=0.15,
            globules=0.2,
            veil=0.05,
            keratin=0.65,
        ),
        "bcc": Diagnosis(
            irregularity=(0.08, 0.22),
            elongation=(1.0, 1.6),
            softness=(0.10, 0.30),
            melanin=(0.08, 0.6),
            blood=(0.25, 0.65),
            globules=0.4,
            veil=0.4,
            keratin=0.2,
        ),
        "akiec": Diagnosis(
            irregularity=(0.10, 0.25),
            elongation=(1.0, 1.7),
            softness=(0.12, 0.35),
            melanin=(0.10, 0.5),
            blood=(0.30, 0.75),
            globules=0.3,
            keratin=0.7,
        ),
        "df": Diagnosis(
            irregularity=(0.04, 0.12),
            elongation=(1.0, 1.3),
            softness=(0.20, 0.40),
            melanin=(0.30, 0.8),
            blood=(0.05, 0.25),
            network=0.5,
            regression=1.0,
            confirmation="consensus",
        ),
        "vasc": Diagnosis(
            irregularity=(0.05, 0.18),
            elongation=(1.0, 1.5),
            softness=(0.05, 0.15),
            melanin=(0.02, 0.4),
            blood=(0.9, 2.2),
            globules=0.9,
            veil=0.15,
            confirmation="consensus",
        ),
    }
)
"""The seven classes of the HAM10000 metadata."""
