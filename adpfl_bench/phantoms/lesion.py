"""One lesion: its outline and its pigment, in coordinates of its own.

Lesion coordinates (u, v) have their origin at the centre and the lesion's radius as unit, so that any photograph of
the lesion can look up the same outline and the same structures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.phantoms.diagnosis import Diagnosis
from adpfl_bench.phantoms.optics import Tissue
from adpfl_bench.phantoms.outline import Outline, draw_outline
from adpfl_bench.phantoms.random_fields import CellTile, Field, NoiseTile, soft_step


@dataclass(frozen=True, eq=False)
class Lesion:
    """Everything about a lesion that stays the same from one photograph to the next.

    Attributes:
        outline: Its border.
        softness: Width of the border in radii, at its sharpest and at its most blurred side.
        raggedness: How unevenly pigment runs out, in border widths.
        radial: Whether it runs out in streaks that point away from the centre.
        tones: Optical densities of melanin, light to dark; 2 to 4 of them.
        blood: Optical density of blood inside.
        network: Strength of the pigment network; 0 for none.
        globules: Strength of the globules; 0 for none.
        vascular: Whether globules hold blood instead of melanin.
        veil: Opacity of the blue-white area; 0 for none.
        regression: Share of the pigment that a regressed area has lost.
        keratin: Opacity of scale and horn cysts.
        layout: Tiles that say where tones, veil, regression, fine grain and border blur are.
        mesh: Cells of the network.
        dots: Cells of globules and horn cysts.
        skin_melanin: Optical density of melanin in the skin around.
        skin_blood: Optical density of blood in the skin around.
        area: Share of the image that the lesion typically fills.
    """

    outline: Outline
    softness: tuple[float, float]
    raggedness: float
    radial: bool
    tones: NDArray[np.float32]
    blood: float
    network: float
    globules: float
    vascular: bool
    veil: float
    regression: float
    keratin: float
    layout: tuple[NoiseTile, ...]
    mesh: CellTile
    dots: CellTile
    skin_melanin: float
    skin_blood: float
    area: float

    def border(self, u: Field, v: Field, depth: Field) -> Field:
        """Share of the lesion's pigment present at each point; 1 inside, falling to 0 across the border."""
        sharp, blurred = self.softness
        width = sharp + (blurred - sharp) * soft_step(self.layout[4].at(u, v), 0.0, 1.0)
        if self.radial:
            around = np.arctan2(v, u) * np.float32(NoiseTile.PERIOD / math.pi)
            noise = self.layout[3].at(around, 0.3 * depth)
        else:
            noise = self.layout[3].at(u, v)
        ragged = depth + self.raggedness * width * noise
        # The annotated border is where pigment begins, so the middle of the ramp lies inside of it.
        return np.asarray(0.5 + 0.5 * np.tanh(2 * ragged / width - 0.9), dtype=np.float32)

    def add_to(self, tissue: Tissue, u: Field, v: Field, depth: Field) -> None:
        """Put the lesion into the tissue around it, in place."""
        tone, blotch, pale, grain, _ = (tile.at(u, v) for tile in self.layout)
        border = self.border(u, v, depth)

        # Tones follow a smooth landscape that is highest near the centre, cut into plateaus.
        height = 0.5 + 0.30 * tone + 0.35 * (np.clip(depth, 0, 1) - 0.4)
        melanin = np.full(depth.shape, self.tones[0], dtype=np.float32)
        for step, (lighter, darker) in enumerate(zip(self.tones[:-1], self.tones[1:], strict=True), start=1):
            melanin += (darker - lighter) * soft_step(height, step / len(self.tones), 0.24)
        melanin *= 1 + 0.16 * grain
        blood = np.full(depth.shape, self.blood, dtype=np.float32) * (1 + 0.25 * blotch)

        if self.network:
            nearest, second = self.mesh.distances(u, v)
            lines = 1 - soft_step(second - nearest, 0.16 + 0.05 * grain, 0.3)
            reticular = soft_step(blotch, 0.0, 1.6) * (1 - 0.6 * np.clip(depth, 0, 1))
            melanin *= 1 + self.network * reticular * (1.5 * lines - 0.6)
        if self.globules or self.keratin:
            nearest, _ = self.dots.distances(u, v)
        if self.globules:
            filling = (
                self.globules * (1 - soft_step(nearest, 0.32 + 0.06 * grain, 0.22)) * soft_step(tone + grain, 0.0, 1.2)
            )
            if self.vascular:
                blood *= 1 + filling
            else:
                melanin += filling * (0.25 + 0.45 * self.tones[-1])
        lost = self.regression * soft_step(pale + 1.5 * np.clip(depth, 0, 0.8), 1.35, 0.5)
        melanin *= 1 - lost

        tissue.melanin += border * np.maximum(melanin, 0)
        tissue.blood += border * np.maximum(blood, 0) * (1 - 0.5 * lost)
        tissue.veil += self.veil * border * soft_step(pale - 0.4 * blotch, 0.9, 1.4)
        if self.keratin:
            scale = soft_step(blotch + 0.7 * grain, 1.2, 1.4) + (1 - soft_step(nearest, 0.2 + 0.08 * tone, 0.2))
            tissue.keratin += self.keratin * border * np.clip(scale, 0, 1)


def draw_lesion(generator: np.random.Generator, diagnosis: Diagnosis, median_area: float) -> Lesion:
    """Draw a lesion.

    Args:
        generator: Where every choice comes from.
        diagnosis: What kind of lesion it is.
        median_area: Share of the image that lesions typically fill at this site.
    """

    def have(probability: float, low: float, high: float) -> float:
        strength = generator.uniform(low, high)
        return float(strength) if generator.random() < probability else 0.0

    lightest, darkest = diagnosis.melanin
    span = darkest - lightest
    # The darkest tone decides how visible the lesion is: it is spread over the range and the others lie below it.
    tones = np.sort(generator.uniform(0, 1, size=generator.integers(2, 5)))
    tones[0] *= 0.4
    tones = lightest + span * generator.uniform(0.18, 1.0) * tones / tones[-1]
    sharp = generator.uniform(*diagnosis.softness)
    return Lesion(
        outline=draw_outline(
            generator, generator.uniform(*diagnosis.irregularity), generator.uniform(*diagnosis.elongation)
        ),
        softness=(float(sharp), float(sharp * generator.uniform(1.0, 3.0))),
        raggedness=float(generator.uniform(0.05, 0.3)),
        radial=bool(generator.random() < 0.4),
        tones=tones.astype(np.float32),
        blood=float(generator.uniform(*diagnosis.blood)),
        network=have(diagnosis.network, 0.3, 0.7),
        globules=have(diagnosis.globules, 0.4, 0.9),
        vascular=diagnosis.blood[0] > diagnosis.melanin[1],
        veil=have(diagnosis.veil, 0.3, 0.65),
        regression=have(diagnosis.regression, 0.4, 0.8),
        keratin=have(diagnosis.keratin, 0.2, 0.45),
        layout=(
            NoiseTile(generator, 0.8, 3.2),
            NoiseTile(generator, 0.4, 2.8),
            NoiseTile(generator, 1.0, 4.5),
            NoiseTile(generator, 0.12, 1.8),
            NoiseTile(generator, 0.9),
        ),
        mesh=CellTile(generator, float(generator.uniform(0.06, 0.12))),
        dots=CellTile(generator, float(generator.uniform(0.1, 0.22))),
        skin_melanin=float(np.clip(generator.gamma(3.0, 0.06), 0.05, 0.6)),
        skin_blood=float(generator.uniform(0.06, 0.26)),
        area=float(np.clip(median_area * math.exp(0.65 * generator.standard_normal()), 0.025, 0.5)),
    )
