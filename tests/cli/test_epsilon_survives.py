"""A run that is killed between a release and the next checkpoint never shows less than it released."""

import json
import signal
import time
from pathlib import Path

import pytest
import torch

from adpfl_bench.callbacks.checkpointing import RoundCheckpoint, last_checkpoint
from adpfl_bench.cli import main
from adpfl_bench.privacy.journal import LedgerJournal
from adpfl_bench.privacy.ledger import PrivacyLedger
from tests.privacy.zcdp import largest_epsilon
from tests.processes import Command, finish

ROUNDS, EPOCHS, DELTA = 4, 4, 1e-4


def fit(folder, phantom_folder, run, *more):
    configs = ["tasks/isic.yaml", "callbacks/adp_fl_quantile.yaml", "configs/smoke.yaml"]
    return Command(
        folder,
        [
            "fit",
            *(word for file in configs for word in ("--config", file)),
            f"--data.phantom_directory={phantom_folder}",
            f"--federated.rounds={ROUNDS}",
            f"--federated.local_epochs={EPOCHS}",  # long rounds, with many entries each
            "--privacy.units_per_step=1",
            "--score=false",
            f"--trainer.default_root_dir={run}",
            *more,
        ],
    )


def ledger_of(state):
    ledger = PrivacyLedger()
    ledger.load_state_dict(state)
    return ledger


def on_disk(run):
    total = PrivacyLedger()
    for ledger in LedgerJournal(run).read().values():
        total.add_all(ledger)
    return total


def in_checkpoint(run):
    checkpoint = torch.load(last_checkpoint(run), weights_only=True)
    total = PrivacyLedger()
    for releases in checkpoint["callbacks"]["DifferentialPrivacy"]["sessions"].values():
        total.add_all(ledger_of(releases))
    return total


def releases(ledger):
    return sum(sum(ledger.events(client).values()) for client in ledger.clients())


def kill_in_the_middle_of_a_round(command, run):
    """Kill when some of the releases on disk are in no checkpoint yet; returns what had been released."""
    command.wait_for(last_checkpoint(run).exists)
    command.wait_for(lambda: releases(on_disk(run)) > releases(in_checkpoint(run)) + 5)
    command.stop(signal.SIGKILL)
    released, kept = on_disk(run), in_checkpoint(run)
    assert releases(released) > releases(kept)
    assert largest_epsilon(released, DELTA) > largest_epsilon(kept, DELTA)
    return released


def first_record_of(command, run, before):
    """What run.json says as soon as the resumed run has opened it."""
    command.wait_for(lambda: started(run) != before)
    return json.loads((run / "run.json").read_text())


def started(run):
    return json.loads((run / "run.json").read_text())["started"]


@pytest.mark.parametrize("secure", [False, True])
def test_epsilon_never_falls_below_what_was_released(tmp_path: Path, phantom_folder: Path, secure: bool) -> None:
    run, more = tmp_path / "run", [f"--privacy.secure={str(secure).lower()}"]
    released = kill_in_the_middle_of_a_round(command := fit(tmp_path, phantom_folder, run, *more), run)
    assert command.status == -signal.SIGKILL
    spent = largest_epsilon(released, DELTA)
    time.sleep(1.1)  # "started" is in whole seconds
    before = started(run)
    command = fit(tmp_path, phantom_folder, run, "--ckpt_path=last", *more)
    assert first_record_of(command, run, before)["privacy"]["accounted"]["epsilon"] >= spent
    output = finish(command)
    shown = [float(line.split("epsilon")[1].split()[0]) for line in output.splitlines() if line.startswith("round ")]
    assert shown
    assert min(shown) >= spent * (1 - 1e-3)  # printed with four digits
    assert shown == sorted(shown)

    record = json.loads((run / "run.json").read_text())
    planned = {client: ROUNDS * EPOCHS for client in record["data"]["clients"]}
    ended = ledger_of(record["privacy"]["ledger"])
    counts = {client: sum(ended.events(client).values()) for client in ended.clients()}
    if secure:  # new noise: the broken-off round's releases were made twice
        assert record["privacy"]["accounted"]["epsilon"] > record["privacy"]["target_epsilon"]
        assert all(counts[client] >= planned[client] for client in planned)
        assert sum(counts.values()) >= sum(planned.values()) + 6
    else:
        assert counts == planned
        assert record["privacy"]["accounted"]["epsilon"] <= record["privacy"]["target_epsilon"]


def test_a_run_that_is_started_again_before_its_first_checkpoint_is_the_same_run(
    tmp_path: Path, phantom_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a benchmark continues its runs: with --ckpt_path last, also where there is no checkpoint yet."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    files = ("tasks/isic.yaml", "callbacks/dp_fl_record.yaml", "configs/smoke.yaml")
    arguments = [word for file in files for word in ("--config", file)]
    arguments += [f"--data.phantom_directory={phantom_folder}", f"--trainer.default_root_dir={run}", "--score=false"]

    def pull_the_plug(*_):
        raise RuntimeError("pulled")

    with monkeypatch.context() as broken:
        broken.setattr(RoundCheckpoint, "on_train_epoch_end", pull_the_plug)
        with pytest.raises(RuntimeError, match="pulled"):
            main(["fit", *arguments, "--data.batch_size=8"])
    first = json.loads((run / "run.json").read_text())
    spent = releases(on_disk(run))
    assert spent > 0
    for size in (8, 2):  # equal again, then with other settings, whose releases are others
        with monkeypatch.context() as broken:
            broken.setattr(RoundCheckpoint, "on_train_epoch_end", pull_the_plug)
            with pytest.raises(RuntimeError, match="pulled"):
                main(["fit", *arguments, "--ckpt_path=last", f"--data.batch_size={size}"])
    record = json.loads((run / "run.json").read_text())
    assert record["run"] == first["run"]
    counted = releases(ledger_of(record["privacy"]["ledger"]))
    assert counted == releases(on_disk(run)) > spent
