"""What a cheat is: settings, something broken on purpose, and what must be said of it."""

from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from tests.callbacks.audits import WideTask, per_record, sgd
from tests.toy_federation import ToyDataModule


class Cheat:
    """A run that is not what it says.

    A subclass states by which checks an audit finds it, why nothing is accounted for it, or which sentence refuses it;
    and breaks something.

    Attributes:
        found_by: The checks that fail, whatever others do; none where the run is refused.
        unaccounted: Why nothing is accounted: a regular expression.
        says: What the first of them says, or the refusal: a regular expression.
        settings: Of the private method.
        run: Of the audited run.
        batch_size: Of the audited run: few and large steps, unless what is broken shows in many.
        engine: Class of the privacy boundary.
    """

    found_by: tuple[str, ...] = ()
    unaccounted: str | None = None
    says = "."
    settings: dict = {}  # noqa: RUF012 - stated, never changed
    run: dict = {}  # noqa: RUF012 - as above
    batch_size = 8
    engine = PrivacyEngine

    def privacy(self):
        """The private method."""
        privacy = per_record(**{"z": 2.0, **self.settings})
        privacy.engine.__class__ = self.engine
        return privacy

    def arguments(self):
        """Arguments of the audited run, made anew each time."""
        return {"canaries": 20, "data": ToyDataModule({"alps": 6, "cape": 3}, batch_size=self.batch_size), **self.run}

    def arrange(self, monkeypatch):
        """Break something."""


def cheats_of(module):
    """All cheats of a module, by name."""
    return {
        name: kind
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, Cheat) and kind.__module__ == module.__name__
    }


def task_of(kind=WideTask, optimizer=sgd):
    """A small network of a kind, with an optimizer."""
    return kind("wide", optimizer=optimizer)
