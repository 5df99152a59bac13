"""Extension of a run: more rounds than it was planned with, where those that it made stay what they would be then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adpfl_bench.callbacks.round_dependence import follows_rounds
from adpfl_bench.errors import CheckpointError
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.spent import SpentBudget, read_spent
from adpfl_bench.text import count

_ROUNDS, _TARGET, _NOISE = "federated.rounds", "privacy.target_epsilon", "privacy.noise_multiplier"

_ANEW = (
    "train a new run of {rounds} rounds in a folder of its own (--trainer.default_root_dir, without --ckpt_path), or"
    " one that starts from these weights (--model.init_from {path})"
)


@dataclass(frozen=True)
class Extension:
    """More rounds than a checkpoint was planned with, or none.

    Attributes:
        settings: The settings that may differ from the checkpoint's.
        sentence: What is added, and what that costs; empty where nothing is.
    """

    settings: frozenset[str] = frozenset()
    sentence: str = ""


def check_extension(path: Path, saved: Mapping[str, Any], config: Mapping[str, Any]) -> Extension:
    """Check whether a run may go on to more rounds than it was planned with, and say what that costs.

    The noise of a run that was calibrated to a target was solved for its rounds, and is kept: it then has to be stated,
    and the target to be left out, since a target that no noise was solved for would be none.

    Args:
        path: The checkpoint that the run goes on from.
        saved: The configuration that it was made with.
        config: The configuration that there is now.

    Raises:
        CheckpointError: What the run has done depends on the number of its rounds, or its noise is not stated.
    """
    before, rounds = (_get(settings, "federated", "rounds") for settings in (saved, config))
    if not (isinstance(before, int) and isinstance(rounds, int) and rounds > before):
        return Extension()
    why = _obstacle(saved)
    if why is not None:
        advice = _ANEW.format(rounds=rounds, path=path)
        raise CheckpointError(
            f"The run of {path} has {count(before, 'round')}, and cannot go on to {rounds}: {why}. You can {advice}."
        )
    folder = path.parent.parent
    record = RunDirectory(folder).find_record()
    changed = {_ROUNDS}
    if _get(saved, "privacy", "target_epsilon") is not None:
        _check_noise(path, saved, config, record)
        changed |= {_TARGET, _NOISE}
    cost = _cost(folder, record, rounds)
    return Extension(frozenset(changed), f"The run had {count(before, 'round')}, and goes on to {rounds}{cost}.")


def _obstacle(saved: Mapping[str, Any]) -> str | None:
    """Say why the rounds that were made would be others in a longer run."""
    if _get(saved, "federated", "fine_tuning_epochs"):
        return "its last round fine-tunes every client's model, and no round comes after that"
    if follows_rounds(_get(saved, "model", "init_args", "lr_scheduler")):
        return (
            "its learning rate falls along a cosine over all of its rounds, so that with more of them it is another run"
        )
    return None


def _check_noise(path: Path, saved: Mapping[str, Any], config: Mapping[str, Any], record: RunRecord | None) -> None:
    """Refuse a run with a target of epsilon, unless its noise is stated in place of the target."""
    target, rounds = _get(saved, "privacy", "target_epsilon"), _get(config, "federated", "rounds")
    shown = f"{target:g}" if isinstance(target, int | float) else target
    noise = record.privacy.noise_multiplier if record is not None else None
    if record is None or noise is None:
        raise CheckpointError(
            f"The noise of the run of {path} was solved for epsilon {shown} in its own number of rounds, and no"
            f" run.json beside it says what it is, so that {rounds} rounds cannot keep it. Restore the run's folder."
        )
    if _get(config, "privacy", "target_epsilon") is None and _get(config, "privacy", "noise_multiplier") == noise:
        return
    end = _last_epsilon(read_spent(path.parent.parent, rounds))
    spends = "more than that" if end is None else f"epsilon {end:.4g}"
    raise CheckpointError(
        f"The noise of the run of {path} (z = {noise:.4g}) was solved for epsilon {shown} in"
        f" {count(record.federated.rounds, 'round')}; with {rounds} it spends {spends}. To accept that, state the"
        f" noise in place of the target: --privacy.target_epsilon null --privacy.noise_multiplier {noise!r}."
    )


def _cost(folder: Path, record: RunRecord | None, rounds: int) -> str:
    """Say what the run has spent, and what it will have spent."""
    if record is None or record.privacy.unit == "none":
        return ""
    spent = read_spent(folder, rounds)
    if spent.reason is not None:
        return f"; no epsilon is accounted, since {spent.reason}"
    end = _last_epsilon(spent)
    after = (
        "more after the last one, which its record cannot foresee" if end is None else f"{end:.4g} after the last one"
    )
    return f"; epsilon is {spent.epsilon:.4g} at delta {spent.delta:g} so far, and {after}"


def _last_epsilon(spent: SpentBudget) -> float | None:
    ends = [client.planned for client in spent.clients.values()]
    return None if None in ends else max((end for end in ends if end is not None), default=None)


def _get(settings: Mapping[str, Any], *keys: str) -> Any:
    found: Any = settings
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
