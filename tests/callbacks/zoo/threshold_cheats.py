"""Cheats with the threshold, and with the statistic that it learns from."""

import numpy as np

from adpfl_bench.privacy.mechanisms import GaussianMechanism as Gaussian
from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from adpfl_bench.privacy.private_thresholds import HistogramThreshold, QuantileThreshold
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold
from tests.callbacks.zoo.cheat import Cheat


class _Rule(Cheat):
    def privacy(self):
        self.settings = {**self.settings, "threshold": self.rule()}
        return super().privacy()


class ClaimsAProof(_Rule):
    """A percentile of raw norms that claims to be private."""

    found_by = ("threshold",)
    says = "the threshold follows something that was not released with noise"

    class rule(PercentileThreshold):
        unaccounted_reason = None


class AnHonestPercentile(_Rule):
    """Says that it looks at raw norms."""

    unaccounted = "raw percentile of private gradient norms"
    rule = PercentileThreshold


class LooksAtNorms(_Rule):
    """A rule that looks at norms, with no word about it."""

    found_by = ("threshold",)
    says = "the threshold follows something that was not released with noise"

    class rule(FixedThreshold):
        needs_norms = True

        def observe(self, client, norms):
            self.value = max([0.1, *norms])


class PeeksAtTheStatistic(_Rule):
    """Learns from it before it is noised, too."""

    found_by = ("threshold",)
    says = "the threshold follows something that was not released with noise"

    class rule(QuantileThreshold):
        def statistic(self, client, norms):
            exact = super().statistic(client, norms)
            self.learn(client, exact, max(len(norms), 1))
            return exact


class UnderstatesItsSensitivity(_Rule):
    found_by = ("threshold",)
    says = "a unit moves the threshold's statistic by 0.5, but 0.05 is stated"

    class rule(QuantileThreshold):
        statistic_sensitivity = 0.05


class SumsRawNorms(_Rule):
    """Its statistic has no bound."""

    found_by = ("threshold",)
    says = r"a unit moves the threshold's statistic by 1e\+12, but 1 is stated"

    class rule(HistogramThreshold):
        def statistic(self, client, norms):
            return np.array([float(np.sum(norms)), *super().statistic(client, norms)[1:]])


class TakesAShareThatIsNone(_Rule):
    """A negative share of the budget, which would halve the noise of the sum."""

    says = r"must lie in \[0, 1\), but it is -3"

    class rule(FixedThreshold):
        def budget_share(self, mechanism, noise_multiplier):
            return -3.0


class TakesAnotherShareThanItSays(_Rule):
    """A share that changes once the noise is settled: the sum has the noise of a small one, and so has the rest."""

    found_by = ("noise scale",)
    says = "the noise has 0.7"

    class rule(QuantileThreshold):
        asked = 0

        def budget_share(self, mechanism, noise_multiplier):
            type(self).asked += 1
            return 0.05 if type(self).asked <= 2 else 0.5


class LearnsOfTheDraw(Cheat):
    """It is told how many units were drawn, which is private."""

    found_by = ("threshold",)
    says = "the threshold follows something that was not released with noise"
    settings = {"threshold": QuantileThreshold(), "sampling": "poisson"}  # noqa: RUF012

    class engine(PrivacyEngine):
        def _noised(self, client, total, norms, threshold, units):
            return super()._noised(client, total, norms, threshold, max(1, len(norms)))


class AStatisticWithoutNoise(Cheat):
    found_by = ("noise scale",)
    says = "of the threshold's statistic, the noise has"
    settings = {"threshold": QuantileThreshold()}  # noqa: RUF012

    def arrange(self, monkeypatch):
        add = Gaussian.add_noise_

        def quiet(self, tensors, scale, source):
            if sum(tensor.numel() for tensor in tensors) > 1:
                add(self, tensors, scale, source)

        monkeypatch.setattr(Gaussian, "add_noise_", quiet)


class AStatisticWithTheNoiseOfTheSum(Cheat):
    """Of scores that are drawn once, and used for both."""

    found_by = ("noise independence",)
    says = "the noise of the sum is used again for the threshold's statistic"
    settings = {"threshold": HistogramThreshold()}  # noqa: RUF012

    def arrange(self, monkeypatch):
        sample, kept = Gaussian.sample, []

        def again(self, size, scale, source):
            if size > 100:
                kept[:] = [sample(self, size, 1.0, source)]
                return scale * kept[0]
            return scale * kept[0][10 : 10 + size]

        monkeypatch.setattr(Gaussian, "sample", again)
