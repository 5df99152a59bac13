"""What the suite has to offer, by kind: tasks, methods, places, datasets, networks, metrics, thresholds and more."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from docstring_parser import parse as parse_docstring

import adpfl_bench
from adpfl_bench.config.config_files import packaged_root
from adpfl_bench.tasks.starting_models import NOT_INSTALLED, starting_models

_SENTENCE = re.compile(r"(?<!et al)[.:](?:\s+(?=[A-Z`-])|$)")
_NO_TASKS_OF_THEIR_OWN = frozenset({"benchmark.yaml", "demo.yaml", "headline.yaml", "sweep.yaml"})


@dataclass(frozen=True)
class Offer:
    """Something that a configuration or command can name.

    Attributes:
        name: As one gives it.
        text: What it is, in a sentence.
    """

    name: str
    text: str


def yaml_comment(path: Path) -> str:
    """Return what the comments at the head of a YAML file say, a line for each of theirs."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)


def first_sentence(text: str) -> str:
    """Return a text's first sentence, without its full stop.

    >>> first_sentence("Slices of TCGA-LGG (Buda et al., arXiv 1906.03720), one by one. The institutions are clients.")
    'Slices of TCGA-LGG (Buda et al., arXiv 1906.03720), one by one'
    """
    return _SENTENCE.split(" ".join(text.split()), maxsplit=1)[0]


def plain_text(text: str) -> str:
    """Return a paragraph of a docstring without its markup.

    >>> plain_text("A cap on the norm; see :class:`~adpfl_bench.privacy.clipping.Clip`, ``C`` there.")
    'A cap on the norm; see Clip, C there.'
    """
    return re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"\1", " ".join(text.split())).replace("``", "")


def _files(folder: str) -> list[Offer]:
    return [
        Offer(f"{folder}/{path.name}", first_sentence(yaml_comment(path)))
        for path in sorted((packaged_root() / folder).glob("*.yaml"))
        if path.name not in _NO_TASKS_OF_THEIR_OWN
    ]


def _grids() -> list[Offer]:
    paths = [packaged_root() / "configs" / name for name in sorted(_NO_TASKS_OF_THEIR_OWN)]
    return [Offer(f"configs/{path.name}", first_sentence(yaml_comment(path))) for path in paths]


def _datasets() -> list[Offer]:
    from adpfl_bench.datasets.catalogue import DATASETS  # deferred, as all that follows: help must not wait for them

    return [Offer(name, f"{found.dataset}: {found.expected}") for name, found in DATASETS.items()]


def _phantoms() -> list[Offer]:
    from adpfl_bench.datasets.catalogue import DATASETS

    return [Offer(name, f"Phantoms in the layout of {d.dataset}") for d in DATASETS.values() for name in d.phantoms]


def _models() -> list[Offer]:
    return [Offer(name, model.text) for name, model in starting_models().items()]


def _networks() -> list[Offer]:
    from adpfl_bench.tasks.networks import NETWORKS

    return [Offer(name, text) for name, text in NETWORKS.items()]


def _metrics() -> list[Offer]:
    from adpfl_bench.metrics.registry import CHALLENGES, METRICS

    every = [*METRICS, *(metric for of_challenge in CHALLENGES.values() for metric in of_challenge)]
    return [
        Offer(
            metric.name,
            f"{metric.title}{f' ({metric.kind})' if metric.kind else ''}: {metric.description}"
            f" ({_direction(metric.higher_is_better)})",
        )
        for metric in every
    ]


def _direction(higher_is_better: bool) -> str:
    return "higher is better" if higher_is_better else "lower is better"


def _classes(base: str) -> Callable[[], list[Offer]]:
    def found() -> list[Offer]:
        parent = getattr(adpfl_bench, base)
        public = {name: getattr(adpfl_bench, name) for name in adpfl_bench.__all__}
        return [
            Offer(f"adpfl_bench.{name}", _summary(value))
            for name, value in public.items()
            if inspect.isclass(value) and issubclass(value, parent) and not inspect.isabstract(value)
            if value is not parent
        ]

    return found


def _summary(value: Any) -> str:
    return first_sentence(plain_text(parse_docstring(inspect.getdoc(value) or "").short_description or ""))


@dataclass(frozen=True)
class OfferKind:
    """A kind of offers.

    Attributes:
        text: What they are, and how one is named.
        found: Lists them.
        absent: Why there are none where there are none, and what to do.
    """

    text: str
    found: Callable[[], list[Offer]]
    absent: str = ""


KINDS: Mapping[str, OfferKind] = MappingProxyType(
    {
        "tasks": OfferKind("data, network and training: --config first", lambda: _files("tasks")),
        "methods": OfferKind("how clients learn and keep private: --config after a task", lambda: _files("callbacks")),
        "places": OfferKind("where and how large a run is: --config last", lambda: _files("configs")),
        "grids": OfferKind("many runs: adpfl-bench benchmark --config, or wandb sweep", _grids),
        "datasets": OfferKind("folders that are recognised: verify, prepare, --data.root", _datasets),
        "phantoms": OfferKind("synthetic cohorts: adpfl-bench phantom NAME --output DIR", _phantoms),
        "models": OfferKind(
            "weights to start from: --model.init_from (a card has its settings)",
            _models,
            NOT_INSTALLED,
        ),
        "networks": OfferKind("--model.network; any torch.nn.Module by its class path too", _networks),
        "metrics": OfferKind("columns of cases.csv and of all tables", _metrics),
        "thresholds": OfferKind("--privacy.threshold", _classes("Threshold")),
        "mechanisms": OfferKind("noise: --privacy.mechanism", _classes("Mechanism")),
        "partitions": OfferKind("who holds which patients: --data.partition", _classes("Partition")),
        "client_methods": OfferKind("--federated.client_method", _classes("ClientMethod")),
        "aggregators": OfferKind("--federated.aggregator", _classes("Aggregator")),
    }
)
"""The kinds of things that ``adpfl-bench list`` lists."""
