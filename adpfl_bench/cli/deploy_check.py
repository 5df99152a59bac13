"""The command ``adpfl-bench deploy check``: what a hospital knows of a run before anything is joined."""

from __future__ import annotations

import sys
from pathlib import Path

import adpfl_bench
from adpfl_bench.cli.verify import read_inventory
from adpfl_bench.deploy.deployment_files import HospitalFile
from adpfl_bench.deploy.starting_files import AGREEMENT_FILE
from adpfl_bench.privacy.odds import odds_text
from adpfl_bench.text import count, print_facts, say_loading


def check(file: Path, *, agreement: Path | None = None, workers: int | None = None) -> int:
    """Say what a hospital would take part in, before anything is joined.

    Every file of its data is read; version and configuration are compared with the server's; what the run would spend
    here, and of the account, is stated beside what the hospital admits. The exit status is 1 where the hospital would
    refuse the run, or something is wrong with its data.

    Args:
        file: The hospital's file, hospital.yaml.
        agreement: What the server has agreed to; by default agreement.json beside the file, which deploy init writes.
        workers: Processes that read data; by default one for each processor.
    """
    own = HospitalFile.read(file)
    say_loading("deploy")
    from adpfl_bench.deploy.planned_hospital import PlannedHospital

    hospital = PlannedHospital.of(own)
    found = [*hospital.differences(agreement or file.parent / AGREEMENT_FILE), *hospital.objections()]
    data, privacy, last = hospital.data, hospital.privacy, hospital.last_round()
    root = Path(own.data["root"])
    inventory = data.inventory(root, None)
    read, sound = read_inventory(inventory, root, data.left_out, workers)
    (client,) = data.clients
    facts = {
        "hospital": own.name,
        "version": adpfl_bench.__version__,
        "configuration": hospital.agreement.digest,
        "data": f"{root}: {read}",
        "cases": f"{data.train_sizes[client.name]:,} to train on, {len(client.validation):,} to validate and"
        f" {len(client.test):,} to test",
        "protects": privacy.unit,
    }
    if last is not None:
        rounds = count(hospital.schedule.total_rounds, "round")
        facts["would spend"] = f"epsilon {last.epsilon:.4g} at delta {privacy.delta:g} in {rounds}, by its own numbers"
        facts["odds"] = odds_text(last.epsilon, privacy.delta)
    if own.require is not None:
        facts["admits"] = f"unit {own.require.unit} and larger, epsilon of at most {own.require.epsilon:g}"
    if own.account is not None and privacy.accounted.reason is None:
        facts["account"], fits = hospital.account_text()
        if not fits:
            found.append(f"The account of hospital {own.name} has no room for the run.")
    facts["scores"] = own.scores_text
    print_facts(facts)
    if not sound:
        found.append(f"The data of hospital {own.name} are not in order; the table says what is wrong.")
    for sentence in found:
        print(sentence, file=sys.stderr)
    print("In order." if not found else f"Not in order: {count(found, 'reason')}.")
    return 1 if found else 0
