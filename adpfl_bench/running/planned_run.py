"""The forecast of ``adpfl-bench privacy``: the run of fit, set up but not started."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from lightning.pytorch.cli import LightningArgumentParser

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.lookup import need_callback
from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.forecast import Forecast
from adpfl_bench.privacy.odds import odds_text
from adpfl_bench.privacy.release_plan import ReleasePlan
from adpfl_bench.records.spent import nominal_text
from adpfl_bench.report.account_report import planned_text
from adpfl_bench.report.commands import write_files
from adpfl_bench.report.privacy_facts import privacy_facts
from adpfl_bench.report.privacy_plots import draw_epsilon
from adpfl_bench.report.privacy_report import budget_table, forecast_csv, maxima, round_table
from adpfl_bench.running.bare_cli import BareCLI
from adpfl_bench.running.training import run
from adpfl_bench.text import count, print_facts, print_table


class PlannedRun(BareCLI):
    """The command line of fit up to where the Trainer would start, on whatever hardware is at hand."""

    _made: ClassVar[dict[str, tuple[LightningArgumentParser, list[str]]]] = {}
    """Parser and options of each command that was planned: a grid has many runs, and one parser parses all of them."""

    def setup_parser(
        self, add_subcommands: bool, main_kwargs: dict[str, Any], subparser_kwargs: dict[str, Any]
    ) -> None:
        """Take the parser of an earlier plan of this process; making one takes as long as parsing does."""
        if self.command not in self._made:
            super().setup_parser(add_subcommands, main_kwargs, subparser_kwargs)
            self._made[self.command] = self.parser, self._options
        self.parser, self._options = self._made[self.command]

    def _add_instantiators(self) -> None:
        """Leave out what writes a module's arguments into its checkpoints: it would keep each plan's objects alive."""

    def prepare(self, clients: Mapping[str, int] | None) -> tuple[FederatedLoop, DifferentialPrivacy]:
        """Divide the dataset, and let the loop and the method check and settle what they do at the start of a fit.

        Args:
            clients: Number of units by client, instead of a dataset.

        Raises:
            BenchError: What the fit would refuse.
        """
        data: FederatedDataModule = self.datamodule
        data.scheme = getattr(self.model, "scheme", None)
        if clients is None:
            data.divide()
        else:
            data.use_clients([_client(name, units) for name, units in clients.items()])
        trainer: Any = self.trainer
        trainer.datamodule = data
        loop, method = need_callback(trainer, FederatedLoop), need_callback(trainer, DifferentialPrivacy)
        loop.setup(trainer, self.model, "fit")
        return loop, method


def show_plan(
    arguments: Sequence[str], clients: Mapping[str, int] | None, targets: Sequence[float], output: Path | None
) -> None:
    """Print the forecast of a run, and write privacy.csv and privacy.png.

    Args:
        arguments: The options of fit.
        clients: Number of units by client, instead of a dataset.
        targets: Epsilons to find noise and rounds for.
        output: Where the files go; by default the run's folder.

    Raises:
        BenchError: What the fit would refuse; a file cannot be written.
    """
    planned = _parse(arguments, stated=clients is not None)
    loop, method = planned.prepare(clients)
    config = planned.config
    heading = f"{config.task} / {config.method} / seed {loop.schedule.seed}"
    units, per_step = planned.datamodule.unit_sizes, planned.datamodule.units_per_step
    print(f"{heading}, before anything is trained")
    facts = privacy_facts(method, loop.schedule, units, per_step)
    if reason := method.accounted.reason:
        print_facts({**facts, "accounted": f"none: {reason}", "nominal": nominal_text(method.nominal_epsilon)})
        print("Without a guarantee there is no epsilon to forecast; no file is written.")
        return
    assert method.mechanism is not None
    assert method.threshold is not None
    assert method.noise_multiplier is not None
    plan = ReleasePlan(method.unit, method.sampling, per_step, method.mechanism)
    forecast = Forecast(plan, loop.schedule, units, method.noise_multiplier, method.delta, method.threshold)
    rows = forecast.rows()
    last = maxima(rows)[-1]
    facts["accountant"] = last.accountant
    equal = len({row.epsilon for row in rows if row.round == last.round}) == 1
    largest = "the same for every client" if equal else f"largest for {last.client}"
    after = f"after {count(last.round, 'round')}, {largest}"
    facts["accounted"] = f"epsilon {last.epsilon:.4g} at delta {method.delta:g} {after}"
    facts["odds"] = odds_text(last.epsilon, method.delta)
    facts["nominal"] = nominal_text(method.nominal_epsilon)
    if method.accounted.not_covered:
        facts["not covered"] = "; ".join(method.accounted.not_covered)
    if method.reservation.folder is not None:
        facts["account"] = _account(method, stated=clients is not None)
    print_facts(facts)
    print_table(*round_table(rows))
    own = method.target_epsilon or last.epsilon
    name = f"epsilon {own:.4g} ({'target' if method.target_epsilon else 'this run'})"
    budgets = {f"epsilon {target:g}": target for target in targets if target != own}
    table, reasons = budget_table(forecast, budgets, (name, own))
    print_table(f"What a budget affords, at delta {method.delta:g}", table)
    for sentence in reasons:
        print(sentence)
    picture = draw_epsilon(rows, heading, method.target_epsilon, method.delta)
    folder = output or planned.run_directory
    files = {folder / "privacy.csv": forecast_csv(forecast, rows).encode(), folder / "privacy.png": picture.png}
    write_files(files)
    print(*files, sep="\n")


def _account(method: DifferentialPrivacy, stated: bool) -> str:
    if stated:
        return "it counts by patient, and stated clients have none: leave --clients out to see what would be left"
    return planned_text(*method.reservation.look(method.run_books.run))


def _parse(arguments: Sequence[str], stated: bool) -> PlannedRun:
    # No dataset is looked at where the clients are stated, but its folder is a required setting.
    place = ["--data.root", "phantom"] if stated else []
    try:
        planned = run(["fit", *arguments, *place], PlannedRun)
    except ConfigError as error:
        if stated and "FederatedDataModule is abstract" in str(error):
            raise ConfigError(
                "privacy needs a task also where clients are stated: add --config tasks/....yaml."
            ) from None
        raise
    assert isinstance(planned, PlannedRun)
    return planned


def _client(name: str, units: int) -> Client:
    cases = tuple(Case(f"{name}-{i}", f"{name}-{i}", (), None, name) for i in range(units))
    return Client(name, cases, (), ())
