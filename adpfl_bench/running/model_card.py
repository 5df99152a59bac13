"""Model card: what an exported model was trained on, how well it segments, and what is proved of its privacy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.leaderboard.audits import audits_beside
from adpfl_bench.leaderboard.protection import SEEDED, noise_source, person, protected_word
from adpfl_bench.leaderboard.run_summary import privacy_text
from adpfl_bench.privacy.lineage import PUBLIC
from adpfl_bench.records.cohort_record import read_cohort
from adpfl_bench.records.lineage_blocks import AncestorBlock
from adpfl_bench.records.protected import MEANINGS, group_text
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.score_columns import ScoreColumns
from adpfl_bench.records.score_means import mean_score
from adpfl_bench.running.bundled_network import BundledNetwork
from adpfl_bench.text import count

OWN_MODELS = "the clients' own models, if they leave them"
"""What a record says is not covered where epsilon is of what clients send, and not of what they keep."""

_SEEDED = "noise comes from the seed, which protects from nobody who knows it, and this card states it"

_POOLED = "whoever trained it, since the data of all clients were pooled"
_PLAIN_SERVER = "the server, which saw every client's updates as they were"


@dataclass(frozen=True)
class Exported:
    """What leaves.

    Attributes:
        folder: The run's folder.
        record: Its record.
        client: The client whose own model it is; ``None`` for the global one.
        weights: SHA-256 of the task's weights, as ``segment.json`` states it.
        files: SHA-256 of the bundle's files, by their paths.
        network: What is in the bundle.
    """

    folder: Path
    record: RunRecord
    client: str | None
    weights: str
    files: Mapping[str, str]
    network: BundledNetwork

    @property
    def title(self) -> str:
        """Task, method, seed and whose model it is."""
        whose = "" if self.client is None else f", own model of {self.client}"
        return f"{self.record.task}, {self.record.method}, seed {self.record.seed}{whose}"

    @property
    def privacy(self) -> str:
        """The statement on privacy, in one line."""
        audits = audits_beside(self.folder, self.record)
        said = privacy_text(self.record.privacy, audits, protected_word(self.record))
        if noise_source(self.record.privacy) == SEEDED:
            said += f"; {_SEEDED}"
        if self.client is not None and OWN_MODELS in self.record.privacy.accounted.not_covered:
            return f"none, since this is a client's own model, and epsilon is of what clients sent ({said})"
        return said

    @property
    def source(self) -> str:
        """The training data, in a few words."""
        data = self.record.data
        kind = "synthetic phantoms" if data.kind == "phantom" else "real data"
        release = f", release {data.release}" if data.release else ""
        cases = "an unknown number of cases" if data.cases is None else count(data.cases, "case")
        return f"{kind} of {data.datamodule or 'an unknown dataset'}{release}: {cases}, {count(data.clients, 'client')}"

    @property
    def use(self) -> str:
        """What it may be used for."""
        if self.record.data.kind == "phantom":
            return "Trying out software. It was trained on synthetic phantoms and has never seen a patient."
        return "Research. It is no medical device, and nobody has approved it for diagnosis or treatment."


def model_card(model: Exported) -> str:
    """Write the card, as Markdown."""
    network = model.network
    parts = [
        f"# {model.title}",
        f"{model.use}\n\nThe network is a {network.definition['_target_']}, which takes {network.takes} and gives"
        f" {', '.join(network.regions)}.",
        "## What it was trained on",
        _training(model),
        "## Privacy",
        f"**{model.privacy[:1].upper()}{model.privacy[1:]}.**",
        _privacy(model.record),
        "## Scores",
        _scores(model),
        "## How to run it",
        _RUNNING.format(needs=network.needs, instructions=network.instructions),
        "## Digests (SHA-256)",
        _digests(model),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


_RUNNING = """    pip install "monai[{needs}]"
    python -m monai.bundle run --config_file DIR/configs/inference.json --bundle_root DIR \\
        --dataset_dir IMAGES --output_dir MASKS

DIR is this bundle. {instructions} It computes in 32-bit floats. Masks are those of adpfl-bench but for pixels and
voxels whose logit is 0 up to rounding, since sums are taken in another order.

    adpfl-bench segment DIR IMAGES --output MASKS

makes those of adpfl-bench itself, from this folder alone."""


def _training(model: Exported) -> str:
    record, data = model.record, model.record.data
    rows = [("Data", model.source)]
    if data.contents is not None:
        rows.append(("Contents", f"Merkle root {data.contents.root} over {count(data.contents.files, 'file')}"))
    rows += [
        ("Fingerprint", data.fingerprint),
        ("Method", record.method),
        ("Seed", str(record.seed)),
        ("Rounds", f"{record.rounds_completed:,} of {record.federated.planned_rounds:,} ({record.status})"),
        ("First weights", f"trained on {record.model.started_from} data" if record.model.started_from else "chance"),
        ("Parameters", "not recorded" if record.model.parameters is None else f"{record.model.parameters:,}"),
    ]
    held_out = record.federated.held_out_clients
    clients = [
        (name, "held out" if name in held_out else sizes.train, sizes.validation, sizes.test)
        for name, sizes in data.clients.items()
    ]
    return "\n\n".join((_table(("", ""), rows), _table(("Client", "Train", "Validation", "Test"), clients)))


def _privacy(record: RunRecord) -> str:
    privacy, accounted = record.privacy, record.privacy.accounted
    word = protected_word(record)
    if privacy.unit == "none" or word is None:
        rows: list[tuple[object, ...]] = [
            ("Unit", "none"),
            ("Epsilon", "none: no noise was added, so nothing bounds what the weights tell of a patient"),
            ("Trust", f"whoever gets the model, and {_POOLED if record.federated.pooled else _PLAIN_SERVER}"),
        ]
    else:
        proved = f"none: {accounted.reason}" if accounted.epsilon is None else f"{accounted.epsilon:.4g}"
        stated = "none" if privacy.nominal_epsilon is None else f"{privacy.nominal_epsilon:g}, by the method's authors"
        source = noise_source(privacy)
        known = "nothing that is known" if accounted.epsilon is not None else "all of it: nothing is proved"
        uncovered = "; ".join(accounted.not_covered) or known
        noise = "not recorded" if source is None else _SEEDED if source == SEEDED else source
        rows = [
            ("Unit", f"{privacy.unit}: {MEANINGS[word]}"),
            ("A person", group_text(*person(record), word)),
            ("Epsilon, nominal", stated),
            ("Epsilon, accounted", proved),
            ("Delta", f"{accounted.delta:g}"),
            ("Proof", accounted.accountant or "none"),
            (
                "By client",
                ", ".join(f"{name} {epsilon:.4g}" for name, epsilon in accounted.by_client.items()) or "none",
            ),
            ("Adjacency", privacy.adjacency or "not recorded"),
            ("Mechanism", f"{privacy.mechanism}, noise multiplier {_number(privacy.noise_multiplier)}"),
            ("Threshold", f"{privacy.threshold}, clipped in {str(privacy.clipping_norm).upper()} norm"),
            ("Sampling", privacy.sampling or "not recorded"),
            ("Noise from", noise),
            ("Trust", _POOLED if record.federated.pooled else "no server: each client clips and noises what it sends"),
            ("Not covered", uncovered),
            ("Claimed by authors", "; ".join(accounted.claimed) or "nothing"),
        ]
    spent = [_before(one) for one in privacy.lineage]
    spent += [
        (f"In all, of {one.kind} data", f"{one.cohort or 'unknown'}: {_spent(one.unit, one.epsilon, one.reason)}")
        for one in privacy.cohorts
    ]
    return _table(("", ""), [*rows, *(spent or [("Lineage", "no run trained these weights before")])])


def _before(one: AncestorBlock) -> tuple[str, str]:
    if one.kind == PUBLIC:
        stated = f"{one.licence}; trained on {one.trained_on}; SHA-256 {one.digest}"
        return f"Before it: {one.name}", f"published weights, {stated}"
    spent = _spent(one.unit, one.epsilon, one.reason)
    return f"Before it: run {one.run or 'unknown'}", f"{one.kind} data {one.cohort or 'unknown'}, {spent}"


def _spent(unit: str, epsilon: float | None, reason: str | None) -> str:
    return f"unit {unit}, epsilon " + (f"none ({reason})" if epsilon is None else f"{epsilon:.4g}")


def _scores(model: Exported) -> str:
    """Means over cases of the model's own test cases, and of each cohort that was scored."""
    directory = RunDirectory(model.folder)
    wanted = model.client or GLOBAL_MODEL
    found: list[tuple[str, str, ScoreColumns]] = []
    if directory.cases_file.exists():
        test = directory.read_scores()
        test = test.take(test.split.equals("test") & test.model.equals(wanted))
        own = test if model.client is None else test.take(test.client.equals(model.client))
        found.append(("own test cases", "" if model.client is None else f" of {model.client}", own))
    for folder in sorted((model.folder / "cohorts").glob("*/")):
        cohort = read_cohort(folder)
        scores = RunDirectory(folder).read_scores()
        same = cohort.weights.get(wanted) == model.weights
        note = f" ({cohort.data.kind} data)" if same else f" ({cohort.data.kind} data; of other weights than these)"
        found.append((cohort.name, note, scores.take(scores.model.equals(wanted))))
    metrics = [metric for metric in model.record.model.metrics if metric.ranked]
    rows = []
    for name, note, scores in found:
        for region in scores.region.present():
            chosen = scores.of_region(region)
            unit = next(iter(chosen.distance_unit.present()), "")
            means = (mean_score(chosen, metric) for metric in metrics)
            shown = [
                _number(mean) + (f" {unit}" if metric.unit == "distance" and mean is not None else "")
                for mean, metric in zip(means, metrics, strict=True)
            ]
            rows.append((name + note, region, len(chosen.case.present()), *shown))
    if not rows:
        return "This model was not scored."
    table = _table(("Cases of", "Region", "Cases", *(f"{metric.title}, mean" for metric in metrics)), rows)
    scored, trained = model.record.model.scored_round, model.record.rounds_completed
    if scored is not None and scored != trained:
        table += (
            f"\n\nThe own test cases were scored after round {scored}; these are the weights after round {trained}."
        )
    return table


def _digests(model: Exported) -> str:
    rows = [
        ("weights, as adpfl-bench states them", model.weights),
        ("configuration of the run", model.record.config_sha256 or "not recorded"),
        *model.files.items(),
    ]
    return _table(("What", "Digest"), rows)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(_cell(str(cell)) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
