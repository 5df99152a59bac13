"""Cheats with who is in a step."""

from dataclasses import replace

import numpy as np

from adpfl_bench.data import datamodule
from adpfl_bench.data.rounds.round_loader import RoundLoader
from adpfl_bench.data.rounds.round_plan import CanaryExample, ExampleKey
from tests.callbacks.zoo.cheat import Cheat


class _Plan(Cheat):
    """Changes the plan of each round; ``changed`` is told a client's steps and its examples."""

    settings = {"sampling": "poisson"}  # noqa: RUF012
    run = {"rounds": 3}  # noqa: RUF012

    def arrange(self, monkeypatch):
        plan_round, changed = datamodule.plan_round, self.changed

        def plan(schedule, index, examples, *arguments):
            steps = plan_round(schedule, index, examples, *arguments)
            generator = np.random.default_rng(index)
            for client, own in examples.items():
                places = [i for i, step in enumerate(steps) if step.client == client]
                for place, step in zip(places, changed([steps[i] for i in places], own, generator), strict=True):
                    steps[place] = step
            return steps

        monkeypatch.setattr(datamodule, "plan_round", plan)


def _with(step, examples):
    """A step with these examples, each a unit."""
    keys = [example if isinstance(example, CanaryExample) else ExampleKey(example, 0) for example in examples]
    return replace(step, keys=keys, units=list(range(len(keys))))


def _examples(step):
    return [key if isinstance(key, CanaryExample) else key.example for key in step.keys]


class AUnitInEveryStep(_Plan):
    found_by = ("sampling",)
    says = r"a unit is in \d+ of \d+ steps|twice in a pass"
    batch_size = 4

    @staticmethod
    def changed(steps, own, generator):
        return [_with(step, list(dict.fromkeys([own[0], *_examples(step)]))) for step in steps]


class TwiceTheRate(_Plan):
    found_by = ("sampling",)
    says = r"units are drawn with a rate of 0\.\d+, but 0\.\d+ was entered"

    @staticmethod
    def changed(steps, own, generator):
        return [_with(step, [one for one in own if generator.random() < 2 * step.sampling_rate]) for step in steps]


class BatchesOfOneSize(_Plan):
    """Random units, as many in each step: no unit is drawn by itself."""

    found_by = ("sampling",)
    says = "batches are not of the sizes that independent draws have"
    batch_size = 4

    @staticmethod
    def changed(steps, own, generator):
        return [_with(step, [own[i] for i in generator.choice(len(own), 4, replace=False)]) for step in steps]


class AShuffleThatIsCalledSampling(_Plan):
    found_by = ("sampling",)
    says = "batches are not of the sizes that independent draws have|more or less often"
    run = {"rounds": 5}  # noqa: RUF012
    batch_size = 4

    @staticmethod
    def changed(steps, own, generator):
        order = generator.permutation(len(own))
        return [_with(step, [own[i] for i in order[4 * k : 4 * k + 4]]) for k, step in enumerate(steps)]


class TheSameDrawTwice(_Plan):
    """Each draw is used for two steps in a row."""

    found_by = ("sampling",)
    says = "more or less often than independent draws would|of the sizes"
    run = {"rounds": 6}  # noqa: RUF012
    batch_size = 4

    @staticmethod
    def changed(steps, own, generator):
        return [_with(step, _examples(steps[k - k % 2])) for k, step in enumerate(steps)]


class AUnitThatRepeats(_Plan):
    """In a pass that should visit each unit once."""

    found_by = ("sampling", "ledger")
    says = r"a unit is in \d+ steps of one pass"
    settings = {}  # noqa: RUF012

    @staticmethod
    def changed(steps, own, generator):
        return [_with(step, list(dict.fromkeys([own[0], *_examples(step)]))) for step in steps]


class AUnitThatIsTwoUnits(_Plan):
    """One of the examples is in its batch twice, and counts as two units."""

    found_by = ("sampling",)
    says = "an example is in one batch twice"
    settings = {}  # noqa: RUF012

    @staticmethod
    def changed(steps, own, generator):
        return [_with(step, [*_examples(step), _examples(step)[0]]) for step in steps]


class APatientThatIsTwoUnits(_Plan):
    """Each canary has two examples, which are clipped by themselves."""

    found_by = ("sensitivity", "sampling")
    says = "."
    settings = {"unit": "patient"}  # noqa: RUF012

    @staticmethod
    def changed(steps, own, generator):
        return [_with(step, _examples(step)) for step in steps]


class TwoPassesThatAreOne(Cheat):
    """Two passes, of which the ledger is told as of one."""

    found_by = ("sampling", "release count", "ledger")
    says = "a unit is in 2 steps of one pass"
    run = {"federated": {"local_epochs": 2}}  # noqa: RUF012

    def arrange(self, monkeypatch):
        plan_round = datamodule.plan_round
        monkeypatch.setattr(
            datamodule,
            "plan_round",
            lambda *arguments: [replace(step, local_epoch=0) for step in plan_round(*arguments)],
        )


class ExamplesBesideThePlan(Cheat):
    """The loader brings an example twice that is planned once."""

    found_by = ("sensitivity", "sampling")
    says = "."

    def arrange(self, monkeypatch):
        batches = RoundLoader.__iter__

        def more(self):
            for batch in batches(self):
                if len(batch.image) > 1:
                    batch.image[0], batch.label[0] = batch.image[1], batch.label[1]
                yield batch

        monkeypatch.setattr(RoundLoader, "__iter__", more)


class ClientsThatShareUnits(_Plan):
    """Units of one client are in the steps of another."""

    found_by = ("sampling",)
    says = "a batch holds units of another client"
    settings = {}  # noqa: RUF012

    @staticmethod
    def changed(steps, own, generator):
        if isinstance(own[-1], CanaryExample):
            return steps
        stranger = next(i for i in range(100) if i not in own and i < 15)
        return [_with(step, [*_examples(step)[1:], stranger]) for step in steps]
