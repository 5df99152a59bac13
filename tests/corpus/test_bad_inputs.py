"""Bad inputs: a part of the kinds, chosen by a seed, and the trial itself. ``make accidents`` tries them all."""

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from adpfl_bench.errors import DataError
from tests.corpus.bad_inputs import forked, main
from tests.corpus.good_inputs import GoodInputs
from tests.corpus.kind import Accepted, Answer, Ask, Kind, Refused
from tests.corpus.registry import ALWAYS, KINDS, sample
from tests.corpus.trial import Trial, try_kind
from tests.effort import ACCIDENTS_SEED, THOROUGH

SHARE = 0.2 if THOROUGH else 0.06


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> GoodInputs:
    """Good inputs, which all workers of a run of the tests share."""
    base = tmp_path_factory.getbasetemp()
    return GoodInputs((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "good")


@pytest.mark.parametrize("kind", sample(ACCIDENTS_SEED, SHARE), ids=lambda kind: kind.label)
def test_a_bad_input_is_refused_in_a_sentence_or_has_the_stated_meaning(
    good: GoodInputs, tmp_path: Path, kind: Kind
) -> None:
    trial = try_kind(kind, good, tmp_path)
    assert trial.verdict == "as expected", f"ADPFL_ACCIDENTS_SEED={ACCIDENTS_SEED}: {kind.expected}; {trial.came}"


def test_kinds_are_many_and_have_names_of_their_own() -> None:
    assert len(KINDS) >= 350
    assert [name for name, count in Counter(kind.label for kind in KINDS).items() if count > 1] == []


def test_a_sample_is_of_every_area_and_another_with_another_seed() -> None:
    chosen = [sample(seed, 0.1) for seed in (1, 1, 2)]
    assert {kind.area for kind in chosen[0]} == {kind.area for kind in KINDS}
    assert chosen[0] == chosen[1] != chosen[2]
    assert abs(len(chosen[0]) - len(KINDS) / 10 - len(ALWAYS)) < 15


def test_what_went_wrong_once_is_always_tried() -> None:
    assert set(ALWAYS) <= {kind.label for kind in sample(3, 0.01)}


def write(root: Path) -> None:
    (root / "input.txt").write_text("x")


MUST_NOT = Refused("must not")


def of(answer, expected=MUST_NOT, writes=()) -> Kind:
    return Kind("area", "name", write, Ask("ask", "nothing", answer, writes), expected)


def sentence(root: Path) -> Answer:
    raise DataError(f"{root} must not be so; mend it.")


def bug(root: Path) -> Answer:
    return Answer(False, "", {}["key"])


def loses(root: Path) -> Answer:
    (root / "input.txt").write_text("y")
    return sentence(root)


def prints_a_traceback(root: Path) -> Answer:
    print("Traceback (most recent call last):")
    return Answer(True, "")


ANSWERS = {
    "as expected": of(sentence),
    "other sentence": of(sentence, Refused("may not")),
    "accepted": of(lambda root: Answer(False, "must not")),
    "refused": of(sentence, Accepted("anything", lambda answer: True)),
    "other meaning": of(lambda root: Answer(False, "", 3), Accepted("four", lambda answer: answer.value == 4)),
    "traceback": of(bug),
    "hang": of(lambda root: time.sleep(5)),
    "lost": of(loses),
}


@pytest.mark.parametrize("verdict", ANSWERS)
def test_a_trial_tells_what_came(good: GoodInputs, tmp_path: Path, verdict: str) -> None:
    trial = try_kind(ANSWERS[verdict], good, tmp_path, seconds=0.2 if verdict == "hang" else 5)
    assert trial.verdict == verdict, trial


def test_a_printed_traceback_counts_as_one(good: GoodInputs, tmp_path: Path) -> None:
    assert try_kind(of(prints_a_traceback, Refused("")), good, tmp_path).verdict == "traceback"


def test_what_a_command_writes_may_change(good: GoodInputs, tmp_path: Path) -> None:
    taken = Accepted("anything", lambda answer: True)
    kind = of(lambda root: (root / "input.txt").unlink() or Answer(False, ""), taken, writes=("*/input.txt",))
    assert try_kind(kind, good, tmp_path / "1").verdict == "as expected"
    assert try_kind(of(loses, MUST_NOT, writes=("*/input.txt",)), good, tmp_path / "2").verdict == "lost"


def test_a_process_that_hangs_or_dies_costs_one_kind() -> None:
    assert forked(lambda: Trial("as expected", "well"), 5).came == "well"
    assert forked(lambda: time.sleep(5), 0.2).verdict == "hang"
    assert forked(lambda: os._exit(3), 5).verdict == "traceback"


def test_the_command_prints_what_came_of_each_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["masks", "--name", "values 0 and"]) == 0
    printed = capsys.readouterr().out
    assert "ok | masks: values 0 and 254" in printed
    assert "expected  refused: " in printed
    assert "is a mask with the values 0, 254; expected 0 and 255, or 0 and 1, only" in printed
    assert printed.splitlines()[-2].split() == ["all", "2", "2"]
