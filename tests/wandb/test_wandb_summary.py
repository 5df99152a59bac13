"""A run's single numbers for Weights & Biases."""

import numpy as np
import pytest

from adpfl_bench.leaderboard.audits import Audit
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.wandb.summary import record_summary, score_summary
from tests.leaderboard.records import NOT_PRIVATE, by_target, private, write_audit, write_run


def row(client, model, dice, case="c", region="whole", hd95=2.0, nsd=0.5):
    values = {"dice": dice, "iou": dice, "hd95": hd95, "nsd": nsd}
    found = {name: value for name, value in values.items() if value is not None}
    return CaseScore(case, "p", client, "test", region, found, "mm", dice == 0, model)


def of_record(tmp_path, privacy, rounds=(), audits=(), **record):
    run = RunDirectory(write_run(tmp_path / "run", "m", None, privacy=privacy, **record))
    return record_summary(run.read_record(), rounds, audits)


def test_one_region_is_scored_by_client_and_as_a_whole():
    rows = [row("a", "global", 0.5, "1"), row("a", "global", 1.0, "2"), row("b", "global", 0.0, "3", hd95=8.0)]
    assert score_summary(rows) == {
        "dice": 0.5,
        "hd95": 4.0,
        "hd95_unit": "mm",
        "nsd": 0.5,
        "n_missed": 1,
        "worst_client": "b",
        "worst_client_dice": 0.0,
        "client_spread": 0.75,
        "dice/a": 0.75,
        "dice/b": 0.0,
    }


def test_several_regions_are_scored_together_and_each():
    generator = np.random.default_rng(0)
    dice = generator.random((2, 3, 2))  # client, case, region
    rows = [
        row("ab"[client], "global", float(dice[client, case, region]), f"{client}{case}", ("whole", "core")[region])
        for client, case, region in np.ndindex(dice.shape)
    ]
    summary = score_summary(rows, "global")
    assert summary["dice"] == pytest.approx(dice.mean())
    assert summary["dice/b"] == pytest.approx(dice[1].mean())
    for index, region in enumerate(("whole", "core")):
        by_client = dice[:, :, index].mean(axis=1)
        assert summary[f"dice_{region}"] == pytest.approx(by_client.mean())
        assert summary[f"dice_{region}/a"] == pytest.approx(by_client[0])
        assert summary[f"worst_client_{region}"] == "ab"[by_client.argmin()]
        assert summary[f"client_spread_{region}"] == pytest.approx(np.ptp(by_client))
        assert (summary[f"hd95_{region}"], summary[f"nsd_{region}"], summary[f"n_missed_{region}"]) == (2.0, 0.5, 0)


def test_a_distance_that_a_case_lacks_has_no_mean():
    summary = score_summary([row("a", "global", 0.5, "1"), row("a", "global", 0.5, "2", hd95=None)])
    assert "hd95" not in summary
    assert summary["nsd"] == 0.5


def test_scores_are_of_the_models_that_the_run_is_judged_by():
    rows = [
        *(row("a", "global", 0.5, "c"), row("b", "global", 0.75, "d"), row("x", "global", 1.0, "e")),
        *(row("a", "a", 1.0, "c"), row("a", "b", 0.0, "c"), row("b", "a", 0.0, "d"), row("b", "b", 0.25, "d")),
        *(row("x", "a", 0.5, "e"), row("x", "b", 0.0, "e")),
    ]

    def scores(*judged):
        summary = score_summary(rows, *judged)
        return {name: summary.get(name) for name in ("dice", "n_missed", "dice_global", "worst_client", "dice/x")}

    by_global = {"dice": 0.75, "n_missed": 0, "dice_global": None, "worst_client": "a", "dice/x": 1.0}
    assert scores() == scores("global") == by_global
    # x has the lowest score, but took no part in training
    own = {"dice": 0.5, "n_missed": 1, "dice_global": 0.75, "worst_client": "b", "dice/x": 0.25}
    assert scores("own", ["x"]) == own
    everyone = scores("everyone")
    assert everyone["dice"] == pytest.approx((0.5 + 0.125 + 0.25) / 3)
    assert (everyone["n_missed"], everyone["dice_global"], everyone["worst_client"]) == (3, 0.75, "b")


def test_before_there_are_own_models_only_the_global_one_has_a_mean():
    assert score_summary([row("a", "global", 0.5)], "own") == {"dice_global": 0.5}


def test_what_a_run_was_and_cost(tmp_path):
    rounds = [
        *(RoundRow(1, "all", "val_dice", 0.8), RoundRow(2, "all", "val_dice", 0.6)),
        *(RoundRow(2, "north", "val_dice", 0.9), RoundRow(2, "all", "train_loss", 3.0)),
    ]
    summary = of_record(tmp_path, private(8.5), rounds, seed=2)
    assert summary == {
        **{"task": "toy", "method": "m", "seed": 2, "status": "finished", "rounds_completed": 3, "parameters": 1234},
        **{"data/kind": "phantom", "val_dice_max": 0.8, "wall_seconds": 12.0, "peak_memory_mb": 102.0},
        **{
            "privacy/unit": "batch",
            "privacy/protects": "batch",
            "privacy/nominal_epsilon": 0.001,
            "privacy/accounted_epsilon": 8.5,
        },
        **{"privacy/delta": 1e-4, "privacy/noise_multiplier": 0.25},
        **{"privacy/mechanism": "LaplaceMechanism", "privacy/threshold": "FixedThreshold"},
    }


def test_an_epsilon_that_is_not_proved_is_left_out_with_the_reason(tmp_path):
    summary = of_record(tmp_path, private(None, None))
    assert not [name for name in summary if name.endswith("epsilon")]
    assert summary["privacy/accounted_reason"] == "the threshold is raw"
    without = of_record(tmp_path, NOT_PRIVATE)
    assert {name: value for name, value in without.items() if name.startswith("privacy/")} == {
        "privacy/unit": "none",
        "privacy/accounted_reason": "the method is not private",
    }


def test_what_epsilon_does_not_cover_is_said(tmp_path):
    block = by_target()
    block["accounted"]["not_covered"] = ["pre-training on real images", "the validation"]
    summary = of_record(tmp_path, block)
    assert summary["privacy/accounted_not_covered"] == "pre-training on real images; the validation"
    assert summary["privacy/target_epsilon"] == 8.0


def test_an_audited_epsilon_comes_with_what_it_holds_against_the_run(tmp_path):
    folders = [
        write_audit(tmp_path / "weak", "m", 0.5),
        write_audit(tmp_path / "strong", "m", 7.5, verdict="audited exceeds accounted"),
    ]
    records = {folder: RunDirectory(folder).read_record() for folder in folders}
    audits = [Audit(folder, record, record.privacy.audited) for folder, record in records.items()]
    summary = of_record(tmp_path, by_target(), audits=audits)
    assert (summary["privacy/audited_epsilon"], summary["privacy/audited_confidence"]) == (7.5, 0.95)
    assert summary["privacy/audited_problems"] == "audited 7.5 exceeds accounted 7"
    assert "privacy/audited_problems" not in of_record(tmp_path, by_target(), audits=audits[:1])
