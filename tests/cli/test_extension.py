"""Runs that go on to more rounds than they were planned with: the same as if they had had them from the start."""

import json
from pathlib import Path

import pytest

from adpfl_bench.cli import main
from adpfl_bench.records.digests import file_sha256
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.run_verification import verify_evidence

CONSTANT = ("--model.lr_scheduler", "null")
NOISE = ("--privacy.target_epsilon", "null", "--privacy.noise_multiplier", "2.0")


@pytest.fixture(scope="module")
def fit(tmp_path_factory, phantom_folder):
    """Fits a method on a small federation into a folder of its own, and returns exit status and folder."""
    home = tmp_path_factory.mktemp("extension")

    def run(method: str, name: str, rounds: int, *more: str) -> tuple[int, Path]:
        configs = "tasks/isic.yaml", f"callbacks/{method}.yaml", "configs/smoke.yaml"
        words = ["fit", *(word for path in configs for word in ("--config", path)), f"--federated.rounds={rounds}"]
        words += [f"--data.phantom_directory={phantom_folder}", f"--trainer.default_root_dir={home / name}", *more]
        return main([*words, "--data.init_args.image_size=[16,16]", "--score=false"]), home / name

    return run


def files_of(folder: Path) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("how", [("fedavg",), ("adp_fl", "--federated.clients_per_round=2"), ("dp_sgd", *NOISE)])
def test_an_extended_run_has_the_bits_of_one_of_that_many_rounds(fit, capsys, how):
    method, *more = how
    assert fit(method, f"{method}-extended", 1, *CONSTANT, *more)[0] == 0
    capsys.readouterr()
    done, extended = fit(method, f"{method}-extended", 2, *CONSTANT, *more, "--ckpt_path", "last")
    made, whole = fit(method, f"{method}-whole", 2, *CONSTANT, *more)
    assert (done, made) == (0, 0)
    said = capsys.readouterr().err
    records = [RunDirectory(folder).read_record() for folder in (extended, whole)]
    ours, theirs = (record.digests.chain for record in records)
    assert ours.links[-1].round == 2
    assert ours == theirs  # rounds.csv, ledger and weights of every round
    assert files_of(extended)["rounds.csv"] == files_of(whole)["rounds.csv"]
    (added,) = records[0].extended
    assert (added.from_rounds, added.rounds, added.completed) == (1, 2, 1)
    assert records[1].extended == ()
    assert records[0].config["federated"] == records[1].config["federated"]
    for folder in (extended, whole):
        assert verify_evidence(Evidence.of(RunDirectory(folder)), thorough=True).findings == ()
    assert "The run had 1 round, and goes on to 2" in said
    if method == "dp_sgd":
        foreseen = float(said.partition("so far, and ")[2].split()[0])
        assert foreseen == pytest.approx(records[0].privacy.accounted.epsilon, rel=1e-3)


def test_noise_that_was_solved_for_a_target_has_to_be_stated_and_is_kept(fit, capsys):
    status, folder = fit("dp_sgd", "target", 1, *CONSTANT)
    assert status == 0
    before, z = files_of(folder), RunDirectory(folder).read_record().privacy.noise_multiplier
    capsys.readouterr()
    for target in ("8", "80"):
        assert fit("dp_sgd", "target", 2, *CONSTANT, "--privacy.target_epsilon", target, "--ckpt_path", "last")[0] == 1
    refusal = capsys.readouterr().err
    assert "was solved for epsilon 8 in 1 round; with 2 it spends epsilon" in refusal
    words = refusal.partition("in place of the target: ")[2].splitlines()[0].removesuffix(".").split()
    assert words == ["--privacy.target_epsilon", "null", "--privacy.noise_multiplier", repr(z)]
    assert files_of(folder) == before
    assert fit("dp_sgd", "target", 2, *CONSTANT, *words, "--ckpt_path", "last")[0] == 0
    record = RunDirectory(folder).read_record()
    assert record.privacy.noise_multiplier == z
    assert record.privacy.target_epsilon is None
    spent = float(refusal.partition("it spends epsilon ")[2].split(".  ")[0].split()[0].rstrip("."))
    assert record.privacy.accounted.epsilon == pytest.approx(spent, rel=1e-3)
    assert verify_evidence(Evidence.of(RunDirectory(folder)), thorough=True).findings == ()


@pytest.mark.parametrize(
    ("more", "rounds", "sentence"),
    [
        ((), 2, "its learning rate falls along a cosine over all of its rounds"),
        (("--federated.fine_tuning_epochs=1", *CONSTANT), 2, "its last round fine-tunes every client's model"),
    ],
)
def test_what_depends_on_the_number_of_rounds_is_not_extended(fit, capsys, more, rounds, sentence):
    name = f"refused-{len(more)}"
    status, folder = fit("fedavg", name, 1, *more)
    assert status == 0
    before = files_of(folder)
    assert fit("fedavg", name, rounds, *more, "--ckpt_path", "last")[0] == 1
    said = capsys.readouterr().err
    assert f"cannot go on to {rounds}: {sentence}" in said
    assert "train a new run of 2 rounds in a folder of its own" in said
    assert files_of(folder) == before


def test_a_record_whose_rounds_were_not_added_as_it_says_is_found(fit):
    _, folder = fit("fedavg", "fedavg-extended", 2, *CONSTANT, "--ckpt_path", "last")
    path = folder / "run.json"
    content = json.loads(path.read_text())
    content["extended"][0]["rounds"] = 5
    path.write_text(json.dumps(content))
    found = verify_evidence(Evidence.of(RunDirectory(folder)), thorough=True).findings
    assert any("the run was extended to 5 rounds, but has 2" in finding.text for finding in found)
