"""Every YAML file runs on tiny phantom cohorts, and every two choices of task, place, federation and privacy meet."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from adpfl_bench.config.config_files import find_config, packaged_configs
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.run_verification import verify_evidence
from adpfl_bench.tasks.starting_models import starting_models
from tests.cli.conftest import Run
from tests.effort import THOROUGH
from tests.pairwise import pairwise


def read(name: str) -> dict[str, object]:
    return yaml.safe_load(find_config(name).read_text())


def stems(folder: str) -> list[str]:
    return [Path(name).stem for name in packaged_configs() if name.startswith(f"{folder}/")]


def test_a_private_run_starts_from_a_model(adpfl_bench: Run) -> None:
    small = ["--data.phantom_cases=32", "--data.phantom_size=[48,64]", "--federated.rounds=1", "--data.root=phantom"]
    words = ["--config", "configs/from_phantoms.yaml", *small]
    assert adpfl_bench("fit", *words, method="adp_fl_quantile") == 0
    record = json.loads((only_run() / "run.json").read_text())
    (ancestor,) = record["privacy"]["lineage"]
    assert (record["model"]["started_from"], ancestor["kind"]) == ("phantom", "phantom")
    assert ancestor["digest"] == starting_models()["models/isic"].sha256
    assert record["privacy"]["accounted"]["epsilon"] is not None
    assert record["privacy"]["accounted"]["not_covered"] == []
    assert verify_evidence(Evidence.of(RunDirectory(only_run())), thorough=True).text == "verified"


def test_adapters_are_trained_from_a_model_on_a_public_encoder(adpfl_bench: Run) -> None:
    small = ["--data.phantom_cases=32", "--data.phantom_size=[48,64]", "--federated.rounds=1", "--data.root=phantom"]
    assert adpfl_bench("fit", "--config", "configs/adapters.yaml", *small, method="adp_fl_private") == 0
    record = json.loads((only_run() / "run.json").read_text())
    assert [ancestor["kind"] for ancestor in record["privacy"]["lineage"]] == ["public", "phantom"]
    assert record["privacy"]["lineage"][1]["digest"] == starting_models()["models/isic_encoder"].sha256
    assert record["privacy"]["accounted"]["epsilon"] is not None
    assert record["privacy"]["accounted"]["not_covered"] == []


def images(task: str) -> str:
    return "volumes" if "patch_size" in find_config(f"tasks/{task}.yaml").read_text() else "pictures"


# What is tried wherever any would do stands first: the quickest.
# One's own data have no phantoms by themselves; tests of datasets.own give them some.
TASKS = sorted((task for task in stems("tasks") if not task.startswith("own_")), key=lambda task: (images(task), task))
METHODS = sorted(stems("callbacks"))
FEDERATION = [name for name in METHODS if "privacy" not in read(f"callbacks/{name}.yaml")]
PRIVACY = ("none", "dp_fl", "adp_fl", "adp_fl_quantile", "client_dp")
OTHER_PRIVACY = sorted({*METHODS} - {*FEDERATION} - {*PRIVACY})
# Others are for other tools or some methods; pretraining is a method of its own, what starts from it is tried once.
OTHERS = {
    "benchmark",
    "demo",
    "headline",
    "sweep",
    "pretrain",
    "from_phantoms",
    "distractors",
    "encoder",
    "adapters",
    "phantom_geometry",
    "phantom_subspace",
    "phantom_mirror",
}
PLACES = sorted({*stems("configs")} - OTHERS, key=lambda place: (place == "gpu", place != "smoke", place))
SMALL = yaml.safe_load(find_config("configs/smoke.yaml").read_text())["by_task"]
OWN_MODELS = {"ditto", "fedbn", "fine_tuning"}
# What a whole hospital sends is not all in one noised delta, or nothing is sent.
NOT_BY_CLIENT = {
    "scaffold": "control variate",
    "local": "nothing is sent",
    "centralized": "there are no clients",
}
UNITS = {"none": "none", "dp_fl": "batch", "adp_fl": "batch", "adp_fl_quantile": "patient", "client_dp": "client"}
# Federation and task would be a product again: each federation meets pictures and volumes. The gate lets it meet each
# method of privacy and each place; every day it meets no noise, noised steps and noised deltas, in both precisions.
NOISED = {"none": "nothing", "batch": "steps", "patient": "steps", "client": "deltas"}
EVERY_DAY = {(0, 1): lambda privacy: NOISED[UNITS[privacy]], (0, 3): lambda place: str(place == "gpu")}
KINDS = {(0, 2): images} | ({} if THOROUGH else EVERY_DAY)
MATRIX = pairwise(FEDERATION, PRIVACY, TASKS, PLACES, kinds=KINDS)


def together(federation: str, privacy: str) -> list[str]:
    """Both files, the federation's last, so that its server optimizer holds."""
    return [word for name in (privacy, federation) if name != "none" for word in ("--config", f"callbacks/{name}.yaml")]


def in_place(place: str, task: str) -> list[str]:
    """A place's file, and what makes it small enough for this machine."""
    patches = images(task) == "volumes"
    shrunk = ["--data.patch_size=[16,16,16]"] if patches else ["--data.image_size=[32,32]"]
    shrunk += [f"--data.phantom_size={json.dumps(SMALL[task]['data']['init_args']['phantom_size'])}"]
    shrunk += ['--model.network_arguments={"channels":[4,8],"strides":[2],"num_res_units":0}'] if patches else []
    # A body of this few voxels on the place's fine grid would be a hundred windows.
    shrunk += ["--data.spacing=[8,8,8]"] if patches and task != "lgg" else []
    cases = 16 if patches or "slices" in task else 32
    small = ["--federated.rounds=1", "--federated.local_epochs=1", f"--data.phantom_cases={cases}", *shrunk]
    here = {
        "phantom": small,
        # A share of this few patients would leave nobody to validate and test.
        "pretrain": [*small, "--data.validation_fraction=0.1", "--data.test_fraction=0.2"],
        "gpu": ["--trainer.accelerator=cpu", "--data.num_workers=0", "--data.root=phantom"],
    }
    return ["--config", f"configs/{place}.yaml", *here.get(place, [])]


def only_run() -> Path:
    (record,) = Path("runs").rglob("run.json")
    return record.parent


def test_all_methods_are_here() -> None:
    assert {"fedavg", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "fednova", "median", "trimmed_mean"} < set(
        FEDERATION
    )
    assert {"fedprox", "scaffold", "ditto", "fedbn", "fine_tuning", "local", "centralized"} < set(FEDERATION)
    assert OTHER_PRIVACY == ["adp_fl_correlated", "adp_fl_histogram", "adp_fl_private", "dp_fl_record", "dp_sgd"]
    assert PLACES == ["smoke", "phantom", "wandb", "gpu"]


@pytest.mark.parametrize(
    ("federation", "privacy", "task", "place"), [pytest.param(*row, id="-".join(row)) for row in MATRIX]
)
def test_every_two_choices_meet_in_a_run(
    adpfl_bench: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    federation: str,
    privacy: str,
    task: str,
    place: str,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr("adpfl_bench.running.option_checks.computes_bfloat16", lambda: True)  # slowly, if need be
    delta = ["--privacy.delta", "0.01"] if privacy == "client_dp" else []
    code = adpfl_bench("fit", *in_place(place, task), *together(federation, privacy), *delta, task=task)
    if privacy == "client_dp" and federation in NOT_BY_CLIENT:
        assert code != 0
        assert NOT_BY_CLIENT[federation] in capsys.readouterr().err
        return
    assert code == 0
    folder = only_run()
    record = json.loads((folder / "run.json").read_text())
    parts = [name for name in (federation, privacy) if name not in ("none", "fedavg")]
    assert folder.parent.name == record["method"] == ("+".join(parts) or "fedavg")
    assert folder.parent.parent.name == record["task"] == task
    assert (record["status"], record["data"]["kind"]) == ("finished", "phantom")
    if place == "gpu":
        assert record["config"]["trainer"]["precision"] == "bf16-mixed"
    assert record["privacy"]["unit"] == UNITS[privacy]
    accounted = record["privacy"]["accounted"]
    assert (accounted["epsilon"] is not None) == (privacy in ("dp_fl", "adp_fl_quantile", "client_dp"))
    if privacy == "adp_fl_quantile":
        assert 0 < accounted["epsilon"] <= record["privacy"]["target_epsilon"]
    if privacy == "client_dp":
        assert any("own models" in what for what in accounted["not_covered"]) == (federation in OWN_MODELS)
    with (folder / "cases.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    models = {row["model"] for row in rows}
    clients = {row["client"] for row in rows}
    assert verify_evidence(Evidence.of(RunDirectory(folder)), thorough=True).text == "verified"
    headline = "everyone" if federation == "local" else "own" if federation in OWN_MODELS else "global"
    assert record["federated"]["headline"] == headline
    assert models - {"global"} == (clients if headline != "global" else set())


@pytest.mark.parametrize("privacy", OTHER_PRIVACY)
def test_other_private_methods_run(adpfl_bench: Run, privacy: str) -> None:
    assert adpfl_bench("fit", method=privacy) == 0
    record = json.loads((Path("runs/isic") / privacy / "seed0/run.json").read_text())
    assert (record["method"], record["status"]) == (privacy, "finished")
    assert record["privacy"]["accounted"]["epsilon"] is not None
    assert verify_evidence(Evidence.of(RunDirectory(only_run())), thorough=True).text == "verified"


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_pretrained(adpfl_bench: Run, task: str) -> None:
    assert adpfl_bench("fit", *in_place("pretrain", task), task=task) == 0
    record = json.loads((Path("runs") / task / "pretraining/seed0/run.json").read_text())
    assert (record["status"], record["data"]["kind"], record["privacy"]["unit"]) == ("finished", "phantom", "none")
