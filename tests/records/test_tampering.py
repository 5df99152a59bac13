"""Every way to tamper with a run's folder is found by name, as long as anything can find it without the data."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.ledger import PrivacyLedger
from adpfl_bench.records.chain import ChainBlock
from adpfl_bench.records.checkpoint_block import CheckpointBlock
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.seal import seal
from adpfl_bench.records.verification.copies import find_copies, marks_of
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import CHECKS
from adpfl_bench.records.verification.run_verification import verify_evidence
from tests.records.sealed_runs import PERCENTILE, reseal, write_sealed_run
from tests.records.tampering import TAMPERINGS, as_markdown, record


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A run with a guarantee, and one of ADP-FL without."""
    root = tmp_path_factory.mktemp("sound")
    return write_sealed_run(root / "dp"), write_sealed_run(root / "adp", "adp_fl", threshold=PERCENTILE)


@pytest.fixture
def tampered(sound, tmp_path):
    """Makes a copy of a sound run and tampers with it."""

    def make(tampering):
        folder = tmp_path / "run"
        shutil.copytree(sound[tampering.adaptive], folder)
        tampering.edit(folder)
        return folder

    return make


def verified(folder, thorough=False):
    return verify_evidence(Evidence.of(RunDirectory(folder)), thorough)


def checks_of(folder: Path, thorough=False):
    """Names of the checks that find anything in a run or in those beside it."""
    evidence = [Evidence.of(RunDirectory(path.parent)) for path in sorted(folder.parent.glob("*/run.json"))]
    found = {finding.check for one in evidence for finding in verify_evidence(one, thorough).findings}
    if not found - {"record", "data", "configuration"}:
        found |= {finding.check for finding in find_copies(map(marks_of, evidence)).values()}
    return found


def test_sound_runs_are_verified(sound):
    for folder in sound:
        found = verified(folder, thorough=True)
        assert (found.findings, found.state, found.text) == ((), "verified", "verified")


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.name)
def test_tampering_is_found_by_name(tampered, tampering):
    assert tampering.check in CHECKS
    assert tampering.check in checks_of(tampered(tampering))


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.name)
def test_what_is_still_found_when_all_digests_are_computed_again(tampered, tampering):
    folder = tampered(tampering)
    for path in folder.parent.glob("*/run.json"):
        reseal(path.parent)
    found = checks_of(folder)
    assert (found == set()) if tampering.resealed is None else (tampering.resealed in found), found


def test_the_page_has_every_check_and_every_way_to_tamper():
    page = (Path(__file__).parents[2] / "docs" / "records.md").read_text()
    assert as_markdown() in page
    assert all(f"| `{name}` | {text} |" in page for name, text in CHECKS.items())


def test_the_round_that_was_changed_is_named(tampered):
    (tampering,) = (one for one in TAMPERINGS if one.name == "a line of a round")
    assert "rounds: round 2 of rounds.csv is not what the chain was made of" in verified(tampered(tampering)).text


def test_a_record_from_before_digests_is_checked_all_the_same(sound, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(sound[0], folder)
    content = json.loads((folder / "run.json").read_text())
    del content["digests"]
    (folder / "run.json").write_text(json.dumps(content))
    found = verified(folder, thorough=True)
    assert (found.findings, found.state) == ((), "not verifiable: recorded before digests")
    record(privacy__accounted__epsilon=0.1)(folder)
    assert checks_of(folder) == {"epsilon"}


def test_rounds_from_before_digests_are_said_to_be_so(sound, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(sound[0], folder)
    directory = RunDirectory(folder)
    found = directory.read_record()
    ledger = found.model_dump()["privacy"]["ledger"]
    chain = ChainBlock(origin=found.digests.chain.origin)
    found.digests.chain = chain.extended(3, directory.round_lines()[3], ledger, "w")
    directory.write_record(found)
    state = "not verifiable: rounds 1 to 2 were recorded before digests"
    assert verified(folder).state == state


def test_files_that_were_not_published_are_named(sound, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(sound[0], folder)
    for name in ("partition.csv", "privacy_ledger.json", "data.csv"):
        (folder / name).unlink()
    assert verified(folder).text == "verified (without data.csv, partition.csv, privacy_ledger.json, not here)"


def test_a_partition_without_a_case_is_a_finding(sound, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(sound[0], folder)
    (folder / "partition.csv").write_text("case,patient,client,split\n")
    found = {finding.check: finding.text for finding in verified(folder).findings}
    assert "which partition.csv does not name" in found["cases"]


def test_a_run_that_was_killed_may_have_files_ahead_of_its_record(sound, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(sound[0], folder)
    directory = RunDirectory(folder)
    found = directory.read_record()
    found.status, found.rounds_completed, found.model.scored_round = "running", 2, None
    directory.cases_file.unlink()
    ledger = {client: [[*own[0][:-1], 2]] for client, own in found.model_dump()["privacy"]["ledger"].items()}
    record_it(directory, found, ledger)
    assert verified(folder).text == "verified"


def record_it(directory, found, ledger):
    """Write a record as it is in the midst of a run."""
    found.privacy.ledger = {client: tuple(map(tuple, own)) for client, own in ledger.items()}
    events = PrivacyLedger()
    events.load_state_dict(ledger)
    accounted = found.privacy.accounted
    accounted.by_client = {client: client_epsilon(events.events(client), accounted.delta) for client in ledger}
    accounted.epsilon = accounted.group_epsilon = max(accounted.by_client.values())
    chain = found.digests.chain
    found.digests.chain = chain.until(1).extended(2, directory.round_lines()[2], ledger, chain.links[1].weights)
    seal(found, directory, closed=False)
    directory.write_record(found)


def test_the_root_of_the_test_cases_is_computed_again(sound, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(sound[0], folder)
    record(data__contents__test_root="0" * 64)(folder)
    reseal(folder)
    assert verified(folder).text == "verified"  # no table waits for it
    assert "but run.json states 00000000" in verified(folder, thorough=True).text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda path: path.write_text(path.read_text().replace("images/east-test-0.png", "images/x.png")),
            "the root of",
        ),
        (lambda path: path.write_text("".join(path.read_text().splitlines(True)[:-1])), "but run.json states 34"),
        (lambda path: path.write_text("case,file\n"), "cannot be read as a table of files"),
    ],
)
def test_the_contents_of_the_data_are_those_of_their_root(sound, tmp_path, change, text):
    folder = tmp_path / "run"
    shutil.copytree(sound[0], folder)
    change(folder / "data.csv")
    reseal(folder)
    found = verified(folder, thorough=True)
    assert {finding.check for finding in found.findings} == {"data"}
    assert text in found.text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"test_root": "0" * 64}, "the root of the test cases in data.csv is "),
        ({"bytes": 1}, "but run.json states 1"),
        ({"files": 1}, "but run.json states 1"),
    ],
)
def test_what_the_record_says_of_the_contents_is_what_the_table_of_files_says(sound, tmp_path, change, text):
    folder = tmp_path / "run"
    shutil.copytree(sound[0], folder)
    record = json.loads((folder / "run.json").read_text())
    record["data"]["contents"].update(change)
    (folder / "run.json").write_text(json.dumps(record))
    reseal(folder)
    (finding,) = verified(folder, thorough=True).findings
    assert finding.check == "data"
    assert text in finding.text


class Runs:
    """Runs the code of whoever unpickles it."""

    def __reduce__(self):
        return (Path.touch, (Path("unpickled"),))


def checkpoint_of(folder, **changes):
    """A checkpoint of a sealed run."""
    found = RunDirectory(folder).read_record()
    block = CheckpointBlock(task=found.task, method=found.method, chain=found.digests.chain).model_dump()
    content = {
        "state_dict": {"weight": torch.zeros(2)},
        "lineage": [{"run": found.run}],
        "callbacks": {"RunRecorder": block},
        **changes,
    }
    (folder / "checkpoints").mkdir()
    torch.save(content, folder / "checkpoints" / "last.ckpt")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, ""),
        ({"another": Runs()}, ""),
        ({"lineage": [{"run": "another"}]}, "last.ckpt is of the run another, and run.json of dp-0-id"),
        ({"callbacks": {"RunRecorder": {"task": "toy", "method": "fedavg"}}}, "last.ckpt is of fedavg on toy"),
        ({"callbacks": 3}, "last.ckpt does not say which run wrote it"),
        ({"callbacks": {"RunRecorder": {"chain": 3}}}, "last.ckpt cannot be read"),
    ],
)
def test_a_checkpoint_is_of_the_run_beside_it(sound, tmp_path, monkeypatch, changes, text):
    folder = tmp_path / "run"
    shutil.copytree(sound[0], folder)
    checkpoint_of(folder, **changes)
    monkeypatch.chdir(tmp_path)
    found = verified(folder, thorough=True)
    assert [finding.check for finding in found.findings] == ["checkpoint"] * bool(text)
    assert text in found.text
    assert not (tmp_path / "unpickled").exists()


def test_a_checkpoint_of_other_rounds_is_found(sound, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(sound[0], folder)
    other = write_sealed_run(tmp_path / "other", seed=3)
    checkpoint_of(other)
    shutil.copytree(other / "checkpoints", folder / "checkpoints")
    assert "checkpoint: last.ckpt and run.json tell of different rounds" in verified(folder, thorough=True).text
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"PK")
    assert "checkpoint: last.ckpt cannot be read" in verified(folder, thorough=True).text
    assert verified(folder).text == "verified"  # no table waits for it
