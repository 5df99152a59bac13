"""Made-up runs of methods with fixed and adaptive thresholds."""

import random

from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from tests.leaderboard.records import NOT_PRIVATE, case_row, private, write_run

PATIENTS, SEEDS = 14, 3
FIXED = "adpfl_bench.privacy.thresholds.FixedThreshold"
PERCENTILE = "adpfl_bench.privacy.thresholds.PercentileThreshold"


def write_method(root, method, level, threshold=None, noise=0.25, nominal=0.001, norms=True, rounds=3):
    """Three seeds of a method around a level; a number is a fixed threshold, ``raw`` an adaptive one."""
    block = None
    if threshold == "raw":
        block = {"class_path": PERCENTILE, "init_args": {"percentile": 50.0}}
    elif threshold is not None:
        block = {"class_path": FIXED, "init_args": {"value": threshold}}
    for seed in range(SEEDS):
        noise_of_case = random.Random(f"{method} {seed}")
        dice = [level - 0.02 * patient + 0.03 * noise_of_case.random() for patient in range(PATIENTS)]
        rows = [case_row(f"case{patient}", value) for patient, value in enumerate(dice)]
        privacy = {"unit": "none"} if block is None else {"unit": "batch", "threshold": block}
        config = {"privacy": {**privacy, "noise_multiplier": noise, "nominal_epsilon": nominal}}
        config["federated"] = {"rounds": rounds}
        folder = root / method / f"seed{seed}"
        stated = NOT_PRIVATE
        if block is not None:
            name = block["class_path"].rpartition(".")[2]
            stated = {
                **private(None if threshold == "raw" else 8.5, nominal),
                "noise_multiplier": noise,
                "threshold": name,
            }
        federated = {"rounds": rounds}
        model = {"scored_round": rounds, "parameters": 1234, "surface_tolerance": {"lesion": 2.0}}
        record = {"federated": federated, "rounds_completed": rounds, "model": model, "config": config}
        write_run(folder, method, rows, seed, stated, **record)
        if norms and block is not None:
            values = {"gradient_norm_p10": 0.2 + 0.1 * seed, "gradient_norm_p90": 0.8 + 0.1 * seed}
            lines = [RoundRow(n + 1, "north", name, value) for n in range(rounds) for name, value in values.items()]
            RunDirectory(folder).append_rounds([*lines, RoundRow(1, "all", "of", len(method) + seed / 10)])


def write_study(root):
    write_method(root, "fedavg", 0.9)
    write_method(root, "dp_fl", 0.8, 1.0)
    write_method(root, "dp_fl_c5", 0.6, 5.0)
    write_method(root, "dp_fl_c0.5", 0.84, 0.5)
    write_method(root, "adp_fl", 0.85, "raw", nominal=None)
    write_method(root, "louder", 0.5, 1.0, noise=0.5)
    return root
