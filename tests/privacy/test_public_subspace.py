"""Public subspaces: what units bring by brute force over neighbours, noise of each part, where directions are from."""

import itertools
import math

import pytest
import torch
from torch import nn

from adpfl_bench.errors import BenchError
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.gaussian_dp import gaussian_epsilon
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.public_subspace import NO_RESIDUAL, PublicSubspace, SubspaceParts, leading_directions
from adpfl_bench.privacy.randomness import Seeded
from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.seeding import torch_generator

PARTS = SubspaceParts(0.3, 0.4)
SHAPES = ((3, 4), (5,))
SIZE = 17


def orthonormal(count, size=SIZE, seed=0):
    rows = torch.randn(count, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(rows.T)[0].T.float()


def subspace(parts=PARTS, basis=None, parameters=None):
    made = PublicSubspace()
    made.announce(parts, {"of": "a test"})
    made.use(orthonormal(4) if basis is None else basis, parameters or [torch.zeros(shape) for shape in SHAPES])
    return made


class Linear(nn.Module):
    """The gradient of an example is the example itself, so that units can be chosen."""

    def __init__(self):
        super().__init__()
        self.first, self.second = (nn.Parameter(torch.zeros(shape)) for shape in SHAPES)

    def example_losses(self, image, label):
        return image.flatten(1) @ torch.cat([self.first.flatten(), self.second])


def clipped_sum(own, module, rows, threshold, units=None):
    """The clipped sum of units whose gradients are the rows, flat, and the norms."""
    made = UnitGradients(module, module.example_losses, 1e6, subspace=own)
    units = torch.arange(len(rows)) if units is None else units
    found = made.clipped_sum(rows.view(len(rows), 1, 1, SIZE), torch.zeros(len(rows), 1), units, threshold, "l2")
    return torch.cat([part.flatten() for part in found.gradients]), found.norms


def by_definition(row, basis, parts, threshold):
    """What a unit brings, in float64."""
    row, basis = row.double(), basis.double()
    embedding = basis @ row
    residual = row - basis.T @ embedding
    inner, outer = parts.weights
    made = inner * basis.T @ (embedding * min(1, threshold / embedding.norm()))
    if outer:
        made += outer * residual * min(1, threshold * parts.share / residual.norm())
    return made


@pytest.mark.parametrize("parts", [PARTS, NO_RESIDUAL, SubspaceParts(2.0, 0.9)])
def test_a_unit_brings_its_two_parts_each_clipped_by_itself(parts):
    module = Linear()
    own = subspace(parts, parameters=list(module.parameters()))
    scales = 10.0 ** torch.linspace(-3, 3, 13)
    rows = torch.randn(13, SIZE, generator=torch.Generator().manual_seed(1)) * scales[:, None]
    rows[4] = own.basis[1] * 0.2  # nothing beside the directions
    rows[5] = rows[5] - rows[5] @ own.basis.T @ own.basis  # nothing along them
    found, norms = clipped_sum(own, module, rows, 0.5)
    expected = sum(by_definition(row, own.basis, parts, 0.5) for row in rows)
    assert torch.allclose(found.double(), expected, atol=2e-5)
    assert torch.allclose(norms, (rows @ own.basis.T).norm(dim=1), rtol=1e-4, atol=1e-4 * float(scales[5]))


def test_a_unit_of_several_examples_is_split_as_a_whole():
    module = Linear()
    own = subspace(parameters=list(module.parameters()))
    rows = torch.randn(5, SIZE, generator=torch.Generator().manual_seed(2))
    units = torch.tensor([0, 0, 1, 2, 2])
    whole = torch.stack([rows[:2].sum(0), rows[2], rows[3:].sum(0)])
    assert torch.allclose(
        clipped_sum(own, module, rows, 0.5, units)[0], clipped_sum(own, module, whole, 0.5)[0], atol=1e-6
    )


@pytest.mark.parametrize(
    ("basis", "what"),
    [(orthonormal(4), "orthonormal"), (3 * torch.randn(4, SIZE), "none"), (torch.zeros(2, SIZE), "nothing")],
)
@pytest.mark.parametrize("parts", [PARTS, NO_RESIDUAL, SubspaceParts(0.01, 0.999), SubspaceParts(50.0, 1e-4)])
def test_no_neighbour_is_further_away_than_the_threshold(basis, what, parts):
    """All data sets of at most three units of a small set, and all their neighbours, whatever the directions are."""
    module, threshold = Linear(), 0.7
    own = subspace(parts, basis, list(module.parameters()))
    directions = torch.cat([basis, orthonormal(3, seed=5), torch.ones(1, SIZE)])
    units = torch.cat([size * directions for size in (1e-4, 0.7, 1e3, 1e8)])
    alone = [clipped_sum(own, module, unit[None], threshold)[0] for unit in units]
    moved = max(float(sent.double().norm()) for sent in alone)
    assert moved <= threshold
    if what == "orthonormal":
        largest = parts.weights[0] * threshold
        assert moved >= 0.999 * max(largest, parts.weights[1] * parts.share * threshold)
    for count in (1, 2, 3):
        for chosen in list(itertools.combinations(range(len(units)), count))[:: 1 + 40 * (count - 1) ** 3]:
            rows = units[list(chosen)]
            whole = clipped_sum(own, module, rows, threshold)[0].double()
            for left_out in range(count):
                without = rows.clone()
                without[left_out] = 0  # adjacency: zero-out
                other = clipped_sum(own, module, without, threshold)[0].double()
                assert float((whole - other).norm()) <= threshold * (1 + 1e-6)


def test_both_parts_are_one_gaussian_release_of_the_stated_multiplier():
    """mu of the two parts by their own sensitivities and noise is that of the ledger's one entry."""
    z, threshold, delta = 1.3, 2.0, 1e-5
    inner, outer = PARTS.weights
    noise_along, noise_beside = z * threshold / inner, z * threshold / outer
    mu = math.hypot(threshold / noise_along, PARTS.share * threshold / noise_beside)
    assert mu == pytest.approx(1 / z, rel=1e-12)
    accounted = client_epsilon({GaussianMechanism().event(z): 1}, delta)
    assert accounted == pytest.approx(gaussian_epsilon(mu, delta), rel=1e-9)


def test_a_release_has_the_stated_noise_in_each_part():
    z, threshold, repeats = 1.5, 2.0, 4000
    parameters = [torch.zeros(shape) for shape in SHAPES]
    own = subspace(SubspaceParts(0.3, 0.4, rate=0.5), parameters=parameters)
    source, made = Seeded(torch_generator(0, "subspace")), []
    for _ in range(repeats):
        total = [torch.zeros(shape) for shape in SHAPES]
        GaussianMechanism().add_to_sum_(total, threshold, z, source)
        own.join_(parameters[::-1], total[::-1])
        made.append(torch.cat([part.flatten() for part in total]))
    noise = torch.stack(made).double()
    basis = own.basis.double()
    along = noise @ basis.T
    beside = noise - along @ basis
    assert float(along.std()) == pytest.approx(z * threshold / math.sqrt(0.6), rel=0.03)
    per_direction = math.sqrt(float(beside.square().sum()) / repeats / (SIZE - len(basis)))
    assert per_direction == pytest.approx(0.5 * z * 0.3 * threshold / math.sqrt(0.4), rel=0.03)


@pytest.mark.parametrize("parts", [PARTS, SubspaceParts(0.3, 0.4, rate=0.0), NO_RESIDUAL])
def test_what_is_not_clipped_is_released_as_it_was_without_noise(parts):
    module = Linear()
    parameters = list(module.parameters())
    own = subspace(parts, parameters=parameters)
    row = 0.01 * torch.randn(1, SIZE, generator=torch.Generator().manual_seed(3))
    total = clipped_sum(own, module, row, 100.0)[0]
    pieces = [piece.view(shape).clone() for piece, shape in zip(torch.split(total, (12, 5)), SHAPES, strict=True)]
    own.join_(parameters, pieces)
    embedding = row[0] @ own.basis.T @ own.basis
    expected = row[0] if parts is PARTS else embedding
    assert torch.allclose(torch.cat([piece.flatten() for piece in pieces]), expected, atol=1e-7)


def test_without_directions_nothing_is_changed():
    module, own = Linear(), PublicSubspace()
    rows = torch.randn(3, SIZE)
    assert torch.equal(clipped_sum(own, module, rows, 0.5)[0], clipped_sum(None, module, rows, 0.5)[0])
    pieces = [torch.randn(shape) for shape in SHAPES]
    before = [piece.clone() for piece in pieces]
    own.join_(list(module.parameters()), pieces)
    assert all(torch.equal(one, other) for one, other in zip(pieces, before, strict=True))
    assert own.key == {}
    own.announce(PARTS, {"dimensions": 4})
    assert own.key == {"subspace": {"dimensions": 4}}


def test_leading_directions_are_right_singular_vectors():
    rows = torch.randn(12, 40, dtype=torch.float64) * 10.0 ** torch.linspace(0, -2, 40, dtype=torch.float64)
    found = leading_directions(rows, 5)
    expected = torch.linalg.svd(rows, full_matrices=False)[2][:5]
    assert torch.allclose((found @ expected.T).abs(), torch.eye(5, dtype=torch.float64), atol=1e-8)
    assert torch.allclose(found @ found.T, torch.eye(5, dtype=torch.float64), atol=1e-10)
    assert leading_directions(rows.float(), 5).dtype == torch.float32


def test_vectors_of_few_dimensions_have_few_directions():
    rows = torch.randn(6, 2) @ torch.randn(2, 30)
    assert leading_directions(rows, 5).shape == (2, 30)
    for wrong in (torch.zeros(3, 4), torch.full((3, 4), math.nan)):
        with pytest.raises(BenchError, match="no directions follow"):
            leading_directions(wrong, 2)
    with pytest.raises(BenchError, match="direction of gradients is not finite"):
        PublicSubspace().use(torch.full((1, SIZE), math.inf), [torch.zeros(SIZE)])
