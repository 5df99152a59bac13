"""First screen of help for the commands that take a run's configuration; ``--help_all`` lists every setting."""

from __future__ import annotations

from collections.abc import Sequence

HELP_ALL = "--help_all"

_AS_TRAINED = "\n(with the --config files and options that the run was trained with)"
_SAYS = {
    "fit": ("Trains a federation, then scores the last round's model on validation and test cases.", ""),
    "validate": (
        "Scores a trained run's model on its validation cases.",
        _AS_TRAINED,
    ),
    "test": (
        "Scores a trained run's model on its test cases.",
        _AS_TRAINED,
    ),
    "predict": (
        "Writes a trained run's masks of its test cases as files.",
        _AS_TRAINED,
    ),
    "audit": ("Trains with canaries in one client, and bounds its epsilon from below by guesses about them.", ""),
}
_OWN_OPTIONS = {
    "fit": """
  --ckpt_path last            go on after the last whole round; a PATH starts from that checkpoint
  --score false               do not score when training has ended""",
    "audit": """
  --audit.canaries N          how many canaries; more prove more""",
}
_SCREEN = """usage: adpfl-bench {command} --config TASK [--config METHOD ...] [--config PLACE] [options]{same}

{says}

  adpfl-bench {command} --config tasks/isic.yaml --config callbacks/adp_fl.yaml --data.root /data/ISIC2017
  adpfl-bench {command} --config tasks/isic.yaml --config callbacks/adp_fl.yaml --config configs/smoke.yaml

what matters (later files override earlier ones, options override files):
  --config FILE               tasks/..., callbacks/... and configs/... are found in the package too; also -c
  --data.root PATH            folder of the dataset as its publisher ships it, or phantom
  --data.partition NAME       who holds which patients: NaturalPartition, SizesPartition, ...
  --data.batch_size N         training examples in a local step
  --data.num_workers N        processes that load
  --model.network NAME        UNet, DynUNet, ... or the class path of a torch.nn.Module
  --model.init_from CKPT      weights to start from
  --federated.rounds N        rounds of training
  --federated.local_epochs N  passes over its data that a client makes in a round
  --privacy.target_epsilon E  the noise is solved for; adpfl-bench privacy with the same words says it before
  --privacy.secure true       noise that nobody can repeat: for models that are given away
  --seed_everything N         the run's seed
  --trainer.accelerator gpu   with --trainer.devices N for several
  --trainer.default_root_dir  the run's folder (default: runs/TASK/METHOD/seedN){own}
  --trust MODULE              let the configuration name a module of your own; may be given several times

more:
  adpfl-bench list             tasks, methods, places, networks, thresholds, partitions ...
  adpfl-bench show NAME        what one of them is, its settings and its paper
  --print_config               all that the run would be made of
  {help_all}                   every setting, without those of classes
  --data.help ISICDataModule   the settings of a class; likewise --model.help"""


def training_help(command: str) -> str:
    """Return the first screen of a command's help."""
    says, same = _SAYS[command]
    return _SCREEN.format(command=command, says=says, same=same, own=_OWN_OPTIONS.get(command, ""), help_all=HELP_ALL)


def has_screen(command: str) -> bool:
    """Whether a command takes a run's configuration, so that its help has a first screen."""
    return command in _SAYS


def asks_for_help(words: Sequence[str]) -> bool:
    """Whether the words of such a command ask for the first screen of its help."""
    return has_screen(words[0]) and any(word in ("-h", "--help") for word in words)


def asks_the_parser(words: Sequence[str]) -> bool:
    """Whether a command line asks for what only the parser knows: all settings, those of a class, or their values."""
    return any(
        word in ("--help", HELP_ALL) or word.startswith("--print_config") or word.partition("=")[0].endswith(".help")
        for word in words
    )


def with_all_settings(words: Sequence[str]) -> list[str]:
    """Ask for the parser's own help, which lists every setting, where a command line asks for that."""
    return ["--help" if word == HELP_ALL else word for word in words]
