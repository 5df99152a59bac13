import numpy as np
import pytest

from adpfl_bench.phantoms.optics import Tissue, blend


def colour_of(melanin=0.2, blood=0.2, veil=0.0, keratin=0.0):
    return Tissue(*(np.full((1, 1), value, dtype=np.float32) for value in (melanin, blood, veil, keratin))).colour()[
        0, 0
    ]


def test_absorbers_multiply():
    # Beer-Lambert: each further layer of the same absorber takes the same share of what is left.
    one, two, three = (colour_of(melanin=amount) for amount in (0.5, 1.0, 1.5))
    assert two / one == pytest.approx(three / two, rel=1e-4)


def test_melanin_turns_skin_brown_and_then_black():
    light, brown, black = (colour_of(melanin=amount) for amount in (0.2, 1.0, 4.0))
    assert (light > brown).all()
    assert (brown > black).all()
    assert brown[0] > brown[1] > brown[2]
    assert black.max() < 0.1


def test_blood_reddens_without_darkening_red():
    pale, flushed = colour_of(blood=0.1), colour_of(blood=1.0)
    assert flushed[0] > 0.9 * pale[0]
    assert flushed[1] < 0.5 * pale[1]


def test_veil_is_blue_and_keratin_yellow():
    veil, keratin = colour_of(melanin=1, veil=1), colour_of(melanin=1, keratin=1)
    assert veil[2] > veil[0]
    assert keratin[0] > keratin[2]


def test_blend_goes_from_image_to_tint():
    colour = np.full((1, 3, 3), 0.2, dtype=np.float32)
    painted = blend(colour, np.array([[0, 0.5, 1]], dtype=np.float32), (1.0, 0.2, 0.0))
    assert painted[0] == pytest.approx(np.array([[0.2, 0.2, 0.2], [0.6, 0.2, 0.1], [1.0, 0.2, 0.0]]), abs=1e-6)
