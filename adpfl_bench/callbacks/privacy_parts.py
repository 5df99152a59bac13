"""Parts of a run that the proof must know, gathered from Trainer, task, federation and data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ModelCheckpoint, Timer
from lightning.pytorch.plugins.precision import DoublePrecision, MixedPrecision, Precision
from torch import nn

from adpfl_bench.callbacks.lookup import callbacks_of
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.privacy.guarantee import (
    THE_CLOCK,
    MonitoredChoice,
    Part,
    PrivacySetting,
    not_covered,
    replaced_methods,
)
from adpfl_bench.privacy.ledger import PrivacyUnit
from adpfl_bench.privacy.summed_noise import SummedGaussianMechanism, sum_faults
from adpfl_bench.tasks.federated_task import FederatedTask

# What stands between a task's loss and its weights. A task with one of its own does something else than is proved.
TRAINING_HOOKS = (
    "training_step", "configure_optimizers", "configure_callbacks", "configure_model", "backward",
    "configure_gradient_clipping", "clip_gradients", "optimizer_step", "optimizer_zero_grad", "lr_scheduler_step",
    "on_fit_start", "on_train_start", "on_train_epoch_start", "on_train_batch_start", "on_before_batch_transfer",
    "transfer_batch_to_device", "on_after_batch_transfer", "on_before_zero_grad", "on_before_backward",
    "on_after_backward", "on_before_optimizer_step", "on_train_batch_end", "on_train_epoch_end", "on_train_end",
)  # fmt: skip
_PLAN = ("train_dataloader", "use_plan", "train_sizes", "unit_sizes", "units_per_step")
LEARNING_RATES = "learning rates"
_PRECISIONS = {"32-true": Precision, "64-true": DoublePrecision, "bf16-mixed": MixedPrecision}


def gather(
    setting: PrivacySetting,
    trainer: Trainer,
    task: FederatedTask,
    federation: FederatedSettings,
    datamodule: FederatedDataModule,
    started: bool,
) -> PrivacySetting:
    """Complete a method's own setting by all that the proof has to know of the run.

    ``started`` says whether the Trainer has its optimizer already.
    """
    found = [*faults(trainer, task, datamodule, setting.unit)]
    if isinstance(setting.mechanism, SummedGaussianMechanism):
        found += _faults_of_sum(setting.mechanism, setting, trainer, task, federation, datamodule)
    return replace(
        setting,
        parts=(*trainer_parts(trainer), *learning_parts(trainer, task, federation, setting.unit, started)),
        statistics=running_statistics(task),
        choices=choices_by_number(trainer, None if started else task),
        faults=tuple(found),
        summed=isinstance(setting.mechanism, SummedGaussianMechanism),
        not_covered=not_covered(setting.unit, federation, task, task.started_from, datamodule.planned_on),
    )


def _faults_of_sum(
    mechanism: SummedGaussianMechanism,
    setting: PrivacySetting,
    trainer: Trainer,
    task: FederatedTask,
    federation: FederatedSettings,
    datamodule: FederatedDataModule,
) -> Iterator[str]:
    """Why a trusted sum is not what is proved; a checkpoint within a round would hold one client's weights."""
    ((optimizer, *_), _) = _made_once(task, federation)
    how = setting.unit, setting.threshold, setting.sampling, federation, optimizer
    yield from sum_faults(mechanism, *how, datamodule.train_sizes, datamodule.unit_sizes, datamodule.units_per_step)
    for callback in callbacks_of(trainer):
        if isinstance(callback, ModelCheckpoint) and _saves_within_rounds(callback):
            yield f"{type(callback).__name__} saves within a round, when the network holds one client's weights"


def trainer_parts(trainer: Trainer) -> tuple[Part, ...]:
    """Return what a Trainer is made of, as far as it could reach what is trained."""
    settings: Any = trainer
    precision, plugin = str(settings.precision), type(settings.precision_plugin)
    return (
        *(Part("callback", type(callback)) for callback in callbacks_of(trainer)),
        Part("precision", precision if plugin is _PRECISIONS.get(precision, plugin) else plugin),
        Part("strategy", type(settings.strategy)),
        Part("device", type(settings.accelerator)),
        Part("checkpoint writer", type(settings.strategy.checkpoint_io)),
        *(Part("logger", type(logger)) for logger in settings.loggers),
    )


def learning_parts(
    trainer: Trainer, task: FederatedTask, federation: FederatedSettings, unit: PrivacyUnit, started: bool
) -> tuple[Part, ...]:
    """Return how clients learn: optimizer, schedule and, where it could see what is not released yet, method.

    ``started`` says whether the Trainer has them already; before that they are made once to be looked at.
    """
    parts = started_parts(trainer) if started else _parts(*_made_once(task, federation))
    if unit == "client":
        parts.append(Part("client method", type(federation.client_method)))
    return tuple(parts)


def started_parts(trainer: Trainer) -> list[Part]:
    """Return the optimizer and the schedules that a Trainer has."""
    optimizers = [optimizer for optimizer in trainer.optimizers if optimizer.param_groups]
    return _parts(optimizers, [config.scheduler for config in trainer.lr_scheduler_configs])


def _parts(optimizers: Sequence[Any], schedules: Sequence[Any]) -> list[Part]:
    return [
        *(Part("local optimizer", type(optimizer)) for optimizer in optimizers),
        *(Part("learning-rate schedule", type(schedule)) for schedule in _with_parts(schedules)),
    ]


def _with_parts(schedules: Sequence[Any]) -> list[Any]:
    """Schedules, and those that they are made of."""
    return [part for schedule in schedules for part in (schedule, *getattr(schedule, "_schedulers", ()))]


def _made_once(task: FederatedTask, federation: FederatedSettings) -> tuple[list[Any], list[Any]]:
    return [(federation.client_optimizer or task.optimizer)(_one_weight(task))], _schedules(task)


def _schedules(task: FederatedTask) -> list[Any]:
    return [] if task.lr_scheduler is None else [task.lr_scheduler(task.optimizer(_one_weight(task)))]


def _one_weight(task: FederatedTask) -> list[nn.Parameter]:
    return [nn.Parameter(next(task.parameters()).detach().new_zeros(1))]


def choices_by_number(trainer: Trainer, task: FederatedTask | None = None) -> tuple[MonitoredChoice, ...]:
    """Return what a run chooses by numbers that it measures: when to stop, which round to keep, how fast to learn.

    Args:
        trainer: Has the callbacks and, once training has started, the schedules.
        task: Has the schedule before that.
    """
    found = []
    for callback in callbacks_of(trainer):
        monitor = getattr(callback, "monitor", None)
        if isinstance(callback, EarlyStopping):
            found.append(MonitoredChoice("stopping early", monitor))
        elif isinstance(callback, Checkpoint):
            found.append(MonitoredChoice("choosing a round", monitor))
        elif isinstance(callback, Timer):
            found.append(MonitoredChoice("stopping early", THE_CLOCK))
    configs = trainer.lr_scheduler_configs
    if configs:
        found += [MonitoredChoice(LEARNING_RATES, config.monitor) for config in configs if config.reduce_on_plateau]
    elif task is not None:
        made = _with_parts(_schedules(task))
        found += [MonitoredChoice(LEARNING_RATES, getattr(schedule, "monitor", None)) for schedule in made]
    return tuple(found)


def choices_of_round(trainer: Trainer) -> tuple[str, ...]:
    """Name the choices by which a run may end with another round than its last."""
    choices = choices_by_number(trainer)
    return tuple(f"{what} by {monitor}" for what, monitor in choices if monitor and what != LEARNING_RATES)


def faults(trainer: Trainer, task: FederatedTask, datamodule: LightningDataModule, unit: PrivacyUnit) -> Iterator[str]:
    """Name what was found that no line of the proof covers, a clause each."""
    own = [name for name in TRAINING_HOOKS if replaced(task, FederatedTask, name)]
    if own:
        yield f"{type(task).__name__} has {own[0]} of its own, which the proof does not know"
    own = [name for name in _PLAN if replaced(datamodule, FederatedDataModule, name)]
    if own:
        yield f"{type(datamodule).__name__} has {own[0]} of its own, so that it is not known who is in which step"
    if hooked := gradient_hooks(task):
        yield f"{hooked[0]} has a hook that sees its gradient before it is released"
    for callback in callbacks_of(trainer):
        yield from replaced_methods(callback)
        if unit == "client" and isinstance(callback, ModelCheckpoint) and _saves_within_rounds(callback):
            yield f"{type(callback).__name__} saves within a round, when the network holds one client's weights"


def gradient_hooks(module: nn.Module) -> list[str]:
    """Return the parameters with a hook that sees their gradient."""
    return [name for name, p in module.named_parameters() if p._backward_hooks or _after_accumulation(p)]


def replaced(part: object, base: type, name: str) -> bool:
    """Tell whether an object does something else under a name than its base class."""
    return name in vars(part) or getattr(type(part), name, None) is not getattr(base, name, None)


def _after_accumulation(parameter: nn.Parameter) -> bool:
    return bool(getattr(parameter, "_post_accumulate_grad_hooks", None))


def _saves_within_rounds(callback: ModelCheckpoint) -> bool:
    return bool(callback._every_n_train_steps > 0 or callback._train_time_interval or callback.save_on_exception)


def running_statistics(module: nn.Module) -> tuple[str, ...]:
    """Return the layers whose running statistics training changes."""
    kept = nn.modules.batchnorm._NormBase
    return tuple(
        name for name, layer in module.named_modules() if isinstance(layer, kept) and layer.track_running_stats
    )
