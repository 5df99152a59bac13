"""Models to start from: weights trained on phantoms alone, which the package adpfl-bench-models has for each task."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import adpfl_bench
from adpfl_bench.errors import CheckpointError
from adpfl_bench.privacy.lineage import Ancestor
from adpfl_bench.records.digests import file_sha256

PREFIX = "models"
"""What the name of such a model begins with, as in ``models/isic``."""

LICENCE = "Apache-2.0"
"""That of these models."""

_PACKAGE = "adpfl_bench_models"
_INDEX = "index.json"

NOT_INSTALLED = (
    "They come with the package adpfl-bench-models, which is not installed: pip install ./models in a checkout of"
    " adpfl-bench, or its wheel of this version."
)


@dataclass(frozen=True)
class StartingModel:
    """One of these models.

    Attributes:
        name: As ``model.init_from`` takes it.
        text: What it is, in a sentence.
        place: The file of settings that states its network.
        weights: A checkpoint with weights and lineage, and nothing else.
        card: What is known of it, as Markdown.
        sha256: Digest that the weights must have.
        trained_on: The phantoms that it was trained on, in a few words.
        version: That of the package.
    """

    name: str
    text: str
    place: str
    weights: Path
    card: Path
    sha256: str
    trained_on: str
    version: str

    def published(self, lineage: Sequence[Ancestor]) -> tuple[Ancestor, ...]:
        """Add to the lineage in its file what the weights are called, their licence and their digest."""
        *before, last = lineage
        called = f"{self.name} of adpfl-bench-models {self.version}"
        stated = replace(last, name=called, licence=LICENCE, trained_on=self.trained_on, digest=self.sha256)
        return (*before, stated)


def starting_models() -> dict[str, StartingModel]:
    """Return the models by name; none where the package is not there."""
    folder = _folder()
    if folder is None:
        return {}
    index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    found = {}
    for stem, entry in index["models"].items():
        name, card = f"{PREFIX}/{stem}", folder / f"{stem}.md"
        weights, stated = folder / f"{stem}.ckpt", (entry["sha256"], entry["trained_on"], index["version"])
        found[name] = StartingModel(name, entry["text"], entry["place"], weights, card, *stated)
    return found


def named_model(given: Path) -> StartingModel | None:
    """Find the model that ``model.init_from`` names; ``None`` where it is a file.

    Raises:
        CheckpointError: There is no model of that name, or its file is not the one that was published.
    """
    if len(given.parts) != 2 or given.parts[0] != PREFIX or given.suffix or given.is_file():
        return None
    models, name = starting_models(), given.as_posix()
    if not models:
        raise CheckpointError(f"model.init_from is {name}, one of the models to start from. {NOT_INSTALLED}")
    if name not in models:
        raise CheckpointError(
            f"model.init_from is {name}, but there is no model of that name; there are {', '.join(models)}."
        )
    model = models[name]
    if not model.weights.is_file() or file_sha256(model.weights) != model.sha256:
        raise CheckpointError(
            f"model.init_from is {name}, but {model.weights} is not the file that was published (its SHA-256 is to be"
            f" {model.sha256}); install adpfl-bench-models anew."
        )
    return model


def _folder() -> Path | None:
    """The package's folder: that of the checkout that this suite runs from, or the installed one."""
    checkout = Path(adpfl_bench.__file__).resolve().parents[1] / "models" / _PACKAGE
    spec = find_spec(_PACKAGE)
    installed = [Path(place) for place in (spec.submodule_search_locations or ())] if spec is not None else []
    return next((folder for folder in (checkout, *installed) if (folder / _INDEX).is_file()), None)
