"""Cheats with what is entered."""

from dataclasses import replace

from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from adpfl_bench.privacy.thresholds import FixedThreshold
from tests.callbacks.zoo.cheat import Cheat


class _Entries(Cheat):
    """Enters something else than is released."""

    @staticmethod
    def entered(client, release, count):
        return client, release, count

    def privacy(self):
        privacy, entered = super().privacy(), self.entered
        enter = privacy.engine.books.enter

        def changed(client, release, count):
            entry = entered(client, release, count)
            if entry is not None:
                enter(*entry)

        privacy.engine.books.enter = changed
        return privacy


class ForgetsAClient(_Entries):
    found_by = ("release count", "ledger")
    says = "the ledger has less than was planned of cape"

    @staticmethod
    def entered(client, release, count):
        return (client, release, count) if client != "cape" else None


class EntersHalfOfIt(_Entries):
    found_by = ("release count", "ledger")
    says = "the ledger has less than was planned of alps, cape"
    settings = {"sampling": "poisson"}  # noqa: RUF012

    @staticmethod
    def entered(client, release, count):
        return client, release, count // 2


class StatesMoreNoise(_Entries):
    found_by = ("noise scale", "release count")
    says = r"the noise has 0\.(4[5-9]\d*|5([0-5]\d*)?) times"

    @staticmethod
    def entered(client, release, count):
        return client, replace(release, noise_multiplier=2 * release.noise_multiplier), count


class StatesAnotherMechanism(_Entries):
    """Gaussian noise where Laplace noise has the better proof."""

    found_by = ("noise scale", "release count")
    says = "times the stated scale|stated law"

    @staticmethod
    def entered(client, release, count):
        return client, replace(release, mechanism="LaplaceMechanism"), count


class StatesALowerRate(_Entries):
    found_by = ("sampling", "release count")
    says = "units are drawn with a rate of 0.1|more or less often|of the sizes"
    settings = {"sampling": "poisson"}  # noqa: RUF012
    run = {"rounds": 3}  # noqa: RUF012
    batch_size = 4

    @staticmethod
    def entered(client, release, count):
        return client, replace(release, sampling_rate=release.sampling_rate / 3), count


class StatesHalfTheSensitivity(_Entries):
    found_by = ("release count", "ledger")
    says = "the ledger has less than was planned"
    settings = {"unit": "batch", "threshold": FixedThreshold(0.05)}  # noqa: RUF012

    @staticmethod
    def entered(client, release, count):
        return client, replace(release, sensitivity=1.0), count


class PlansHalfTheSensitivity(Cheat):
    """The plan is wrong as well, so that nothing is missing of it."""

    found_by = ("ledger",)
    says = "a sensitivity of 1 was entered, but of the unit batch it is 2"
    settings = {"unit": "batch", "threshold": FixedThreshold(0.05)}  # noqa: RUF012

    def arrange(self, monkeypatch):
        monkeypatch.setattr("adpfl_bench.privacy.release_plan.BATCH_SENSITIVITY", 1.0)


class StatesAnotherNorm(Cheat):
    """Clips in L2, and enters sums that are clipped in L1."""

    found_by = ("sensitivity",)
    says = r"a unit moves the sum by 1\d"

    def arrange(self, monkeypatch):
        event = GaussianMechanism.event
        monkeypatch.setattr(
            GaussianMechanism, "event", lambda self, *args, **named: replace(event(self, *args, **named), norm="l1")
        )


class EntersLater(Cheat):
    """What was released is entered when its pass is over."""

    found_by = ("ledger",)
    says = "released what was not entered"

    def privacy(self):
        privacy = super().privacy()
        enter, waiting = privacy.engine.books.enter, []
        privacy.engine.books.enter = lambda *entry: waiting.append(entry)

        class Late(PrivacyEngine):
            def end(self, batch):
                super().end(batch)
                while waiting:
                    enter(*waiting.pop(0))

        privacy.engine.__class__ = Late
        return privacy


class SkipsEmptyBatches(Cheat):
    """Makes no release where nobody was drawn, and does not mind."""

    found_by = ("release count",)
    says = r"client alps made \d+ of 12 planned releases"
    settings = {"sampling": "poisson"}  # noqa: RUF012
    batch_size = 1

    class engine(PrivacyEngine):
        def release(self, batch, optimizer, see=None):
            if len(batch.image):
                super().release(batch, optimizer, see)
            else:
                self._clipping.take()

        def end(self, batch):
            pass


class ReleasesTwice(Cheat):
    """Shows two noised copies of each sum, and enters one."""

    found_by = ("release count", "ledger")
    says = "client alps made 4 of 2 planned releases"
    settings = {"sampling": "poisson"}  # noqa: RUF012

    class engine(PrivacyEngine):
        def release(self, batch, optimizer, see=None):
            parameters = optimizer.param_groups[0]["params"]
            exact = [parameter.grad.clone() for parameter in parameters]
            taken = self._clipping._clipped
            super().release(batch, optimizer, see)
            self._made, self._clipping._clipped = False, taken
            for parameter, gradient in zip(parameters, exact, strict=True):
                parameter.grad.copy_(gradient)
            super().release(batch, optimizer, see)


class DeltasThatAreNotEntered(_Entries):
    found_by = ("release count", "ledger")
    says = "the ledger has less than was planned of alps"
    settings = {"unit": "client"}  # noqa: RUF012

    @staticmethod
    def entered(client, release, count):
        return (client, release, count) if client != "alps" else None
