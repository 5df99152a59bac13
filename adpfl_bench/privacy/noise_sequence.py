"""Sequences of steps: where each client is in its fixed order of batches, and the noise that its next steps need."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from adpfl_bench.errors import BenchError
from adpfl_bench.federation.training_batch import StepPlace


class NoiseSequence:
    """The steps that one client makes with one kind of model, over all rounds, each in its place.

    Attributes:
        batches: Batches of a pass, b: step t is made on batch ``t mod b``.
        steps: Number of steps that were made.
        since: The step at which the passes are counted from: 0, or where the sequence went on under another key.
        key: The key of noise that they are counted under.
        recent: Noise of the last steps in units of the threshold, [p - 1, P]; step t is in row ``t mod (p - 1)``.
            ``None`` where nothing is to be taken off.
    """

    def __init__(self, batches: int, key: str, steps: int = 0, since: int = 0, recent: Tensor | None = None) -> None:
        self.batches = batches
        self.key = key
        self.steps = steps
        self.since = since
        self.recent = recent

    @property
    def begins_pass(self) -> bool:
        """Whether the coming step is one more than whole passes cover, so that another has to be entered."""
        return (self.steps - self.since) % self.batches == 0

    def taken_off(self, coefficients: Sequence[float], like: Tensor) -> Tensor:
        """What the coming step takes off: ``sum c_k w_(t-k)`` over the steps before, [P]."""
        total = torch.zeros_like(like)
        if self.recent is None:
            return total
        if self.recent.shape != (len(coefficients) - 1, len(like)):
            raise BenchError(
                f"The noise of the steps before is of {len(self.recent) + 1} bands and {self.recent.shape[1]} trained"
                f" numbers, but the run has {len(coefficients)} and {len(like)}: what is trained, and the mechanism's"
                " bands, must not change while a run goes on."
            )
        self.recent = self.recent.to(like)
        for k in range(1, len(coefficients)):
            total.add_(self.recent[(self.steps - k) % len(self.recent)], alpha=coefficients[k])
        return total

    def keep(self, noise: Tensor, length: int) -> None:
        """Keep a step's noise, [P], beside that of the ``length`` - 1 steps before."""
        if length == 0:
            return
        if self.recent is None:
            self.recent = noise.new_zeros(length, len(noise))
        self.recent[self.steps % length] = noise


class NoiseSequences:
    """The sequences of all clients, where their batches have a fixed order.

    Args:
        secure: Whether noise is secret. Secret noise is never written down: a run that goes on begins new sequences of
            noise, which cost nothing more than the passes that they make.
    """

    def __init__(self, secure: bool) -> None:
        self._secure = secure
        self._key = ""
        self._own: dict[str, dict[str, NoiseSequence]] = {}
        self._last: NoiseSequence | None = None

    def start(self, key: str) -> None:
        """Count passes under a key of noise from now on; under another one they are counted anew."""
        self._key = key

    def forget(self) -> None:
        """Forget all steps that were made."""
        self._own, self._last = {}, None

    def at(self, place: StepPlace) -> NoiseSequence | None:
        """Return the sequence that a step is the next of; ``None`` where batches have no fixed order.

        Raises:
            BenchError: It is not: another step would be, or another division into batches was used before.
        """
        if place.sequence is None:
            return None
        own = self._own.setdefault(place.client, {})
        made = own.setdefault(place.turn, NoiseSequence(place.sequence.batches, self._key))
        if (made.steps, made.batches) != place.sequence:
            step, batches = place.sequence
            raise BenchError(
                f"Client {place.client} is to make step {step + 1} on {batches} fixed batches, but it has made"
                f" {made.steps} on {made.batches}. Its units must keep their places: go on with the data, the schedule"
                " and privacy.units_per_step that the run had, from its own checkpoint."
            )
        if made.key != self._key:
            made.key, made.since = self._key, made.steps
        if made is not self._last:
            self._rest()
            self._last = made
        return made

    def _rest(self) -> None:
        """Take the noise of the client before off the device: memory there does not grow with the number of clients."""
        if self._last is not None and self._last.recent is not None:
            self._last.recent = self._last.recent.cpu()

    def state_dict(self, clients: Collection[str] | None = None, whole: bool = False) -> dict[str, Any]:
        """Return where clients are, by client and turn, as plain values and tensors on the CPU.

        Args:
            clients: Of whom; by default of all.
            whole: With secret noise too, for other processes of the run; a checkpoint has none of it.
        """
        kept = whole or not self._secure
        return {
            client: {
                turn: {
                    "batches": own.batches,
                    "key": own.key,
                    "steps": own.steps,
                    "since": own.since,
                    "recent": own.recent.cpu().clone() if kept and own.recent is not None else None,
                }
                for turn, own in turns.items()
            }
            for client, turns in self._own.items()
            if clients is None or client in clients
        }

    def load_state_dict(self, state: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        """Restore :meth:`state_dict`; clients that it does not name keep what they have.

        Raises:
            ValueError: A number or a tensor is none that a run has written.
        """
        for client, turns in state.items():
            self._own[client] = {turn: _restored(client, own) for turn, own in turns.items()}


def _restored(client: str, own: Mapping[str, Any]) -> NoiseSequence:
    batches, key, steps, since, recent = (own[name] for name in ("batches", "key", "steps", "since", "recent"))
    numbers = all(type(number) is int for number in (batches, steps, since)) and isinstance(key, str)
    if not numbers or not (batches >= 1 and 0 <= since <= steps):
        raise ValueError(f"the place of {client} in its order of batches is {batches}, {steps}, {since}")
    if recent is not None:
        whole = isinstance(recent, Tensor) and recent.dim() == 2 and recent.is_floating_point()
        if not whole or not torch.isfinite(recent).all():
            raise ValueError(f"the noise of {client} is no matrix of numbers")
    return NoiseSequence(batches, key, steps, since, recent)
