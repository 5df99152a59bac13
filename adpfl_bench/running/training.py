"""The commands fit, validate, test and predict, on LightningCLI."""

import atexit
import gc
import inspect
import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

import adpfl_bench
from adpfl_bench.callbacks.checkpointing import (
    AtomicCheckpointIO,
    RoundCheckpoint,
    check_beginning,
    check_checkpoint,
    last_checkpoint,
)
from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.examples import ExampleCases
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.first_process import leave_to_the_first
from adpfl_bench.callbacks.no_profiler import NoProfiler
from adpfl_bench.callbacks.prediction_writer import PredictionWriter
from adpfl_bench.callbacks.progress import progress_callback
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.callbacks.slurm_requeue import SlurmRequeue, was_requeued
from adpfl_bench.config.class_paths import allow_imports, check_class_paths, check_parsed, place_of
from adpfl_bench.config.config_files import settle
from adpfl_bench.config.parser import BenchArgumentParser, UntrustedClassPath, explain
from adpfl_bench.config.yaml_text import parse_yaml
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.errors import BenchError, CheckpointError, ConfigError
from adpfl_bench.leaderboard.run_summary import summarize_run
from adpfl_bench.peers import peers
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_lock import RunLock
from adpfl_bench.running.option_checks import check_precision, check_seed, check_steps, trainer_in_sentences
from adpfl_bench.running.places import asked_for, own_device, without_others
from adpfl_bench.running.saved_configuration import SavedConfiguration
from adpfl_bench.running.stated_by_data import settle_by_data
from adpfl_bench.tasks.federated_task import FederatedTask
from adpfl_bench.text import say
from adpfl_bench.trust import refusal, trusting
from adpfl_bench.wandb.cases import WandbCases
from adpfl_bench.wandb.logger import name_wandb_run

_TRAINER_DEFAULTS = {
    "devices": 1,  # of processes; each has one device
    "logger": False,  # rounds.csv and cases.csv are always written; other loggers are asked for
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 1,
    "enable_model_summary": False,
    "use_distributed_sampler": False,
}


class BenchCLI(LightningCLI):
    """LightningCLI of one command, with ``federated``, ``privacy`` and ``record`` as blocks of their own.

    Later ``--config`` files override earlier ones key by key, and another class starts from its own defaults;
    :mod:`adpfl_bench.config.method_files` says which method they make, and when the default one is below them.

    Args:
        command: ``fit``, ``validate``, ``test`` or ``predict``.
        arguments: What follows it on the command line.
        hold: Holds the lock of the run's folder until the command has ended.
    """

    works_in_folder = True
    """Whether the command writes what belongs to the run."""

    def __init__(self, command: str, arguments: Sequence[str], hold: ExitStack) -> None:
        self.command, self._hold = command, hold
        self.line = settle(arguments)
        for note in self.line.notes if peers().first else ():
            print(note, file=sys.stderr)
        allow_imports(self.line.trusted)
        with trusting(self.line.trusted):
            check_class_paths(self.line.files)
            try:
                self._make()
            except UntrustedClassPath as error:
                raise refusal(error.path, place_of(error.given, self.line.files)) from None

    def _make(self) -> None:
        """Parse the command line, and make what it names."""
        command = self.command
        for name in adpfl_bench.__all__:
            getattr(adpfl_bench, name)  # so that all public classes are known by their short names
        description = (inspect.getdoc(getattr(Trainer, command)) or "").partition("\n")[0]
        description += " --trust MODULE, which may be given several times, lets class paths name a module of your own."
        super().__init__(
            FederatedTask,
            FederatedDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            # What scores a trained run later leaves its configuration alone.
            save_config_callback=SavedConfiguration if command == "fit" and peers().first else None,
            save_config_kwargs={"overwrite": True, "save_to_log_dir": False},
            trainer_defaults=dict(_TRAINER_DEFAULTS),
            seed_everything_default=0,
            auto_configure_optimizers=False,
            parser_class=BenchArgumentParser,
            # Options are never abbreviated: a typo must not become another setting.
            parser_kwargs={"prog": f"adpfl-bench {command}", "description": description, "allow_abbrev": False},
            args=self.line.words,
            run=False,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the suite's own blocks, and the options of the Trainer's method."""
        parser.add_argument("--task", default="task", help="Name of the task in records and tables.")
        parser.add_argument("--method", default="method", help="Name of the method in records and tables.")
        parser.add_argument("--score", type=bool, default=True, help="Score validation and test cases after fit.")
        parser.add_lightning_class_args(FederatedLoop, "federated")
        parser.add_lightning_class_args(DifferentialPrivacy, "privacy")
        parser.add_lightning_class_args(RunRecorder, "record")
        parser.add_lightning_class_args(ExampleCases, "examples")
        whole_run = ("federated.rounds", "federated.fine_tuning_epochs")
        parser.link_arguments(whole_run, "trainer.max_epochs", compute_fn=_total_rounds)
        parser.link_arguments("seed_everything", "federated.seed", compute_fn=int)
        parser.link_arguments("task", "record.task")
        parser.link_arguments("method", "record.method")
        self._options = parser.add_method_arguments(Trainer, self.command, skip=self.subcommands()[self.command])

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the given arguments, and only them."""
        try:
            self.config = parser.parse_args(args)
        except UnicodeDecodeError as error:
            raise ConfigError(f"A file that a setting names in place of a block is not in UTF-8: {error}.") from error
        check_parsed(self.config, self.line.trusted)
        check_seed(self.config.seed_everything)

    def before_instantiate_classes(self) -> None:
        """Settle the run's folder, and refuse before any data is read what can be refused by then."""
        config, given = self.config, self.config.ckpt_path
        if config.weights_only is False:
            raise ConfigError(
                "weights_only is false, but a checkpoint that holds more than weights and plain values could run code"
                " when it is read; leave weights_only out."
            )
        self.run_directory = Path(
            config.trainer.default_root_dir or f"runs/{config.task}/{config.method}/seed{config.seed_everything}"
        ).expanduser()
        config.trainer.default_root_dir = str(self.run_directory)
        if self.works_in_folder and peers().first:
            self._hold.enter_context(RunLock(self.run_directory).joined())
        if given is None and self.command == "fit" and self.works_in_folder and was_requeued(self.run_directory):
            print("Slurm has started this job again, so its run goes on.", file=sys.stderr)
            given = "last"
        name_wandb_run(config, self.run_directory, continued=given is not None or self.command != "fit")
        settle_by_data(config)
        if self.command == "predict":
            config.return_predictions = False  # they are written batch by batch, not kept
        config.ckpt_path = None  # the run's configuration is the run again, from its start, however it was continued
        # It was validated as it was parsed, and that takes as long as the rest.
        how: dict[str, Any] = {"skip_link_targets": False, "skip_unset": False, "skip_validation": True}
        settings = self.parser.dump(config, format="yaml", **how)
        self.config_dump: dict[str, Any] = parse_yaml(settings)
        if asked_for(self.line).total > 1 or peers().count > 1:
            config.trainer.devices, config.trainer.num_nodes = own_device(self.line), 1
        self._resuming = self.command == "fit" and given is not None
        self._checkpoint = self._find_checkpoint(given)

    def _find_checkpoint(self, given: str | None) -> str | None:
        if self.command == "fit" and given is None:
            return None
        path = last_checkpoint(self.run_directory) if given in (None, "last") else Path(str(given))
        if self.command == "fit" and given == "last" and not path.exists():
            check_beginning(RunDirectory(self.run_directory))
            if peers().first:
                print(f"{path} does not exist yet: the run starts from its first round.", file=sys.stderr)
            return None
        if given is None and not path.exists():
            raise CheckpointError(
                f"There is no checkpoint {path} to {self.command}: train with the same --config files first, or give"
                " --ckpt_path."
            )
        sections = {"fit": ("model", "data", "federated", "privacy"), "predict": ("model",)}
        agree = sections.get(self.command, ("model", "federated", "privacy"))
        check_checkpoint(path, self.config_dump, agree, resumes=self._resuming)
        return str(path)

    def instantiate_classes(self) -> None:
        """Make what is named; optimizers are made once to see that their settings go."""
        super().instantiate_classes()
        settings = self.config_init["federated"].settings
        optimizers = {
            "model.optimizer": self.model.optimizer,
            "federated.client_optimizer": settings.client_optimizer,
            "federated.server_optimizer": settings.server_optimizer,
        }
        check_steps(optimizers, self.model.lr_scheduler)

    def make_trainer(self, **kwargs: Any) -> Trainer:
        """Let LightningCLI make the Trainer, whose refusals are sentences."""
        with trainer_in_sentences():
            trainer: Trainer = super().instantiate_trainer(**kwargs)
        check_precision(trainer)
        leave_to_the_first(trainer)
        return trainer

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Add checkpoints by round, progress and prediction files to the Trainer."""
        settings = self.config_init["trainer"]
        shows_progress = settings.get("enable_progress_bar") is not False
        callbacks = [*_listed(settings.get("callbacks")), WandbCases(), PredictionWriter()]
        callbacks += [
            RoundCheckpoint(self.run_directory),
            *([progress_callback()] if shows_progress else []),
        ]
        plugins = [*_listed(settings.get("plugins")), AtomicCheckpointIO()]
        kwargs.setdefault("profiler", settings.get("profiler") or NoProfiler())
        slurm = None
        if peers().count > 1:  # each process has a Trainer that knows of no other
            plugins, slurm = without_others(plugins)
        recorder: RunRecorder = self.config_init["record"]
        recorder.config, recorder.trusted = self.config_dump, self.line.trusted
        if self.command == "fit" and peers().first:
            recorder.claim(self.run_directory, self._resuming)
            self.config_init["privacy"].reservation.find()
        bar = shows_progress and sys.stdout.isatty()
        trainer = self.make_trainer(callbacks=callbacks, plugins=plugins, enable_progress_bar=bar, **kwargs)
        cast(Any, trainer).callbacks.append(SlurmRequeue(slurm))  # behind the recorder, which LightningCLI puts last
        return trainer

    def start(self) -> None:
        """Do what the command says; a fit then scores the last round's model on validation and test cases."""
        options = {name: self.config_init[name] for name in self._options} | {"ckpt_path": self._checkpoint}
        getattr(self.trainer, self.command)(self.model, datamodule=self.datamodule, **options)
        if self.command == "fit" and self.config.score:
            if any(client.validation for client in self.datamodule.clients):
                self.trainer.validate(self.model, datamodule=self.datamodule, verbose=False)
            self.trainer.test(self.model, datamodule=self.datamodule, verbose=False)
        scored = self.command in ("validate", "test") or (self.command == "fit" and self.config.score)
        if scored and peers().first:
            say(summarize_run(RunDirectory(self.run_directory)))


def _listed(value: Any) -> list[Any]:
    """Return what may be one, several or none as a list."""
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _total_rounds(rounds: int, fine_tuning_epochs: int) -> int:
    """Return the Trainer's epochs: fine-tuning is one further round."""
    return rounds + (1 if fine_tuning_epochs > 0 else 0)


def run(arguments: Sequence[str], kind: Callable[[str, Sequence[str], ExitStack], BenchCLI] = BenchCLI) -> BenchCLI:
    """Run one of fit, validate, test and predict.

    Args:
        arguments: The command line after the program's name.
        kind: What is done with it.

    Returns:
        The command line with what was made of it.
    """
    # Lightning's tips and device lines would hide what the run itself says; its warnings of torch's own internals and
    # of the absence of loggers, which are asked for, are nothing a user can act on.
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    unasked = (
        ".*Total length of `EvaluationLoader` across ranks is zero|"  # which the datamodule says in its own words
        ".*Checkpoint directory .* exists and is not empty|"  # which was refused, or asked for
        ".*LeafSpec.* is deprecated|.*but have no logger configured|.*sync_dist=True.* when logging on epoch level"
    )
    warnings.filterwarnings("ignore", message=unasked)
    # What PyTorch and Lightning have loaded would be searched for garbage at the end, for seconds.
    atexit.register(gc.freeze)
    try:
        with ExitStack() as hold:
            cli = kind(arguments[0], arguments[1:], hold)
            cli.start()
            return cli
    except ValueError as error:
        # jsonargparse wraps what a class's constructor raised; the constructor's own sentence says it best.
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, BenchError):
            cause = cause.__cause__ or cause.__context__
        if cause is None and str(error).startswith("Does not validate against any"):  # jsonargparse's own sentence
            raise ConfigError(
                f"A class cannot be made as the configuration says:\n{explain(str(error), ())}"
            ) from error
        if cause is None:
            raise
        raise cause from None
