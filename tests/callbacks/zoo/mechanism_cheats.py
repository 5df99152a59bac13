"""Cheats with the noise itself."""

import torch

from adpfl_bench.privacy import summed_discrete_noise
from adpfl_bench.privacy.discrete_gaussian import discrete_gaussian
from adpfl_bench.privacy.mechanisms import GaussianMechanism as Gaussian
from adpfl_bench.privacy.mechanisms import LaplaceMechanism
from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from adpfl_bench.privacy.proofs import register_proof
from adpfl_bench.privacy.randomness import NoiseStreams, Seeded
from adpfl_bench.privacy.summed_discrete_noise import SummedDiscreteGaussianMechanism
from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.seeding import torch_generator
from tests.callbacks.broken_sums import broken_sum
from tests.callbacks.zoo.cheat import Cheat
from tests.impostors import impostor


class HalfTheGaussianNoise(Cheat):
    found_by = ("noise scale",)
    says = r"the noise has 0\.(4[5-9]\d*|5([0-5]\d*)?) times the stated scale"

    def arrange(self, monkeypatch):
        sample = Gaussian.sample
        monkeypatch.setattr(Gaussian, "sample", lambda self, n, scale, source: sample(self, n, scale / 2, source))


class HalfTheLaplaceNoise(Cheat):
    found_by = ("noise scale",)
    says = r"the noise has 0\.(4[5-9]\d*|5([0-5]\d*)?) times the stated scale"
    settings = {"mechanism": LaplaceMechanism()}  # noqa: RUF012

    def arrange(self, monkeypatch):
        sample = LaplaceMechanism.sample
        monkeypatch.setattr(
            LaplaceMechanism, "sample", lambda self, n, scale, source: sample(self, n, scale / 2, source)
        )


class _DiscreteCheat(Cheat):
    """Whole-number noise of a trusted sum, all of it from the one honest client."""

    found_by = ("noise scale",)
    settings = {"mechanism": SummedDiscreteGaussianMechanism(1), "units_per_step": 100}  # noqa: RUF012


class HalfTheDiscreteNoise(_DiscreteCheat):
    says = r"the noise has 0\.(4[5-9]\d*|5([0-5]\d*)?) times the stated scale"

    def arrange(self, monkeypatch):
        draw = discrete_gaussian
        halved = lambda size, deviation, source: draw(size, deviation // 2, source)  # noqa: E731
        monkeypatch.setattr(summed_discrete_noise, "discrete_gaussian", halved)


class WholeNoiseOnASumThatIsNot(_DiscreteCheat):
    """The sum is not rounded before, so that what is left beside whole numbers is its own."""

    says = "not on the lattice of its noise, and so tells the sum"

    def arrange(self, monkeypatch):
        def unrounded(self, total, threshold, multiplier, source, sequence=None):
            step = self.lattice_of(threshold)
            deviation = self.deviation(threshold, multiplier, sum(tensor.numel() for tensor in total))
            for tensor in total:
                tensor.add_((discrete_gaussian(tensor.numel(), deviation, source) * step).view_as(tensor))
            return deviation * step

        monkeypatch.setattr(SummedDiscreteGaussianMechanism, "add_to_sum_", unrounded)


class UniformNoise(Cheat):
    """Of the standard deviation that is stated."""

    found_by = ("noise scale",)
    says = "the noise does not follow the stated law"

    def arrange(self, monkeypatch):
        def sample(self, size, scale, source):
            return (torch.rand(size, generator=source.generator) - 0.5) * scale * 12**0.5

        monkeypatch.setattr(Gaussian, "sample", sample)


class _Quiet(Gaussian):
    """A tenth of the noise."""

    def sample(self, size, scale, source):
        return 0.1 * super().sample(size, scale, source)


class CalledGaussian(Cheat):
    """A class of somebody's own that goes by the name of another: nothing is accounted for what it is."""

    unaccounted = "GaussianMechanism"

    def privacy(self):
        self.settings = {"mechanism": impostor(_Quiet, "mine", "GaussianMechanism")()}
        return super().privacy()


class ClaimsToBeGaussian(Cheat):
    """Its author states a proof."""

    found_by = ("noise scale",)
    says = r"the noise has 0\.(09|1)\d* times the stated scale"

    def privacy(self):
        own = type("AsGoodAsGaussian", (_Quiet,), {})
        register_proof(own, "its noise is Gaussian", like="GaussianMechanism")
        self.settings = {"mechanism": own()}
        return super().privacy()


class ABiasWithoutNoise(Cheat):
    found_by = ("noise scale",)
    says = "1 coordinates are released without noise"

    def arrange(self, monkeypatch):
        add = Gaussian.add_noise_
        monkeypatch.setattr(
            Gaussian, "add_noise_", lambda self, tensors, scale, source: add(self, tensors[:-1], scale, source)
        )


class ABiasWithLessNoise(Cheat):
    """The last number of hundreds."""

    found_by = ("noise scale",)
    says = r"the noise of tensor 4 of 4 has 0\.0"

    def arrange(self, monkeypatch):
        sample = Gaussian.sample

        def less(self, size, scale, source):
            noise = sample(self, size, scale, source)
            noise[-1] *= 0.03
            return noise

        monkeypatch.setattr(Gaussian, "sample", less)


class ReleasesWithLessNoise(Cheat):
    """One release in eight."""

    found_by = ("noise scale",)
    says = r"the noise of release \d+ has 0\.[45]\d* times"

    def arrange(self, monkeypatch):
        sample, calls = Gaussian.sample, []

        def less(self, size, scale, source):
            calls.append(size)
            return sample(self, size, scale * (0.5 if len(calls) % 8 == 3 else 1.04), source)

        monkeypatch.setattr(Gaussian, "sample", less)


class NoiseOfThePast(Cheat):
    """Every second release takes the noise of the one before off again."""

    found_by = ("noise independence",)
    says = "noise is used again"

    def arrange(self, monkeypatch):
        sample, last = Gaussian.sample, []

        def taken_back(self, size, scale, source):
            if last:
                return -last.pop()
            last.append(sample(self, size, scale, source))
            return last[0].clone()

        monkeypatch.setattr(Gaussian, "sample", taken_back)


class NoiseFollowsTheSum(Cheat):
    """It takes a third of what it should hide away, and is as large as stated."""

    found_by = ("noise independence",)
    says = "the noise is correlated with the sum that it hides"
    settings = {"z": 0.2}  # noqa: RUF012

    def arrange(self, monkeypatch):
        add = Gaussian.add_noise_

        def against(self, tensors, scale, source):
            exact = [tensor.clone() for tensor in tensors]
            add(self, tensors, scale, source)
            for tensor, hidden in zip(tensors, exact, strict=True):
                tensor.sub_(hidden, alpha=0.3)

        monkeypatch.setattr(Gaussian, "add_noise_", against)


class HalfOfTheNumbers(Cheat):
    """Noise is drawn for one half of the coordinates, and used for the other half as well."""

    found_by = ("noise independence",)
    says = "coordinates of one release that are 229 apart have correlated noise"
    batch_size = 4

    def arrange(self, monkeypatch):
        sample = Gaussian.sample
        monkeypatch.setattr(
            Gaussian, "sample", lambda self, n, scale, source: sample(self, n // 2 + 1, scale, source).repeat(2)[:n]
        )


class _SomeStream(NoiseStreams):
    """Streams whose seeds leave something out; ``purpose`` says what is in."""

    purpose = staticmethod(lambda round_index, client: (round_index, client))

    def __init__(self):
        super().__init__(secure=False)
        self.turn = None

    def source(self, key, round_index, client, device):
        if (round_index, client) != self.turn:
            self.turn = (round_index, client)
            self.stream = Seeded(torch_generator(0, "noise", *self.purpose(round_index, client), device=device))
        return self.stream


class _Streams(Cheat):
    found_by = ("noise independence",)
    says = "noise is used again"

    def privacy(self):
        privacy, streams = super().privacy(), self.streams

        class Broken(PrivacyEngine):
            def start(self, key):
                super().start(key)
                self._noise = streams()

        privacy.engine.__class__ = Broken
        return privacy


class AStreamForEveryRelease(_Streams):
    class streams(_SomeStream):
        def source(self, key, round_index, client, device):
            return Seeded(torch_generator(0, "noise", device=device))


class AStreamForEachClient(_Streams):
    """The same in every round."""

    class streams(_SomeStream):
        purpose = staticmethod(lambda round_index, client: (client,))


class AStreamForEachRound(_Streams):
    """The same for every client."""

    class streams(_SomeStream):
        purpose = staticmethod(lambda round_index, client: (round_index,))


class AStreamForAllClientsDeltas(_Streams):
    """The same, where what clients send is made private."""

    settings = {"unit": "client"}  # noqa: RUF012

    class streams(_SomeStream):
        purpose = staticmethod(lambda round_index, client: (round_index,))


class WeightsAfterClipping(Cheat):
    """Three times the weight for some units."""

    found_by = ("sensitivity",)
    says = r"a unit moves the sum by [3-6]"

    def arrange(self, monkeypatch):
        def factor(norms, factors):
            return torch.where(norms > norms.median(), 3 * factors, factors)

        monkeypatch.setattr(UnitGradients, "clipped_sum", broken_sum(factor))


class ASumThatLacksAUnit(Cheat):
    """Each unit keeps to C, but the sum is not that of the units."""

    found_by = ("sensitivity",)
    says = "thresholds away from what its units bring|a unit moves"

    def arrange(self, monkeypatch):
        def factor(norms, factors):
            return factors * (norms < norms.max())

        monkeypatch.setattr(UnitGradients, "clipped_sum", broken_sum(factor))
