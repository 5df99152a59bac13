"""docs/methods.md says what the files in callbacks/ say."""

import runpy
import sys
from pathlib import Path

import pytest

from adpfl_bench.config.config_files import packaged_root
from adpfl_bench.errors import ConfigError
from adpfl_bench.running.method_table import method_table

REPOSITORY = Path(__file__).parents[2]
COMMAND = "python -m adpfl_bench.running.method_table > docs/methods.md"


@pytest.fixture(scope="module")
def table():
    return method_table(packaged_root() / "callbacks")


def cells(table):
    """The rows of both tables by file, each by its own headings."""
    rows, headings = {}, []
    for line in (line for line in table.splitlines() if line.startswith("| ")):
        row = [cell.strip() for cell in line.strip("|").split(" | ")]
        if row[0] in ("File", "Dataset"):
            headings = row
        elif headings[0] == "File":
            rows[row[0].strip("` ")] = dict(zip(headings, row, strict=True))
    return rows


def test_page_is_up_to_date(table):
    assert (REPOSITORY / "docs/methods.md").read_text(encoding="utf-8") == table, f"run {COMMAND}"
    assert COMMAND in table.partition("\n")[0]


def test_every_method_has_a_row(table):
    files = {path.name for path in (packaged_root() / "callbacks").glob("*.yaml")}
    assert set(cells(table)) == files


def test_rows_of_privacy_files_say_what_is_promised(table):
    found = cells(table)
    assert found["adp_fl.yaml"]["Guarantee"].startswith("none: the clipping threshold is a raw percentile")
    assert found["adp_fl.yaml"]["Nominal epsilon"] == "0.001"
    assert found["dp_sgd.yaml"]["Guarantee"] == "epsilon 8 at delta 0.0001, per `patient`"
    assert (found["dp_sgd.yaml"]["Sampling"], found["dp_sgd.yaml"]["Accountant"]) == ("poisson", "PLD")
    assert found["adp_fl_quantile.yaml"]["Threshold"] == "QuantileThreshold"
    assert found["dp_fl_record.yaml"]["Noise"] == "LaplaceMechanism, L2"
    for row in found.values():
        assert row.get("What it is") or row["What it does"]


def test_the_page_says_what_a_record_and_a_patient_are(table):
    for row in (
        "| ISIC | `ISICDataModule` | image | image |",
        "| HAM10000 | `HAM10000DataModule` | image | lesion |",
        "| TCGA-LGG | `LGGSlicesDataModule` | slice | patient |",
    ):
        assert row in table.splitlines()


def test_rows_of_federation_files_say_what_they_do(table):
    found = cells(table)
    assert found["fedavg.yaml"]["Paper"] == "[arXiv 1602.05629](https://arxiv.org/abs/1602.05629)"
    assert found["fedavg.yaml"]["Settings"] == "none"
    assert "Unit" not in found["fedavg.yaml"]
    assert found["fedprox.yaml"]["Method"] == "FedProx"
    assert found["fedprox.yaml"]["Settings"] == "`client_method: FedProx(mu=0.01)`"
    assert found["local.yaml"]["Paper"] == "none"
    for name, row in found.items():
        assert "privacy:" in (packaged_root() / "callbacks" / name).read_text() or row["Recommended range"], name


def test_new_files_appear_in_the_table_of_their_kind(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "# Mine | with a bar.\nmethod: mine\nprivacy: {unit: client, noise_multiplier: 0.5, delta: 0.001,"
        " threshold: FixedThreshold, mechanism: GaussianMechanism}\n"
    )
    (tmp_path / "twice.yaml").write_text(
        "# Twice (arXiv 2401.00001): every client trains twice.\n# Range: 1 to 2.\nmethod: twice\n"
        "federated:\n  local_epochs: 2\n  server_optimizer: {class_path: torch.optim.SGD, init_args: {lr: 0.5}}\n"
    )
    found = cells(method_table(tmp_path))
    row = found["mine.yaml"]
    assert (row["Unit"], row["Threshold"], row["Noise"]) == ("client", "FixedThreshold", "GaussianMechanism, L2")
    assert row["Guarantee"] == "z = 0.5; epsilon at delta 0.001, per client"
    assert row["What it is"] == "Mine \\| with a bar."
    assert list(found["twice.yaml"].values()) == [
        "`twice.yaml`",
        "Twice",
        "[arXiv 2401.00001](https://arxiv.org/abs/2401.00001)",
        "Every client trains twice.",
        "`local_epochs: 2`, `server_optimizer: SGD(lr=0.5)`",
        "1 to 2.",
    ]


@pytest.mark.parametrize(
    "content",
    [
        "- a list",
        "a: [",
        "privacy: {unit: none}",
        "method: wrong\nprivacy: {unit: planet}",
        "method: wrong\nprivacy: {unitt: none}",
        "# Wrong: it is.\n# Range: none.\nmethod: wrong\nfederated: {roundz: 3}",
        "# Wrong: it is.\nmethod: wrong",
        "# No colon.\n# Range: none.\nmethod: wrong",
    ],
)
def test_file_that_is_no_method_is_named(content, tmp_path):
    (tmp_path / "wrong.yaml").write_text(content)
    with pytest.raises(ConfigError, match=r"wrong\.yaml"):
        method_table(tmp_path)


def test_command_prints_the_page(table, capsys):
    runpy.run_path(sys.modules[method_table.__module__].__file__, run_name="__main__")
    assert capsys.readouterr().out == table
