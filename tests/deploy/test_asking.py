"""Who does not answer is waited for, left out or waited for no longer, as the server's file says, and not silently."""

import pytest

from adpfl_bench.deploy.asking import Asking, HospitalMissing, HospitalRefuses, Question
from adpfl_bench.deploy.deployment_files import ServerFile
from adpfl_bench.deploy.door import Missing
from adpfl_bench.deploy.messages import Answer, Request, digest_of, pack, unpack
from adpfl_bench.errors import BenchError

NAMES = ("north", "south", "west")


def server(**more):
    return ServerFile(config=("a.yaml",), hospitals=NAMES, folder="run", pause=5, **more)


def question(name):
    facts = Request(kind="bye", run="ab" * 16, configuration="cd" * 32, version="1", hospital=name, round=3, roster={})
    return Question(facts)


def say(content, **changes):
    asked, _ = unpack(content, Request)
    said = Answer(
        kind=asked.kind,
        run=asked.run,
        configuration=asked.configuration,
        hospital=asked.hospital,
        round=asked.round,
        request=digest_of(content),
    )
    return pack(said.model_copy(update=changes))


class Absences:
    """An exchange on which some hospitals are away for some tries."""

    def __init__(self, away=(), **instead):
        self.away, self.instead, self.tries, self.pauses = dict(away), instead, [], []

    def __call__(self, requests):
        self.tries.append(sorted(requests))
        answers = {}
        for name, content in requests.items():
            if self.away.get(name, 0) > 0:
                self.away[name] -= 1
                answers[name] = Missing("its node is not connected")
            else:
                answers[name] = say(content, **self.instead.get(name, {}))
        return answers

    def ask(self, file, **more):
        asking = Asking(file, self, self.pauses.append)
        questions = {name: question(name) for name in NAMES}
        return asking.ask(questions, lambda name, facts, arrays: facts.hospital, "Round 3", **more)


def test_stop_stops_at_the_first_absence():
    exchange = Absences({"south": 1})
    with pytest.raises(HospitalMissing, match=r"Round 3 needs .* none came of south \(its node is not connected\)"):
        exchange.ask(server(), may_miss=True)
    assert exchange.tries == [list(NAMES)]


def test_wait_asks_whoever_is_missing_again_and_ends_after_so_many_tries(capsys):
    exchange = Absences({"south": 2})
    found, missing = exchange.ask(server(missing="wait", tries=3), may_miss=True)
    assert (list(found), missing) == (list(NAMES), {})
    assert exchange.tries == [list(NAMES), ["south"], ["south"]]
    assert exchange.pauses == [5, 5]
    assert "Round 3 waits for south (its node is not connected)" in capsys.readouterr().err
    with pytest.raises(HospitalMissing, match="in 2 tries of south"):
        Absences({"south": 2}).ask(server(missing="wait", tries=2), may_miss=True)


def test_skip_goes_on_with_enough_and_says_without_whom():
    found, missing = Absences({"south": 9}).ask(server(missing="skip", tries=2, least=2), may_miss=True)
    assert list(found) == ["north", "west"]
    assert missing == {"south": "its node is not connected"}
    with pytest.raises(HospitalMissing, match="has 2 answers, where the server's file asks for at least 3"):
        Absences({"south": 9}).ask(server(missing="skip", tries=2, least=3), may_miss=True)
    with pytest.raises(HospitalMissing, match="Round 3 needs an answer of each"):  # where nobody may be missing
        Absences({"south": 9}).ask(server(missing="skip", tries=2, least=2))


def test_a_refusal_stops_the_run_in_the_hospitals_own_words_or_leaves_it_out():
    refuses = {"west": {"refusal": "The account has no room."}}
    with pytest.raises(HospitalRefuses, match=r"Round 3: hospital west refuses: The account has no room."):
        Absences(**refuses).ask(server(missing="wait"), may_miss=True)
    found, missing = Absences(**refuses).ask(server(missing="skip"), may_miss=True)
    assert list(found) == ["north", "south"]
    assert missing == {"west": "it refuses: The account has no room."}


def test_an_answer_to_another_question_counts_as_none():
    late = {"north": {"request": "0" * 64}}
    with pytest.raises(HospitalMissing, match=r"north \(its answer is to another question\)"):
        Absences(**late).ask(server())
    with pytest.raises(BenchError, match="Hospital south has answered what west was asked"):
        Absences(west={"hospital": "south"}).ask(server())


def test_bytes_that_are_no_answer_are_told_with_their_sender():
    questions = {name: question(name) for name in NAMES}
    asking = Asking(server(missing="skip"), lambda requests: dict.fromkeys(requests, b"hello"), lambda seconds: None)
    with pytest.raises(BenchError, match=r"What came of hospital north cannot be used\. Bytes came"):
        asking.ask(questions, lambda *found: None, "Round 1", may_miss=True)


def test_a_hospital_that_the_exchange_forgets_is_missing():
    def forgets(requests):
        return {name: say(content) for name, content in requests.items() if name != "west"}

    questions = {name: question(name) for name in NAMES}
    with pytest.raises(HospitalMissing, match=r"west \(no answer came\)"):
        Asking(server(), forgets, lambda seconds: None).ask(questions, lambda *found: None, "Round 1")
