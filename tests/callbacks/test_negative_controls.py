"""Methods broken on purpose, each in a way that an audit must find; and honest ones that it must not accuse."""

from dataclasses import replace

import pytest
import torch

from adpfl_bench.errors import BenchError
from adpfl_bench.privacy.audit.witness import CHECKS
from adpfl_bench.privacy.clipping import clip_factors, group_norms
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from adpfl_bench.privacy.private_thresholds import HistogramThreshold, QuantileThreshold
from adpfl_bench.privacy.proofs import register_proof
from adpfl_bench.privacy.randomness import NoiseStreams, Seeded
from adpfl_bench.privacy.thresholds import PercentileThreshold
from adpfl_bench.privacy.unit_gradients import ClippedSum, UnitGradients
from adpfl_bench.seeding import torch_generator
from tests.callbacks.audits import audited as audited
from tests.callbacks.audits import failed, per_record


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "settings",
    [
        {"z": 2.0},
        {"z": 2.0, "mechanism": LaplaceMechanism(), "threshold": QuantileThreshold()},
        {"z": 2.0, "mechanism": LaplaceMechanism("l1"), "threshold": HistogramThreshold()},
        {"z": 1.0, "sampling": "poisson", "unit": "patient"},
        {"z": 2.0, "unit": "batch", "mechanism": LaplaceMechanism()},
    ],
    ids=["fixed", "quantile", "histogram-l1", "poisson-patient", "batch"],
)
def test_an_honest_run_passes(audited, settings, seed):
    result, _ = audited(per_record(**settings), seed=seed)
    assert failed(result) == []
    assert [check.passed for check in result.checks.values()] == [True] * len(CHECKS)
    assert result.epsilon <= result.accounted
    assert result.verdict == "consistent"


@pytest.mark.parametrize(("mechanism", "half"), [(GaussianMechanism, 0.5), (LaplaceMechanism, 0.5)])
def test_noise_at_half_the_scale(audited, monkeypatch, mechanism, half):
    sample = mechanism.sample
    monkeypatch.setattr(mechanism, "sample", lambda self, size, scale, source: sample(self, size, half * scale, source))
    result, _ = audited(per_record(2.0, mechanism()))
    assert failed(result) == ["noise scale"]
    assert result.checks["noise scale"].figures["scale_ratio"] == pytest.approx(0.5, abs=0.03)
    assert result.verdict == "check failed"


def test_noise_of_another_law(audited, monkeypatch):
    """Uniform noise with the standard deviation that is stated."""

    def sample(self, size, scale, source):
        return (torch.rand(size, generator=source.generator) - 0.5) * scale * 12**0.5

    monkeypatch.setattr(GaussianMechanism, "sample", sample)
    result, _ = audited(per_record(2.0))
    assert failed(result) == ["noise scale"]
    assert result.checks["noise scale"].figures["scale_ratio"] == pytest.approx(1, abs=0.03)
    assert result.checks["noise scale"].figures["ks_p_value"] < 1e-10


def test_a_parameter_without_noise(audited, monkeypatch):
    add = GaussianMechanism.add_noise_
    monkeypatch.setattr(
        GaussianMechanism, "add_noise_", lambda self, tensors, scale, source: add(self, tensors[:-1], scale, source)
    )
    result, _ = audited(per_record(2.0))
    assert failed(result) == ["noise scale"]
    assert result.checks["noise scale"].figures["coordinates_without_noise"] == 1  # the last bias


def test_a_statistic_without_noise(audited, monkeypatch):
    add = GaussianMechanism.add_noise_

    def quiet(self, tensors, scale, source):
        if sum(tensor.numel() for tensor in tensors) > 1:
            add(self, tensors, scale, source)

    monkeypatch.setattr(GaussianMechanism, "add_noise_", quiet)
    result, _ = audited(per_record(2.0, threshold=QuantileThreshold()))
    assert failed(result) == ["noise scale"]
    assert result.checks["noise scale"].figures["statistic_scale_ratio"] == pytest.approx(0, abs=1e-9)


def test_a_threshold_from_raw_data_says_that_nothing_is_accounted(audited):
    result, _ = audited(per_record(2.0, threshold=PercentileThreshold()))
    assert result.accounted is None
    assert result.checks["threshold"].passed is None
    assert "raw percentile of private gradient norms" in result.checks["threshold"].reason


class Claims(PercentileThreshold):
    """Looks at raw norms and claims a proof."""

    unaccounted_reason = None


class Peeks(QuantileThreshold):
    """Learns from the statistic before it is noised, too, and claims a proof."""

    def statistic(self, client, norms):
        exact = super().statistic(client, norms)
        self.learn(client, exact, max(len(norms), 1))
        return exact


for cheat in (Claims, Peeks):
    register_proof(cheat, "it follows noised sums alone")


@pytest.mark.parametrize(("rule", "believed"), [(Claims, False), (Peeks, True)])
def test_a_threshold_from_raw_data_that_claims_a_proof(audited, rule, believed):
    result, _ = audited(per_record(2.0, threshold=rule()))
    assert failed(result) == ["threshold"]
    assert result.checks["threshold"].figures["largest_difference"] > 0.05
    assert (result.accounted is not None) == believed


class SkipsEmpty(PrivacyEngine):
    """Makes no release where nobody was drawn."""

    def release(self, batch, optimizer, see=None):
        if len(batch.image):
            super().release(batch, optimizer, see)
        else:
            self._clipping.take()


class SkipsEmptySilently(SkipsEmpty):
    """And does not mind."""

    def end(self, batch):
        pass


def cheating(kind, **settings):
    """A private method whose engine is of another kind."""
    privacy = per_record(**settings)
    privacy.engine.__class__ = kind
    return privacy


def test_a_skipped_empty_batch(audited, toy_data):
    def data():
        return toy_data({"alps": 12, "cape": 3}, batch_size=1)

    with pytest.raises(BenchError, match="released nothing"):
        audited(cheating(SkipsEmpty, sampling="poisson"), data=data())
    result, _ = audited(cheating(SkipsEmptySilently, sampling="poisson"), data=data())
    assert failed(result) == ["release count"]
    figures = result.checks["release count"].figures
    assert figures["planned"] == 2 * (12 + 43)
    assert 50 < figures["released"] < 90


def broken_sum(factor):
    """A clipped sum with factors as ``factor(norms, factors)`` has them."""

    def clipped_sum(self, image, label, units, threshold, norm):
        rows = self.gradients(image, label, units)
        total = [torch.zeros_like(p) for p in self._parameters.values()]
        if not len(rows):
            return ClippedSum(total, image.new_zeros(0), image.new_zeros(0))
        norms = group_norms([rows], norm)
        flat = (factor(norms, clip_factors(norms, threshold))[:, None] * rows).sum(0)
        parts = torch.split(flat, [p.numel() for p in self._parameters.values()])
        gradients = [part.view_as(p) for part, p in zip(parts, self._parameters.values(), strict=True)]
        return ClippedSum(gradients, norms, image.new_zeros(len(image)))

    return clipped_sum


def test_the_sum_that_is_broken_below_is_right_unless_it_is(audited, monkeypatch):
    monkeypatch.setattr(UnitGradients, "clipped_sum", broken_sum(lambda norms, factors: factors))
    result, _ = audited(per_record(4.0))
    assert failed(result) == []


def test_a_unit_left_unclipped(audited, monkeypatch):
    """The last of every batch, as by a wrong index."""

    def factor(norms, factors):
        factors[-1] = 1.0
        return factors

    monkeypatch.setattr(UnitGradients, "clipped_sum", broken_sum(factor))
    result, _ = audited(per_record(6.0), canaries=200, rounds=4)
    assert failed(result) == ["sensitivity"]
    assert result.checks["sensitivity"].figures["largest_move"] > 10
    assert result.accounted == pytest.approx(0.834, abs=1e-3)
    assert result.epsilon > result.accounted
    assert result.verdict == "audited exceeds accounted"


def test_weights_that_are_not_bounded(audited, monkeypatch):
    """Three times the weight for some units, after clipping."""

    def factor(norms, factors):
        return torch.where(norms > norms.median(), 3 * factors, factors)

    monkeypatch.setattr(UnitGradients, "clipped_sum", broken_sum(factor))
    result, _ = audited(per_record(4.0))
    assert failed(result) == ["sensitivity"]
    assert 2.9 < result.checks["sensitivity"].figures["largest_move"] < 6  # others of the batch move it, too


class DividesByTheDraw(PrivacyEngine):
    """Divides by the number of units that were drawn, which is private."""

    def release(self, batch, optimizer, see=None):
        drawn = replace(batch, divisor=max(1, len(set(batch.units.tolist()))))
        super().release(drawn, optimizer, lambda _, seen: see(batch, seen))


class AddsTheGradient(PrivacyEngine):
    """Adds a little of the exact sum after the noise."""

    def release(self, batch, optimizer, see=None):
        parameters = optimizer.param_groups[0]["params"]
        exact = [parameter.grad.clone() for parameter in parameters]
        super().release(batch, optimizer, see)
        for parameter, gradient in zip(parameters, exact, strict=True):
            parameter.grad += 0.1 * gradient


@pytest.mark.parametrize("kind", [DividesByTheDraw, AddsTheGradient])
def test_something_else_than_the_release_is_used(audited, kind):
    result, _ = audited(cheating(kind, sampling="poisson"))
    assert failed(result) == ["use of releases", "weights"]
    assert result.checks["use of releases"].figures["largest_difference"] > 5e-3


def test_a_threshold_that_is_told_how_many_were_drawn(audited):
    class Tells(PrivacyEngine):
        def _noised(self, client, total, norms, threshold, units):
            return super()._noised(client, total, norms, threshold, max(1, len(norms)))

    result, _ = audited(cheating(Tells, threshold=QuantileThreshold(), sampling="poisson"))
    assert failed(result) == ["threshold"]


class Reseeds:
    """Draws every release's noise from a generator that starts anew."""

    def source(self, seed, round_index, client, device):
        return Seeded(torch_generator(0, "noise", device=device))


class ReseedsByClient(NoiseStreams):
    """Draws the same noise in every round."""

    def __init__(self):
        super().__init__(secure=False)
        self.turn = None

    def source(self, seed, round_index, client, device):
        if (round_index, client) != self.turn:
            self.turn = (round_index, client)
            self.stream = Seeded(torch_generator(0, "noise", client, device=device))
        return self.stream


@pytest.mark.parametrize(("kind", "repeated"), [(Reseeds, 27), (ReseedsByClient, 14)])
def test_noise_from_a_reseeded_generator(audited, kind, repeated):
    class Broken(PrivacyEngine):
        def start(self, seed):
            super().start(seed)
            self._noise = kind()

    result, _ = audited(cheating(Broken, z=2.0))
    assert "noise independence" in failed(result)
    independence = result.checks["noise independence"].figures
    assert independence["repeated"] == repeated
    assert independence["largest_correlation"] > 0.99
