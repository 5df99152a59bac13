"""Hand-written records of methods that leave clients models of their own, or leave clients out."""

import random
from dataclasses import replace

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.table import tabulate
from tests.leaderboard.records import case_row, private, write_run

CASES = {"east": 1, "north": 3, "south": 2}
"""Test cases by client."""

HELD_OUT = {"prox+dp": "south", "own+dp": "east"}
"""The methods of a federation that hold a client out."""

REGIONS = ("lesion", "core")
ALL = ("global", "north", "south", "east")


def tables_of(root):
    groups, left_out, _ = compare_runs(find_runs([root]))
    assert not left_out
    return [table for group in groups for table in tabulate(group)]


def write_models(root, method, headline, models=("global",), held_out=(), **record):
    """Two seeds of random scores; where own models count, each scores its own client's and held-out clients' cases."""
    federated = {"rounds": 3, "headline": headline, "held_out_clients": list(held_out)}
    for seed in (0, 1):
        noise = random.Random(f"{method}{headline}{held_out}{seed}")
        rows = [
            replace(case_row(f"{client}{number}", noise.random(), region), client=client, model=model)
            for client, cases in CASES.items()
            for number in range(cases)
            for region in REGIONS
            for model in models
            if model in ("global", client) or headline == "everyone" or client in held_out
        ]
        folder = f"{method}-{headline}-{'-'.join(held_out)}-{seed}"
        write_run(root / folder, method, rows, seed=seed, federated=federated, **record)


def write_federation(root):
    """Six methods on two regions, with two seeds each, two of them without a client."""
    write_models(root, "fedavg", "global")
    write_models(root, "local", "everyone", ALL[1:])
    write_models(root, "ditto", "own", ALL)
    write_models(root, "siloed", "own", ALL[1:])
    write_models(root, "prox+dp", "global", held_out=["south"], privacy=private())
    write_models(root, "own+dp", "everyone", ALL[1:3], held_out=["east"], privacy=private())
