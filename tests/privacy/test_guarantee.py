"""What the list of proofs knows, and what a run that is not on it is told."""

from itertools import product
from pathlib import Path

import pytest
import torch

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.client_methods import ClientMethod, FedProx
from adpfl_bench.privacy.guarantee import Guarantee, MonitoredChoice, Part, PrivacySetting, guarantee
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism, Mechanism
from adpfl_bench.privacy.private_thresholds import HistogramThreshold, QuantileThreshold
from adpfl_bench.privacy.proofs import KNOWN, as_markdown, find_proof, noise_law, register_proof
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold, Threshold
from tests.impostors import impostor

TOP = Path(__file__).resolve().parents[2]
GAUSSIAN = ("adpfl_bench.privacy.mechanisms", "GaussianMechanism")


def decide(unit="record", threshold=None, mechanism=None, z=1.0, **setting):
    return guarantee(
        PrivacySetting(unit, threshold or FixedThreshold(), mechanism or GaussianMechanism(), z, **setting)
    )


def test_a_run_of_known_parts_rests_on_a_line_for_each():
    found = decide(parts=(Part("local optimizer", torch.optim.SGD), Part("precision", "32-true")))
    assert found.reason is None
    assert found.admitted == found.claimed == ()
    assert [(line.kind, line.name) for line in found.lines] == [
        ("mechanism", "GaussianMechanism"),
        ("threshold rule", "FixedThreshold"),
        ("privacy unit", "record"),
        ("sampling", "shuffle"),
        ("local optimizer", "SGD"),
        ("precision", "32-true"),
    ]
    assert all(line.statement and not line.claimed for line in found.lines)


class Smaller(GaussianMechanism):
    """Adds half of the noise."""

    def sample(self, size, scale, source):
        return super().sample(size, scale / 2, source)


@pytest.mark.parametrize("name", ["GaussianMechanism", "LaplaceMechanism"])
@pytest.mark.parametrize("module", ["adpfl_bench.privacy.mechanisms", "mine"])
def test_a_mechanism_is_known_by_what_it_is_and_not_by_its_name(name, module):
    fake = impostor(Smaller, module, name)
    assert decide(mechanism=fake()).reason == f"no bound is known here for the noise of {module}.{name}"
    assert noise_law(fake) is None
    assert fake().event(2.0) == Release(f"{module}.{name}", 2.0)
    assert decide(mechanism=Smaller()).reason == "no bound is known here for the noise of Smaller"
    assert LaplaceMechanism("l1").event(2.0, 2.0, 0.5) == Release("LaplaceMechanism", 2.0, 2.0, 0.5, "l1")


def test_methods_that_are_replaced_on_an_object_are_found():
    mechanism, rule = GaussianMechanism(), FixedThreshold()
    mechanism.norm = "l1"
    assert decide("record", rule, mechanism).reason is None
    mechanism.sample = lambda size, scale, source: source.normal(size)
    rule.current = lambda client: 1e9
    assert decide("record", rule, mechanism).reasons == (
        "sample of GaussianMechanism was replaced by another one",
        "current of FixedThreshold was replaced by another one",
    )


class Quiet(Threshold):
    """A rule that sees norms, and does not say what that costs."""

    needs_norms = True

    def current(self, client):
        return 1.0


class Other(Threshold):
    def current(self, client):
        return 1.0


class Denying(PercentileThreshold):
    unaccounted_reason = None


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (Quiet(), "the threshold rule Quiet sees the norms of gradients as they are"),
        (Other(), "the proof does not know the threshold rule Other"),
        (Denying(), "the threshold rule Denying sees the norms of gradients as they are"),
        (PercentileThreshold(), PercentileThreshold().unaccounted_reason),
        (HistogramThreshold(), None),
    ],
)
def test_threshold_rules(rule, reason):
    assert decide(threshold=rule).reason == reason


def test_rules_and_optimizers_are_known_by_what_they_are_and_not_by_their_names():
    rule = impostor(QuantileThreshold, "mine", "QuantileThreshold")()
    assert decide(threshold=rule).reason == "the proof does not know the threshold rule mine.QuantileThreshold"
    optimizer = Part("local optimizer", impostor(torch.optim.SGD, "torch.optim.sgd", "SGD"))
    assert decide(parts=(optimizer,)).reason == "the proof does not know the local optimizer torch.optim.sgd.SGD"


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (Part("local optimizer", torch.optim.LBFGS), "the local optimizer LBFGS"),
        (Part("learning-rate schedule", torch.optim.lr_scheduler.LambdaLR), "the learning-rate schedule LambdaLR"),
        (Part("precision", "bf16-true"), "the precision bf16-true"),
        (Part("client method", type("Own", (FedProx,), {})), "the client method Own"),
        (Part("strategy", torch.nn.Module), "the strategy Module"),
        (Part("callback", torch.optim.SGD), "the callback torch.optim.sgd.SGD"),  # a proof is for one kind of part
    ],
)
def test_what_is_not_on_the_list_is_named(part, reason):
    assert reason in decide(parts=(part,)).reason
    assert decide(parts=(part,)).reason.startswith("the proof does not know")


def test_every_reason_is_given():
    found = decide(
        mechanism=Smaller(),
        threshold=Other(),
        statistics=("a", "b", "c", "d", "e"),
        faults=("something else",),
        parts=(Part("precision", "16-true"), Part("precision", "16-true")),
    )
    assert found.reasons == (
        "running statistics of the network (a, b, c and 2 more) are computed from training images without noise",
        "no bound is known here for the noise of Smaller",
        "the proof does not know the threshold rule Other",
        "the proof does not know the precision 16-true",
        "something else",
    )


@pytest.mark.parametrize(
    ("monitor", "admitted", "reason"),
    [
        ("val_dice", ("stopping early by val_dice",), None),
        ("the clock", ("stopping early by the clock",), None),
        ("epoch", (), None),
        (None, (), None),
        ("train_loss", (), "stopping early by train_loss follows a number that no noise covers"),
        ("my_val_loss", (), "stopping early by my_val_loss follows a number that no noise covers"),
    ],
)
def test_choices_by_validation_are_admitted_and_others_are_not_covered(monitor, admitted, reason):
    found = decide(choices=(MonitoredChoice("stopping early", monitor),))
    assert (found.admitted, found.reason) == (admitted, reason)


def test_a_guarantee_only_becomes_less_and_is_not_forgotten():
    whole = decide(not_covered=("one",))
    less = whole.withdrawn("why").withdrawn("why")
    assert (whole.reason, less.reason, less.lines) == (None, "why", whole.lines)
    again = decide(not_covered=("two",)).with_earlier(Guarantee.restored(less.state_dict()))
    assert (again.reason, again.not_covered) == ("why", ("one", "two"))
    assert Guarantee.restored({}) == Guarantee()


class Claimed(GaussianMechanism):
    """Twice the noise."""

    def sample(self, size, scale, source):
        return super().sample(size, 2 * scale, source)


register_proof(Claimed, "twice the noise of a Gaussian.", like="GaussianMechanism", factor=2.0)


class Vouched(torch.optim.SGD):
    pass


register_proof(Vouched, "steps on the gradient alone")


def test_what_an_author_states_is_accounted_and_said_to_be_claimed():
    found = decide(mechanism=Claimed(), parts=(Part("local optimizer", Vouched),))
    assert found.reason is None
    assert found.claimed == ("Claimed (twice the noise of a Gaussian)", "Vouched (steps on the gradient alone)")
    assert found.admitted == tuple(f"what is claimed by the author of {claim}" for claim in found.claimed)
    assert {line.name for line in found.lines if line.claimed} == {"Claimed", "Vouched"}
    assert Claimed().event(3.0, 2.0) == Release("GaussianMechanism", 6.0, 2.0)
    heirs = [type(base.__name__, (base,), {}) for base in (Claimed, Vouched)]
    assert "no bound is known" in decide(mechanism=heirs[0]()).reason
    assert "does not know" in decide(parts=(Part("local optimizer", heirs[1]),)).reason


def test_noise_without_a_law_is_not_accounted_whatever_is_stated():
    class NoLaw(Mechanism):
        def sample(self, size, scale, source):
            return source.normal(size) * scale

    register_proof(NoLaw, "it is enough")
    assert decide(mechanism=NoLaw()).reason == "no bound is known here for the noise of NoLaw"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((Quiet, " "), "expects a class and a sentence"),
        ((Quiet(), "a sentence"), "expects a class and a sentence"),
        ((FixedThreshold, "a sentence"), "FixedThreshold has a proof of this suite already"),
        ((Smaller, "a sentence", {"like": "Gaussian"}), "like is Gaussian; possible are GaussianMechanism, Laplace"),
        ((Smaller, "a sentence", {"like": "GaussianMechanism", "factor": 0.0}), "factor is a ratio of scales"),
        ((Smaller, "a sentence", {"like": "GaussianMechanism", "factor": float("nan")}), "factor is a ratio of scales"),
    ],
)
def test_claims_that_are_refused(arguments, sentence):
    part, statement, *more = arguments
    with pytest.raises(ConfigError, match=sentence):
        register_proof(part, statement, **(more[0] if more else {}))


def test_names_of_the_list_are_those_of_classes():
    """A name that a new version of a package has no class for would silently know nothing."""
    for proof in KNOWN:
        for name in proof.names:
            module, _, own = name.rpartition(".")
            if module:
                kind = getattr(__import__(module, fromlist=[own]), own)
                assert find_proof(proof.kind, kind).statement == proof.statement
            else:
                assert find_proof(proof.kind, name).statement == proof.statement


def test_the_page_has_the_list():
    page = (TOP / "docs/privacy.md").read_text()
    assert page.count(as_markdown()) == 1
    proved = page.split("## What is proved")[1].split("\n## ")[0]
    cited = [proof.statement.rpartition("(")[2].rstrip(")").split(", ") for proof in KNOWN]
    for number in {number for numbers in cited for number in numbers if number.isdigit()}:
        assert f"\n{number}. " in proved


UNITS = ("none", "batch", "record", "patient", "client")
MECHANISMS = (GaussianMechanism(), LaplaceMechanism(), LaplaceMechanism("l1"), Claimed(), Smaller())
RULES = (FixedThreshold(), QuantileThreshold(), HistogramThreshold(), PercentileThreshold(), Quiet(), Other())
METHODS = (ClientMethod, FedProx, type("Own", (ClientMethod,), {}))
PRECISIONS = ("32-true", "64-true", "bf16-mixed", "bf16-true", "16-true")
STATISTICS = ((), ("network.1",))
OPTIMIZERS = (torch.optim.AdamW, torch.optim.LBFGS, Vouched)
CHOICES = ((), (MonitoredChoice("stopping early", "val_dice"),), (MonitoredChoice("stopping early", "loss"),))


def test_every_cell_of_the_matrix_is_proved_or_says_why_not():
    """The whole product, beside a second statement of the rule."""
    proved = 0
    cells = product(UNITS, MECHANISMS, RULES, (0.0, 1.0, None), METHODS, PRECISIONS, STATISTICS, OPTIMIZERS, CHOICES)
    for unit, mechanism, rule, z, method, precision, statistics, optimizer, choices in cells:
        parts = (Part("client method", method), Part("precision", precision), Part("local optimizer", optimizer))
        found = decide(unit, rule, mechanism, z, parts=parts, statistics=statistics, choices=choices)
        expected = {
            "not private": unit == "none",
            "clipping alone": z == 0,
            "running statistics": bool(statistics),
            "no bound is known": mechanism is MECHANISMS[-1],
            "raw percentile": rule is RULES[3],
            "Quiet sees": rule is RULES[4],
            "threshold rule Other": rule is RULES[5],
            "client method Own": method is METHODS[2],
            f"precision {precision}": precision in PRECISIONS[3:],
            "optimizer LBFGS": optimizer is torch.optim.LBFGS,
            "stopping early by loss": choices == CHOICES[2],
        }
        said = [sentence for sentence, wrong in expected.items() if wrong]
        if unit == "none" or z == 0:
            assert len(found.reasons) == 1
            assert any(sentence in found.reason for sentence in said)
        else:
            assert len(found.reasons) == len(said)
            assert all(sentence in found.reason for sentence in said)
        assert (found.reason is None) == (not said)
        proved += not said
        if not said:
            assert len(found.claimed) == (mechanism is MECHANISMS[3]) + (optimizer is Vouched)
            assert ("stopping early by val_dice" in found.admitted) == bool(choices)
    assert proved == 4 * 4 * 3 * 2 * 2 * 3 * 1 * 2 * 2
