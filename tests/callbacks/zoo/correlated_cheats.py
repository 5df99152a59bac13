"""Cheats with noise that is correlated from step to step."""

import numpy as np

from adpfl_bench.data.rounds import round_plan
from adpfl_bench.privacy import correlated_noise
from adpfl_bench.privacy.correlated_noise import CorrelatedGaussianMechanism as Correlated
from adpfl_bench.privacy.noise_sequence import NoiseSequence
from adpfl_bench.privacy.release_plan import ReleasePlan
from tests.callbacks.zoo.cheat import Cheat
from tests.toy_federation import ToyDataModule


class _CorrelatedCheat(Cheat):
    """Changes the mechanism or the order of batches; with the canaries there are 7 batches of alps."""

    settings = {"mechanism": Correlated(4), "sampling": "fixed", "z": 1.0}  # noqa: RUF012
    run = {"rounds": 2, "client": "alps"}  # noqa: RUF012


class NoiseOfAStepInPlaceOfAColumn(_CorrelatedCheat):
    """The fresh noise is scaled to C, and not to what a unit brings to all steps that share it."""

    found_by = ("noise scale",)
    says = r"the noise has 0\.(7[6-9]|8[0-9])\d* times the stated scale"

    def arrange(self, monkeypatch):
        sample = Correlated.sample
        norm = float(np.hypot.reduce(correlated_noise.square_root_coefficients(4)))
        monkeypatch.setattr(Correlated, "sample", lambda self, n, scale, source: sample(self, n, scale / norm, source))


class MoreBandsThanBatches(_CorrelatedCheat):
    """A unit's columns overlap, which the ledger knows nothing of."""

    found_by = ("noise independence",)
    says = "is correlated|added up over all releases"
    run = {"rounds": 12, "data": ToyDataModule({"alps": 12, "cape": 3}), "client": "cape", "canaries": 5}  # noqa: RUF012

    def arrange(self, monkeypatch):
        monkeypatch.setattr(Correlated, "bands_of", lambda self, batches: 4)


class NoiseAddedWhereItIsTakenOff(_CorrelatedCheat):
    found_by = ("noise independence",)
    says = "is correlated|added up over all releases"

    def arrange(self, monkeypatch):
        taken_off = NoiseSequence.taken_off
        monkeypatch.setattr(NoiseSequence, "taken_off", lambda self, *arguments: -taken_off(self, *arguments))


class UnitsThatComeAgainTooSoon(_CorrelatedCheat):
    """Each pass has an order of its own, so that two steps of a unit share noise."""

    found_by = ("sampling",)
    says = r"a unit comes again after \d+ steps, but there are \d fixed batches"

    def arrange(self, monkeypatch):
        fixed = round_plan._fixed_batch

        def shuffled(seed, client, units, step, batches):
            order = np.random.default_rng(step // batches).permutation(batches)
            return fixed(seed, client, units, int(order[step % batches]), batches)

        monkeypatch.setattr(round_plan, "_fixed_batch", shuffled)


class PassesThatAreNotCounted(_CorrelatedCheat):
    """Only the first pass of a run is entered."""

    found_by = ("release count", "ledger")
    says = "the ledger has less than was planned"

    def arrange(self, monkeypatch):
        monkeypatch.setattr(NoiseSequence, "begins_pass", property(lambda self: self.steps == 0))


class APlanOfHalfThePasses(_CorrelatedCheat):
    """Plan and books agree, and both are short."""

    found_by = ("ledger",)
    says = "released more than was entered"

    def arrange(self, monkeypatch):
        fixed = ReleasePlan._fixed_events

        def halved(self, *arguments):
            return {client: {e: -(-n // 2) for e, n in own.items()} for client, own in fixed(self, *arguments).items()}

        monkeypatch.setattr(ReleasePlan, "_fixed_events", halved)
        begins = NoiseSequence.begins_pass.fget
        even = property(lambda self: begins(self) and (self.steps // self.batches) % 2 == 0)
        monkeypatch.setattr(NoiseSequence, "begins_pass", even)
