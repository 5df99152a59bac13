"""Acquisition sites: what each one's camera, patients and habits do to a photograph.

Names, shares of the images and shares of the diagnoses follow the ``dataset`` column of the HAM10000 metadata
(Tschandl et al., 2018, doi:10.1038/sdata.2018.161). The looks are exaggerated sketches of the four sources, far
enough apart that a model trained at one site loses accuracy at another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from adpfl_bench.phantoms.constants import Range, read_columns
from adpfl_bench.phantoms.site_shift import MIXTURE, amount, factor, shift_sites


@dataclass(frozen=True)
class Site:
    """A site, which photographs lesions in its way.

    Attributes:
        name: As in the metadata.
        images: Number of images the site contributes to HAM10000; sets its share of a phantom.
        diagnoses: How often each diagnosis occurs, in images or as shares.
        median_area: Share of the image that a lesion typically fills.
        sun_damage: Freckles and dilated vessels of the patients' skin, in [0, 1].
        white_balance: Gain of red, green and blue.
        exposure: Gain of all channels.
        gamma: Exponent of the tone curve after the sRGB curve; above 1 is darker and harder.
        saturation: Factor on the distance from grey.
        vignetting: Loss of light at a distance of one image height from the centre.
        black_field: Probability that the black border of the field of view is in the image.
        field_radius: Radius of the field of view in image heights, where it shows.
        blur: Standard deviation of the blur, in thousandths of the image height.
        grain: Standard deviation of the noise.
        grain_size: Size of the grain, in thousandths of the image height; 0 for single pixels.
        jpeg_quality: Quality setting of the stored file.
        hair: Probability of hair.
        hair_count: Mean number of hairs where there is hair.
        scale: Probability of a printed millimetre scale.
        ruler: Probability of a paper ruler.
        ink: Probability of pen marks.
        fluid: Probability of immersion fluid or gel, which brings bubbles and glare.
    """

    name: str
    images: int
    diagnoses: Annotated[Mapping[str, float], MIXTURE]
    median_area: Annotated[float, factor(0.03, 0.45)]
    sun_damage: Annotated[float, amount(0, 1)]
    white_balance: Annotated[tuple[float, float, float], factor(0.3, 2)]
    exposure: Annotated[Range, factor(0.35, 2.5)]
    gamma: Annotated[Range, factor(0.5, 2.5)]
    saturation: Annotated[Range, factor(0.2, 2.5)]
    vignetting: Annotated[Range, amount(0, 2)]
    black_field: Annotated[float, amount(0, 1)]
    field_radius: Annotated[Range, factor(0.4, 1)]
    blur: Annotated[Range, factor(0.2, 20)]
    grain: Annotated[Range, factor(0.001, 0.1)]
    grain_size: Annotated[float, amount(0, 10)]
    jpeg_quality: Annotated[Range, amount(20, 98)]
    hair: Annotated[float, amount(0, 1)]
    hair_count: Annotated[float, factor(1, 30)]
    scale: Annotated[float, amount(0, 1)]
    ruler: Annotated[float, amount(0, 1)]
    ink: Annotated[float, amount(0, 1)]
    fluid: Annotated[float, amount(0, 1)]


# In a column each: a video dermatoscope (soft, violet, evenly lit, many small naevi); current digital dermatoscopes
# (sharp, bright, printed scale); a practice in Queensland (sun-damaged skin, close views, gel, warm light); scanned
# slides (film grain, yellow-green cast, hard contrast, round black frame).
_NAMES = ("vidir_molemax", "vidir_modern", "rosendahl", "vienna_dias")
_DIAGNOSES = (
    {"nv": 3720, "bkl": 124, "vasc": 54, "df": 30, "mel": 24, "bcc": 2},
    {"nv": 1832, "mel": 680, "bkl": 475, "bcc": 211, "vasc": 82, "df": 51, "akiec": 32},
    {"nv": 803, "bkl": 490, "mel": 342, "bcc": 296, "akiec": 295, "df": 30, "vasc": 3},
    {"nv": 350, "mel": 67, "bkl": 10, "bcc": 5, "df": 4, "vasc": 3},
)
# fmt: off
_TABLE = {
    #                 vidir_molemax     vidir_modern      rosendahl          vienna_dias
    "name": _NAMES,
    "diagnoses": _DIAGNOSES,
    "images":        (3954,             3363,             2259,              439),
    "median_area":   (0.09,             0.17,             0.26,              0.18),
    "sun_damage":    (0.1,              0.35,             0.9,               0.2),
    "white_balance": ((0.94, 0.9, 1.1), (1.0, 1.0, 0.97), (1.1, 0.92, 0.88), (0.96, 1.04, 0.74)),
    "exposure":      ((0.8, 1.0),       (1.0, 1.25),      (0.85, 1.15),      (0.6, 0.9)),
    "gamma":         ((0.85, 1.0),      (0.95, 1.15),     (1.0, 1.25),       (1.2, 1.5)),
    "saturation":    ((0.7, 0.95),      (0.95, 1.2),      (1.0, 1.3),        (0.9, 1.2)),
    "vignetting":    ((0.0, 0.15),      (0.1, 0.35),      (0.3, 0.7),        (0.3, 0.8)),
    "black_field":   (0.05,             0.25,             0.1,               0.7),
    "field_radius":  ((0.62, 0.72),     (0.55, 0.75),     (0.6, 0.8),        (0.5, 0.62)),
    "blur":          ((5.0, 8.0),       (0.5, 2.0),       (1.0, 3.0),        (3.0, 5.5)),
    "grain":         ((0.01, 0.02),     (0.004, 0.01),    (0.006, 0.014),    (0.014, 0.028)),
    "grain_size":    (0.0,              0.0,              0.0,               4.0),
    "jpeg_quality":  ((70, 85),         (88, 95),         (80, 92),          (75, 90)),
    "hair":          (0.35,             0.5,              0.65,              0.3),
    "hair_count":    (5.0,              8.0,              10.0,              6.0),
    "scale":         (0.0,              0.4,              0.0,               0.0),
    "ruler":         (0.0,              0.0,              0.12,              0.0),
    "ink":           (0.05,             0.05,             0.12,              0.0),
    "fluid":         (0.15,             0.3,              0.75,              0.5),
}
# fmt: on

SITES: Mapping[str, Site] = read_columns(Site, _NAMES, _TABLE)
"""The four sites by name, largest first."""


def shifted_sites(shift: float) -> Mapping[str, Site]:
    """Return the four sites with the differences between them, of patients and of cameras, times ``shift``."""
    return shift_sites(SITES, shift, lambda site: site.images)
