"""The task: losses, masks on native grids, scores by case, weights to start from."""

import copy

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase, collate_cases
from adpfl_bench.errors import CheckpointError, ConfigError
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.tasks.losses import dice_cross_entropy
from adpfl_bench.tasks.skin_lesion import SkinLesionTask


def small():
    return SkinLesionTask(network_arguments={"channels": [4, 8], "strides": [2], "num_res_units": 0})


def test_step_is_the_mean_of_the_records_losses(toy_task):
    task, image = toy_task(), torch.rand(5, 1, 8, 8)
    label = (image > 0.5).float()
    losses = task.example_losses(image, label)
    assert losses.shape == (5,)
    torch.testing.assert_close(losses, dice_cross_entropy(task.network(image), label))
    count = len(image)
    place = {"client": "a", "round": 0, "turn": "shared", "local_epoch": 0, "last": True, "pass_steps": 1}
    units = {"units": torch.arange(count), "planned_units": count, "divisor": count}
    batch = TrainingBatch(image=image, label=label, **place, **units)
    torch.testing.assert_close(task.training_step(batch, 0), losses.mean())


def batch_of(*labels, model="global"):
    cases = [EvaluationCase(torch.zeros(1), label) for label in labels]
    names = [f"c{number}" for number in range(len(labels))]
    return collate_cases(cases, names, names, "bay", "test", model)


class Fixed(torch.nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, image):
        return self.logits


def test_probabilities_are_those_of_the_logits_on_the_labels_grid(toy_task):
    task, logits = toy_task(), torch.randn(2, 1, 4, 6)
    task.network = Fixed(logits)
    found = task.probabilities(batch_of(torch.zeros(1, 4, 6), torch.zeros(1, 9, 6)))
    np.testing.assert_allclose(found[0], torch.sigmoid(logits[0]).numpy(), atol=1e-6)
    expected = interpolate(torch.sigmoid(logits[1:]), size=(9, 6), mode="bilinear", align_corners=False)[0]
    np.testing.assert_allclose(found[1], expected.numpy(), atol=1e-6)


def test_mirror_images_are_turned_back_and_averaged(toy_task):
    """A network that adds a ramp along the columns, whatever it sees: over all mirror images that is its mean."""
    task, image = toy_task(), torch.randn(1, 1, 4, 6)
    ramp = torch.linspace(-3, 3, 6).expand(1, 1, 4, 6)
    task.network = torch.nn.Identity()
    case = EvaluationCase(image[0], torch.zeros(1, 4, 6))
    batch = collate_cases([case], ["c"], ["c"], "bay", "test")
    same = task.probabilities(batch, flips=True)[0]
    np.testing.assert_allclose(same, torch.sigmoid(image[0]).numpy(), atol=1e-6)

    class Ramp(torch.nn.Module):
        def forward(self, image):
            return image + ramp

    task.network = Ramp()
    found = task.probabilities(batch, flips=True)[0]
    expected = (torch.sigmoid(image + ramp) + torch.sigmoid(image - ramp)) / 2
    np.testing.assert_allclose(found, expected[0].numpy(), atol=1e-6)


def test_masks_are_on_the_grids_of_the_labels(toy_task):
    task, logits = toy_task(), torch.randn(3, 1, 4, 6)
    task.network = Fixed(logits)
    grids = [(4, 6), (9, 6), (11, 17)]
    labels = [torch.zeros(1, *grid, dtype=torch.uint8) for grid in grids]
    masks = task.segment(batch_of(*labels))
    for mask, case, grid in zip(masks, logits, grids, strict=True):
        assert mask.dtype == np.bool_
        assert mask.shape == (1, *grid)
        expected = interpolate(case[None], size=grid, mode="bilinear", align_corners=False)[0] > 0
        assert np.array_equal(mask, expected.numpy())
    assert np.array_equal(masks[0], logits[0].numpy() > 0)


def test_masks_of_volumes(toy_task):
    task = toy_task()
    task.spatial_dims = 3
    task.network = Fixed(torch.randn(1, 2, 3, 4, 5))
    (mask,) = task.segment(batch_of(torch.zeros(2, 6, 8, 10)))
    expected = interpolate(task.network.logits, size=(6, 8, 10), mode="trilinear", align_corners=False)[0] > 0
    assert np.array_equal(mask, expected.numpy())


def test_a_constant_logit_decides_every_pixel(toy_task):
    task = toy_task()
    for value, filled in ((0.5, True), (-0.5, False), (0.0, False)):
        task.network = Fixed(torch.full((1, 1, 2, 2), value))
        (mask,) = task.segment(batch_of(torch.zeros(1, 5, 7)))
        assert mask.all() == filled
        assert mask.any() == filled


def test_rows_of_validation_and_test(toy_task, toy_data, fit):
    """Dice against its definition on the masks that are predicted; surfaces are left for the end."""
    task, data = toy_task(), toy_data()
    trainer = fit(task, data, FederatedLoop(rounds=2))
    assert {row.split for row in task.scores} == {"validation"}
    assert all("hd95" not in row.values for row in task.scores)
    assert [row.client for row in task.scores] == ["alps"] * 4 + ["bay"] * 3 + ["cape"]
    by_case = {row.case: row for row in task.scores}
    for client in data.clients:
        for case in client.validation:
            brought = data.evaluation_case(case, native=False)
            with torch.no_grad():
                predicted = task.network(brought.image[None])[0] > 0
            truth = brought.label.bool()
            expected = 2 * (predicted & truth).sum() / (predicted.sum() + truth.sum())
            assert by_case[case.case_id].values["dice"] == pytest.approx(float(expected))
    mean = np.mean([row.values["dice"] for row in task.scores])
    assert float(trainer.callback_metrics["val_dice"]) == pytest.approx(mean)
    metrics = {(m.client, m.name): m.value for m in task.round_metrics(trainer)}
    assert metrics["all", "val_dice"] == pytest.approx(mean)
    assert metrics["cape", "val_dice"] == task.scores[-1].values["dice"]

    trainer.test(task, datamodule=data)
    assert {row.split for row in task.scores} == {"test"}
    assert all("hd95" in row.values and row.distance_unit == "% of diagonal" for row in task.scores)
    assert {row.case for row in task.scores} == {case.case_id for client in data.clients for case in client.test}
    native = data.evaluation_case(data.clients[0].test[0], native=True).label
    (masks,) = trainer.predict(task, datamodule=data)[:1]
    assert masks[0].shape == native.shape == (1, 16, 16)


def row(client, dice, model, region="lesion"):
    return CaseScore("case", "patient", client, "validation", region, {"dice": dice}, "px", False, model)


def by_metric(task):
    return {(m.client, m.name): m.value for m in task.round_metrics(None)}


def test_a_row_names_the_model_that_made_it(toy_task):
    task = toy_task()
    task.network = Fixed(torch.ones(1, 1, 2, 2))
    task.score(batch_of(torch.ones(1, 2, 2)), complete=True)
    task.score(batch_of(torch.ones(1, 2, 2), model="alps"), complete=True)
    assert [(row.client, row.model) for row in task.scores] == [("bay", "global"), ("bay", "alps")]


def test_validation_dice_is_of_the_clients_own_models_where_they_are_scored(toy_task):
    task = toy_task()
    own = [row("alps", 0.5, "alps"), row("alps", 0.75, "bay"), row("bay", 0.25, "bay")]
    task.scores = own
    assert by_metric(task) == {
        ("all", "val_dice"): 0.5,
        ("alps", "val_dice"): 0.625,
        ("bay", "val_dice"): 0.25,
    }
    task.scores = [row("alps", 1.0, "global"), row("bay", 0.5, "global"), *own]
    assert by_metric(task) == {
        ("all", "val_dice_global"): 0.75,
        ("alps", "val_dice_global"): 1.0,
        ("bay", "val_dice_global"): 0.5,
        ("all", "val_dice"): 0.5,
        ("alps", "val_dice"): 0.625,
        ("bay", "val_dice"): 0.25,
    }


def test_init_from_starts_with_the_weights_of_a_checkpoint(tmp_path):
    first = small()
    torch.save({"state_dict": first.state_dict()}, tmp_path / "weights.ckpt")
    torch.manual_seed(99)
    second = SkinLesionTask(
        network_arguments={"channels": [4, 8], "strides": [2], "num_res_units": 0}, init_from=tmp_path / "weights.ckpt"
    )
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(small().network.model[0].conv.weight, first.network.model[0].conv.weight)


def test_a_run_can_start_from_another_runs_checkpoint(toy_task, toy_data, fit, history, tmp_path):
    first = toy_task()
    fit(first, toy_data(), FederatedLoop(rounds=1)).save_checkpoint(tmp_path / "last.ckpt")
    expected = copy.deepcopy(first.state_dict())
    second = toy_task(init_from=tmp_path / "last.ckpt", optimizer=lambda p: torch.optim.SGD(p, lr=0.0))
    fit(second, toy_data(), FederatedLoop(rounds=1), history)
    for name, value in expected.items():
        torch.testing.assert_close(value, history.rounds[0][name])


def write_nothing(path):
    pass


def write_text(path):
    path.write_text("not a checkpoint")


def write_other_network(path):
    torch.save(
        {"state_dict": SkinLesionTask(network_arguments={"channels": [2, 4], "strides": [2]}).state_dict()}, path
    )


def write_bare_weights(path):
    torch.save(small().state_dict(), path)


def write_list(path):
    torch.save([1, 2], path)


@pytest.mark.parametrize(
    "write",
    [write_nothing, write_other_network, write_bare_weights, write_text, write_list],
)
def test_init_from_refuses_what_does_not_fit(tmp_path, write):
    path = tmp_path / "weights.ckpt"
    write(path)
    with pytest.raises(CheckpointError, match=r"model\.init_from is .*weights\.ckpt, but the weights"):
        SkinLesionTask(network_arguments={"channels": [4, 8], "strides": [2], "num_res_units": 0}, init_from=path)


@pytest.mark.parametrize(("kind", "stated"), [("phantom", "unknown"), ("real", "real"), (None, "unknown")])
def test_what_an_older_checkpoint_says_of_its_weights(tmp_path, kind, stated):
    callbacks = {"RunRecorder": {"data_kind": kind}} if kind else {}
    torch.save({"state_dict": small().state_dict(), "callbacks": callbacks}, tmp_path / "weights.ckpt")
    arguments = {"channels": [4, 8], "strides": [2], "num_res_units": 0}
    assert SkinLesionTask(network_arguments=arguments, init_from=tmp_path / "weights.ckpt").started_from == stated
    assert SkinLesionTask(network_arguments=arguments).started_from is None


def test_frozen_parameters_by_name():
    task = SkinLesionTask(network_arguments={"channels": [4, 8], "strides": [2]}, frozen=r"model\.0\..*conv|adn\.A")
    frozen = {name for name, parameter in task.named_parameters() if not parameter.requires_grad}
    assert frozen == {n for n, _ in task.named_parameters() if n.startswith("network.model.0") and "conv" in n} | {
        n for n, _ in task.named_parameters() if "adn.A" in n
    }
    assert frozen


@pytest.mark.parametrize(
    ("pattern", "found"), [("nope", "found in 0 of the 9"), ("network", r"found in (\d+) of the \1")]
)
def test_freezing_nothing_or_everything(pattern, found):
    with pytest.raises(ConfigError, match=rf"model\.frozen is {pattern}, which is {found} parameters' names"):
        SkinLesionTask(network_arguments={"channels": [4, 8], "strides": [2]}, frozen=pattern)
