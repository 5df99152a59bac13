"""What a hospital demands of a run, and what it lets go of its scores."""

import pytest
import yaml

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.deploy.agreement import Agreement
from adpfl_bench.deploy.deployment_files import HospitalFile, ServerFile
from adpfl_bench.deploy.hospital_terms import check_deployable, check_epsilon, check_noise, check_turn
from adpfl_bench.deploy.leaving_scores import leaving_scores
from adpfl_bench.deploy.messages import MessageError, Request, ScoredMean, ScoreFacts, StatedCounts
from adpfl_bench.deploy.refusal import Refusal, public_sentence
from adpfl_bench.deploy.returned_scores import mean_metrics, returned_cases
from adpfl_bench.errors import AccountRefusal, ConfigError, DataError
from adpfl_bench.federation.client_methods import LocalTraining
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.release_plan import ReleasePlan
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.records.round_metrics import RoundMetric

KEY = "0" * 32


def hospital(**more):
    place = {"name": "north", "home": "h", "config": ("a.yaml",), "data": {"root": "d"}}
    stated = {**place, "require": None, "scores": "none"}
    return HospitalFile.model_validate({**stated, **more})


def private(unit="patient", secure=True, z=1.0, **more):
    return DifferentialPrivacy(
        unit, FixedThreshold(), GaussianMechanism(), noise_multiplier=z, delta=0.001, secure=secure, **more
    )


def test_noise_that_follows_from_a_seed_is_refused_but_in_a_test_and_secret_noise_in_one():
    check_noise(private(), hospital())
    check_noise(DifferentialPrivacy(), hospital())
    check_noise(private(secure=False), hospital(test_noise=KEY))
    with pytest.raises(Refusal, match=r"hospital north takes part with privacy.secure: true alone"):
        check_noise(private(secure=False), hospital())
    with pytest.raises(Refusal, match="it is refused where noise is to be secret"):
        check_noise(private(), hospital(test_noise=KEY))


@pytest.mark.parametrize(
    ("floor", "unit", "admitted"),
    [
        ("patient", "patient", True),
        ("patient", "client", True),
        ("patient", "record", False),
        ("record", "patient", True),
        ("record", "none", False),
        ("client", "patient", False),
    ],
)
def test_no_smaller_unit_than_the_hospitals_own_is_admitted(floor, unit, admitted):
    asked = hospital(require={"unit": floor, "epsilon": 8.0})
    privacy = DifferentialPrivacy() if unit == "none" else private(unit)
    if admitted:
        check_noise(privacy, asked)
    else:
        with pytest.raises(Refusal, match=f"requires privacy of the unit {floor}, but the run's unit is {unit}"):
            check_noise(privacy, asked)


def test_epsilon_is_that_of_all_rounds_at_the_hospital():
    privacy, schedule = private(z=2.0), RoundSchedule(4, clients_per_round=1, availability="cyclic")
    privacy.engine.settle(ReleasePlan("patient", "shuffle", 10, GaussianMechanism()), 2.0)
    floor = hospital(require={"unit": "patient", "epsilon": 8.0}).require
    units = {"north": 10, "south": 10}
    spent = check_epsilon(floor, "north", privacy, schedule, units)
    whole = check_epsilon(floor, "north", privacy, RoundSchedule(4), units)
    assert 0 < spent < whole < 8  # drawn for two of the four rounds, and for all of them
    tight = hospital(require={"unit": "patient", "epsilon": spent * 0.99}).require
    with pytest.raises(Refusal, match="but the run would come to"):
        check_epsilon(tight, "north", privacy, schedule, units)


def test_a_hospital_makes_only_rounds_of_the_schedule_and_each_once():
    schedule = RoundSchedule(4, clients_per_round=1, availability="cyclic")
    roster = {name: StatedCounts(examples=1, units=1) for name in ("north", "south")}
    own = next(number for number in (1, 2) if "north" in schedule.participants(number - 1, list(roster)))
    request = Request(
        kind="train", run="ab" * 16, configuration="cd" * 32, version="1", hospital="north", round=own, roster=roster
    )
    check_turn(request, "north", schedule, own - 1)
    with pytest.raises(Refusal, match="has made it and releases nothing for it a second time"):
        check_turn(request, "north", schedule, own)
    with pytest.raises(Refusal, match="does not draw hospital north for it"):
        check_turn(request.model_copy(update={"round": 3 - own}), "north", schedule, 0)
    for number in (0, 5):
        with pytest.raises(Refusal, match=f"Round {number} was asked for, but the configuration has 4 rounds"):
            check_turn(request.model_copy(update={"round": number}), "north", schedule, 0)


def test_what_only_a_simulation_can_do_is_refused():
    check_deployable(FederatedLoop(rounds=2).settings)
    for change, said in (
        ({"pooled": True}, "federated.pooled"),
        ({"fine_tuning_epochs": 1}, "federated.fine_tuning_epochs"),
        ({"dropout": 0.5}, "federated.dropout"),
        ({"client_method": LocalTraining()}, "by which nobody sends anything"),
    ):
        with pytest.raises(Refusal, match=said):
            check_deployable(FederatedLoop(rounds=2, **change).settings)


def test_sentences_that_travel_name_no_file_and_no_case():
    assert public_sentence(Refusal("It is refused.")) == "It is refused."
    assert "patient-7" not in public_sentence(DataError("/data/patient-7.png cannot be read."))
    assert "at most 3 rounds would fit" in public_sentence(AccountRefusal("12 patients would ...", 3))


SCORES = [
    CaseScore(
        f"case{i}", f"p{i}", "north", "test", "disc", {"dice": i / 10, **({"nsd": 0.5} if i else {})}, "mm", False
    )
    for i in range(4)
]


def test_scores_leave_by_the_hospitals_policy():
    none = leaving_scores(SCORES, "test", hospital())
    assert (none.cases, none.means) == ([], [])
    assert none.withheld
    means = leaving_scores(SCORES, "test", hospital(scores={"means_over": 4}))
    assert means.cases == []
    assert means.means == [ScoredMean(model="global", region="disc", metric="dice", cases=4, mean=0.15)]
    assert "1 of 2 means are over fewer than 4 cases" in means.withheld
    every = leaving_scores(SCORES, "test", hospital(scores="all"))
    back = ScoreFacts.model_validate_json(every.model_dump_json())
    assert returned_cases("north", back) == SCORES


def test_scores_of_other_hospitals_cases_are_refused_and_means_are_over_all_cases():
    every = leaving_scores(SCORES, "test", hospital(scores="all"))
    with pytest.raises(MessageError, match="none of its own test cases"):
        returned_cases("south", every)
    one, other = (
        ScoreFacts(
            split="validation", means=[ScoredMean(model="global", region="disc", metric="dice", cases=n, mean=m)]
        )
        for n, m in ((1, 0.2), (3, 0.6))
    )
    found = mean_metrics({"north": one, "south": other})
    assert RoundMetric("south", "val_dice_disc", 0.6) in found
    assert RoundMetric("all", "val_dice_disc", pytest.approx(0.5)) in found


def test_an_agreement_leaves_out_what_is_each_hospitals_own():
    def of(**data):
        init = {"root": "/a", "batch_size": 4, "num_workers": 0, "partition": {"class_path": "x"}, **data}
        config = {"task": "t", "method": "m", "data": {"class_path": "D", "init_args": init}, "model": {}}
        return Agreement.of({**config, "federated": {"seed": 1}, "privacy": {"account": "/mine"}}).digest

    assert of() == of(root="/b", num_workers=3, partition=None, description={"columns": 1})
    assert of() != of(batch_size=8)


def test_files_say_which_key_is_wrong(tmp_path):
    path = tmp_path / "hospital.yaml"
    place = {"name": "n", "home": "h", "config": ["tasks/isic.yaml"], "data": {"root": "d"}}
    good = {**place, "require": None, "scores": "all"}
    path.write_text(yaml.safe_dump(good))
    read = HospitalFile.read(path)
    assert (read.home, read.data["root"]) == (tmp_path / "h", str(tmp_path / "d"))
    for change, said in (
        ({"require": ...}, "does not state require; The least privacy that it takes part under"),
        ({"sores": 1}, "states sores, which is none of"),
        ({"scores": "some"}, "states scores"),
        ({"test_noise": "short"}, "states test_noise"),
    ):
        wrong = {key: value for key, value in {**good, **change}.items() if value is not ...}
        path.write_text(yaml.safe_dump(wrong))
        with pytest.raises(ConfigError, match=said):
            HospitalFile.read(path)
    path.write_text("- a\n")
    with pytest.raises(ConfigError, match="must hold settings by name"):
        ServerFile.read(path)
