"""The command ``adpfl-bench audit``: a fit with canaries, and what guesses about them prove."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lightning.pytorch.cli import LightningArgumentParser

from adpfl_bench.callbacks.privacy_audit import PrivacyAudit
from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.audit.verdict import SOUND
from adpfl_bench.records.blocks import AuditedBlock
from adpfl_bench.running.places import refuse_several
from adpfl_bench.running.training import BenchCLI, run


class AuditCLI(BenchCLI):
    """The command line of ``fit`` with a block ``audit``; what is trained is never scored."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the audit's own block."""
        super().add_arguments_to_parser(parser)
        parser.add_lightning_class_args(PrivacyAudit, "audit")

    def before_instantiate_classes(self) -> None:
        """Give the audit a folder of its own, and refuse to continue one.

        Raises:
            ConfigError: A checkpoint is given, or several processes.
        """
        config = self.config
        refuse_several(self.line, "An audit, which watches every release of its run,")
        if config.ckpt_path is not None:
            raise ConfigError("An audit must see every release of its run: start it anew, without --ckpt_path.")
        if config.trainer.default_root_dir is None:
            config.trainer.default_root_dir = f"runs/{config.task}/{config.method}/audit-seed{config.seed_everything}"
        config.score = False
        super().before_instantiate_classes()

    def start(self) -> None:
        """Train with canaries."""
        self.audit: PrivacyAudit = self.config_init["audit"]
        super().start()


def run_audit(words: Sequence[str]) -> int:
    """Run ``adpfl-bench audit``.

    Args:
        words: The command line after the program's name.

    Returns:
        The exit status: 1 where the audit contradicts what is accounted, or a check failed.
    """
    cli = run(["fit", *words[1:]], AuditCLI)
    assert isinstance(cli, AuditCLI)
    result = cli.audit.result
    assert result is not None
    print(table(result, cli.run_directory))
    return 0 if result.verdict in SOUND else 1


def table(result: AuditedBlock, folder: Path) -> str:
    """Say what an audit found, in a few lines."""
    accounted = "none" if result.accounted is None else f"{result.accounted:.4g}"
    lines = [
        f"Audit of client {result.client} with {result.canaries} canaries, {result.included} of them in;"
        f" recorded in {folder}",
        f"  audited epsilon    {result.epsilon:.3f}  (lower bound, {result.confidence:.0%} confidence,"
        f" delta {result.delta:g}; at most {result.ceiling:.2f} with so many canaries)",
        f"  accounted epsilon  {accounted}",
        f"  guesses            {result.correct} of {result.guesses} right",
    ]
    for name, check in result.checks.items():
        outcome = {True: "passed", False: "FAILED", None: "not applicable"}[check.passed]
        details = check.reason or _figures(check.figures)
        lines.append(f"  {name:<18} {outcome}{f' ({details})' if details else ''}")
    return "\n".join([*lines, f"  verdict            {result.verdict}"])


def _figures(figures: Mapping[str, float | int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in list(figures.items())[:4])
