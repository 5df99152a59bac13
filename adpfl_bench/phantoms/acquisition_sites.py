"""The acquisition sites: what each one's camera, patients and habits do to a photograph.

Names, shares of the images and shares of the diagnoses follow the ``dataset`` column of the HAM10000 metadata
(Tschandl et al., 2018, doi:10.1038/sdata.2018.161). The looks are exaggerated sketches of the four sources, far
enough apart that a model trained at one site loses accuracy at another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from adpfl_bench.phantoms.diagnosis import Range
from adpfl_bench.phantoms.site_shift import Trait, amount, factor, shift_sites


@dataclass(frozen=True)
class Site:
    """How photographs of one site come about.

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
    diagnoses: Mapping[str, float]
    median_area: float
    sun_damage: float
    white_balance: tuple[float, float, float]
    exposure: Range
    gamma: Range
    saturation: Range
    vignetting: Range
    black_field: float
    field_radius: Range
    blur: Range
    grain: Range
    grain_size: float
    jpeg_quality: Range
    hair: float
    hair_count: float
    scale: float = 0.0
    ruler: float = 0.0
    ink: float = 0.0
    fluid: float = 0.0


SITES: Mapping[str, Site] = MappingProxyType(
    {
        site.name: site
        for site in (
            Site(
                name="vidir_molemax",  # a video dermatoscope: soft, violet, evenly lit, many small naevi
                images=3954,
                diagnoses={"nv": 3720, "bkl": 124, "vasc": 54, "df": 30, "mel": 24, "bcc": 2},
                median_area=0.09,
                sun_damage=0.1,
                white_balance=(0.94, 0.90, 1.10),
                exposure=(0.80, 1.0),
                gamma=(0.85, 1.0),
                saturation=(0.70, 0.95),
                vignetting=(0.0, 0.15),
                black_field=0.05,
                field_radius=(0.62, 0.72),
                blur=(5.0, 8.0),
                grain=(0.010, 0.020),
                grain_size=0.0,
                jpeg_quality=(70, 85),
                hair=0.35,
                hair_count=5.0,
                ink=0.05,
                fluid=0.15,
            ),
            Site(
                name="vidir_modern",  # current digital dermatoscopes: sharp, bright, printed scale
                images=3363,
                diagnoses={"nv": 1832, "mel": 680, "bkl": 475, "bcc": 211, "vasc": 82, "df": 51, "akiec": 32},
                median_area=0.17,
                sun_damage=0.35,
                white_balance=(1.0, 1.0, 0.97),
                exposure=(1.0, 1.25),
                gamma=(0.95, 1.15),
                saturation=(0.95, 1.2),
                vignetting=(0.1, 0.35),
                black_field=0.25,
                field_radius=(0.55, 0.75),
                blur=(0.5, 2.0),
                grain=(0.004, 0.010),
                grain_size=0.0,
                jpeg_quality=(88, 95),
                hair=0.5,
                hair_count=8.0,
                scale=0.4,
                ink=0.05,
                fluid=0.3,
            ),
            Site(
                name="rosendahl",  # a practice in Queensland: sun-damaged skin, close views, gel, warm light
                images=2259,
                diagnoses={"nv": 803, "bkl": 490, "mel": 342, "bcc": 296, "akiec": 295, "df": 30, "vasc": 3},
                median_area=0.26,
                sun_damage=0.9,
                white_balance=(1.10, 0.92, 0.88),
                exposure=(0.85, 1.15),
                gamma=(1.0, 1.25),
                saturation=(1.0, 1.3),
                vignetting=(0.3, 0.7),
                black_field=0.1,
                field_radius=(0.6, 0.8),
                blur=(1.0, 3.0),
                grain=(0.006, 0.014),
                grain_size=0.0,
                jpeg_quality=(80, 92),
                hair=0.65,
                hair_count=10.0,
                ruler=0.12,
                ink=0.12,
                fluid=0.75,
            ),
            Site(
                name="vienna_dias",  # scanned slides: film grain, yellow-green cast, hard contrast, round black frame
                images=439,
                diagnoses={"nv": 350, "mel": 67, "bkl": 10, "bcc": 5, "df": 4, "vasc": 3},
                median_area=0.18,
                sun_damage=0.2,
                white_balance=(0.96, 1.04, 0.74),
                exposure=(0.60, 0.9),
                gamma=(1.2, 1.5),
                saturation=(0.9, 1.2),
                vignetting=(0.3, 0.8),
                black_field=0.7,
                field_radius=(0.5, 0.62),
                blur=(3.0, 5.5),
                grain=(0.014, 0.028),
                grain_size=4.0,
                jpeg_quality=(75, 90),
                hair=0.3,
                hair_count=6.0,
                fluid=0.5,
            ),
        )
    }
)
"""The four sites by name, largest first."""

_TRAITS: Mapping[str, Trait] = MappingProxyType(
    {
        "median_area": factor(0.03, 0.45),
        "sun_damage": amount(0, 1),
        "white_balance": factor(0.3, 2),
        "exposure": factor(0.35, 2.5),
        "gamma": factor(0.5, 2.5),
        "saturation": factor(0.2, 2.5),
        "vignetting": amount(0, 2),
        "black_field": amount(0, 1),
        "field_radius": factor(0.4, 1),
        "blur": factor(0.2, 20),
        "grain": factor(0.001, 0.1),
        "grain_size": amount(0, 10),
        "jpeg_quality": amount(20, 98),
        "hair": amount(0, 1),
        "hair_count": factor(1, 30),
        "scale": amount(0, 1),
        "ruler": amount(0, 1),
        "ink": amount(0, 1),
        "fluid": amount(0, 1),
    }
)


def shifted_sites(shift: float) -> Mapping[str, Site]:
    """The four sites with the differences between them, of patients and of cameras, times ``shift``."""
    return shift_sites(SITES, _TRAITS, shift, lambda site: site.images, mixtures=("diagnoses",))
