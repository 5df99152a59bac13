"""A run without validation cases: rounds are not scored, and the last one's model is what is tested."""

import pytest
import torch

from adpfl_bench.callbacks.checkpointing import RoundCheckpoint, last_checkpoint
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.client_methods import Ditto
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.run_verification import verify_evidence


@pytest.mark.parametrize("federated", [{}, {"client_method": "ditto"}, {"fine_tuning_epochs": 1}])
def test_weights_are_those_of_a_run_whose_validation_cases_are_not_looked_at(
    toy_task, toy_data, fit, tmp_path, capsys, federated
):
    weights, names = [], []
    for folder, limit in ((tmp_path / "with", 0), (tmp_path / "without", None)):
        task, data = toy_task(), toy_data(validation_fraction=0.2)
        data.divide()
        if limit is None:
            data.use_clients([type(c)(c.name, c.train, (), c.test) for c in data.clients])
        method = {**federated, **({"client_method": Ditto()} if "client_method" in federated else {})}
        callbacks = FederatedLoop(rounds=2, **method), RunRecorder(), RoundCheckpoint(folder)
        limits = {} if limit is None else {"limit_val_batches": limit}
        trainer = fit(task, data, *callbacks, default_root_dir=folder, **limits)
        trainer.test(task, datamodule=data, verbose=False)
        weights.append(torch.load(last_checkpoint(folder), weights_only=True)["state_dict"])
        directory = RunDirectory(folder)
        names.append({row.name for row in directory.read_rounds()})
        assert {row.split for row in directory.read_scores()} == {"test"}
        assert directory.read_record().status == "finished"
        assert verify_evidence(Evidence.of(directory), thorough=True).findings == ()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not any(name.startswith("val_") for name in names[1])


def test_it_is_said_when_data_are_divided_and_validate_has_nothing_to_do(toy_data, toy_task, make_trainer, capsys):
    data = toy_data(validation_fraction=0.0)
    data.divide()
    assert "There are no validation cases, so rounds are not scored" in capsys.readouterr().err
    trainer = make_trainer(FederatedLoop(rounds=1))
    with pytest.raises(ConfigError, match=r"There are no validation cases; give data\.validation_fraction a value"):
        trainer.validate(toy_task(), datamodule=data)
