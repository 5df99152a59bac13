"""Diagnoses, and how lesions of each tend to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adpfl_bench.phantoms.constants import Range, read_columns


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
    network: float
    globules: float
    veil: float
    regression: float
    keratin: float
    confirmation: str


# fmt: off
_TABLE = {
    #                nv            mel           bkl           bcc           akiec         df            vasc
    "irregularity": ((0.05, 0.16), (0.14, 0.32), (0.08, 0.24), (0.08, 0.22), (0.1, 0.25),  (0.04, 0.12), (0.05, 0.18)),
    "elongation":   ((1.0, 1.6),   (1.0, 1.9),   (1.0, 1.8),   (1.0, 1.6),   (1.0, 1.7),   (1.0, 1.3),   (1.0, 1.5)),
    "softness":     ((0.08, 0.3),  (0.08, 0.35), (0.05, 0.16), (0.1, 0.3),   (0.12, 0.35), (0.2, 0.4),   (0.05, 0.15)),
    "melanin":      ((0.3, 1.9),   (0.35, 3.0),  (0.28, 1.3),  (0.08, 0.6),  (0.1, 0.5),   (0.3, 0.8),   (0.02, 0.4)),
    "blood":        ((0.0, 0.2),   (0.0, 0.35),  (0.0, 0.2),   (0.25, 0.65), (0.3, 0.75),  (0.05, 0.25), (0.9, 2.2)),
    "network":      (0.55,         0.5,          0.15,         0.0,          0.0,          0.5,          0.0),
    "globules":     (0.35,         0.5,          0.2,          0.4,          0.3,          0.0,          0.9),
    "veil":         (0.05,         0.5,          0.05,         0.4,          0.0,          0.0,          0.15),
    "regression":   (0.1,          0.4,          0.0,          0.0,          0.0,          1.0,          0.0),
    "keratin":      (0.0,          0.0,          0.65,         0.2,          0.7,          0.0,          0.0),
    "confirmation": ("follow_up",  "histo",      "histo",      "histo",      "histo",      "consensus",  "consensus"),
}
# fmt: on

DIAGNOSES: Mapping[str, Diagnosis] = read_columns(Diagnosis, ("nv", "mel", "bkl", "bcc", "akiec", "df", "vasc"), _TABLE)
"""The seven classes of the HAM10000 metadata."""
