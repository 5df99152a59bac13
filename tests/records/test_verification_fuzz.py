"""Whatever somebody writes into a run's folder, verifying it ends in findings, or in a sentence, and in time."""

import json
import random
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.errors import RecordError
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.verification.copies import find_copies, marks_of
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.run_verification import verify_evidence
from tests.records.sealed_runs import write_sealed_run

ODD = (None, True, 0, -1, 10**9, 10**30, 0.5, -1e300, "", "x", "phantom", "=1+1", [], [None], [[1, 2]], {}, {"a": {}})
ODD_TEXTS = ("", ",", "nan", "-1", "1e999", "x" * 200_000, "\x00", '"', "é", "\r", "10000000000000000000000")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A sound run, and the copy of it that is damaged."""
    root = tmp_path_factory.mktemp("fuzz")
    return write_sealed_run(root / "sound"), root / "damaged"


def places(value, path=()):
    """Every place in a JSON value."""
    if path:
        yield path
    for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(below, (*path, key))


def verified(folder):
    try:
        evidence = Evidence.of(RunDirectory(folder))
    except RecordError as error:
        return str(error)
    found = verify_evidence(evidence, thorough=True)
    if not found.findings:
        find_copies([marks_of(evidence), marks_of(evidence)])
    return found.text


@given(seed=st.integers(0, 2**32), value=st.sampled_from(ODD) | st.just("removed"), several=st.integers(1, 3))
def test_any_value_of_a_record(folders, seed, value, several):
    sound, damaged = folders
    shutil.rmtree(damaged, ignore_errors=True)
    shutil.copytree(sound, damaged)
    content = json.loads((sound / "run.json").read_text())
    for _ in range(several):
        *above, last = random.Random(seed).choice(list(places(content)))
        place = content
        for key in above:
            place = place[key]
        if value == "removed":
            del place[last]
        else:
            place[last] = value
    (damaged / "run.json").write_text(json.dumps(content))
    assert verified(damaged)


@given(
    name=st.sampled_from(["rounds.csv", "cases.csv", "partition.csv", "data.csv", "privacy_ledger.json"]),
    seed=st.integers(0, 2**32),
    text=st.sampled_from(ODD_TEXTS) | st.binary(max_size=20),
    whole=st.booleans(),
)
def test_any_bytes_of_another_file(folders, name, seed, text, whole):
    sound, damaged = folders
    shutil.rmtree(damaged, ignore_errors=True)
    shutil.copytree(sound, damaged)
    content = (sound / name).read_bytes()
    new = text.encode() if isinstance(text, str) else text
    start, end = sorted(random.Random(seed).sample(range(len(content)), 2))
    (damaged / name).write_bytes(new if whole else content[:start] + new + content[end:])
    assert verified(damaged) != "verified"
