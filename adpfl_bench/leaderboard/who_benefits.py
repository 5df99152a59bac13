"""Benefits by client: whom a method serves well, and who gains over training alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adpfl_bench.leaderboard.client_scores import ClientScores
from adpfl_bench.leaderboard.groups import Group
from adpfl_bench.leaderboard.table_row import MethodLine
from adpfl_bench.records.score_means import sample_sd

LOCAL_REFERENCE = "local"
"""The method that gains are measured against: every client trains a model of its own, alone."""

TRAINING, HELD_OUT = "training", "held out"


@dataclass(frozen=True)
class ClientRow(MethodLine):
    """One method for one client on one region; a line of clients.csv, with scores in [0, 1].

    Attributes:
        client: Name of the client.
        role: ``training``, or ``held out`` for a client that took no part in training.
        model: The model that the client would use: the ``global model``, ``its own``, or for a held-out client without
            a global model the ``training clients' own``, each scored and averaged.
        cases: Number of the client's test cases.
        own: Mean Dice of that model on the client's own test cases, over cases and seeds.
        own_sd_seeds: Standard deviation (ddof=1) over seeds of the mean over cases; ``None`` for one seed.
        everyone: Mean Dice of that model on everyone's test cases, over cases and seeds; ``None`` where it was not
            scored on all of them.
        gain_over_local: ``own`` minus the ``own`` of the method ``local`` for this client, over the seeds that both
            have; ``None`` where there is no such method, or none of its seeds, or it does not train this client.
    """

    client: str
    role: str
    model: str
    cases: int
    own: float
    own_sd_seeds: float | None
    everyone: float | None
    gain_over_local: float | None


@dataclass(frozen=True)
class MethodRow:
    """Evenness of one method over its clients on one region.

    Clients that were held out of training do not count. All numbers but ``clients`` and ``gaining`` are ``None`` where
    no other client has test cases.

    Attributes:
        label: What tables call the method.
        clients: Number of clients that count.
        mean: Mean of the clients' ``own``, each client counting the same.
        worst_client: Client with the lowest ``own``.
        worst: Its ``own``.
        best_client: Client with the highest ``own``.
        best: Its ``own``.
        spread: Best minus worst.
        sd_clients: Standard deviation (ddof=1) of ``own`` over clients; ``None`` for one client.
        mean_gain: Mean gain over ``local`` of the clients that have one; ``None`` where none has.
        gaining: Number of clients whose gain is above 0.
        compared: Number of clients that have a gain.
        global_dice: Mean Dice over cases and seeds of the global model, where it was scored beside the clients' own
            models; else ``None``.
    """

    label: str
    clients: int
    mean: float | None
    worst_client: str | None
    worst: float | None
    best_client: str | None
    best: float | None
    spread: float | None
    sd_clients: float | None
    mean_gain: float | None
    gaining: int
    compared: int
    global_dice: float | None


@dataclass(frozen=True)
class WhoBenefits:
    """Benefits of a comparable group's methods for each client, on one region.

    Attributes:
        region: Name of the region.
        clients: Method after method, clients by name and those held out last.
        methods: The same methods in the same order.
        has_reference: Whether ``local`` is among them, once, so that there are gains over it.
        on_gains: What limits the gains.
        score: Title of the main metric.
    """

    region: str
    clients: tuple[ClientRow, ...]
    methods: tuple[MethodRow, ...]
    has_reference: bool
    on_gains: tuple[str, ...]
    score: str


def who_benefits(group: Group, region: str, labels: Sequence[str]) -> WhoBenefits:
    """Compute what each of the methods, in the order of their labels, does for each client."""
    variants = {variant.label: variant for variant in group.variants}
    scores = {label: ClientScores(variants[label], region) for label in labels}
    local = [label for label in labels if variants[label].method == LOCAL_REFERENCE]
    reference = scores[local[0]] if len(local) == 1 else None
    clients: list[ClientRow] = []
    methods: list[MethodRow] = []
    for label in labels:
        rows = [_client_row(group, region, scores[label], name, reference) for name in scores[label].clients]
        clients += rows
        methods.append(_method_row(label, [row for row in rows if row.role == TRAINING], scores[label].global_mean))
    return WhoBenefits(
        region, tuple(clients), tuple(methods), reference is not None, _on_gains(group, local), group.metrics[0].title
    )


def _on_gains(group: Group, local: Sequence[str]) -> tuple[str, ...]:
    if len(local) != 1:
        found = f"{LOCAL_REFERENCE} is here with several settings" if local else f"no run of {LOCAL_REFERENCE} is here"
        return (f"Gain over local is empty: {found}.",)
    (seeds,) = [set(variant.seeds) for variant in group.variants if variant.label == local[0]]
    others = [variant.label for variant in group.variants if set(variant.seeds) != seeds]
    if not others:
        return ()
    return (
        "Gain over local is taken over the seeds that a method shares with it; not all are shared with"
        f" {', '.join(others)}.",
    )


def _client_row(
    group: Group, region: str, scores: ClientScores, client: str, reference: ClientScores | None
) -> ClientRow:
    own = list(scores.own(client).values())
    variant = scores.variant
    held_out = client in scores.held_out
    model = "global model"
    if variant.runs[0].headline != "global":
        model = "training clients' own" if held_out else "its own"
    return ClientRow(
        *group.names,
        region,
        *variant.names,
        client=client,
        role=HELD_OUT if held_out else TRAINING,
        model=model,
        cases=len(scores.cases[client]),
        own=float(np.mean(own)),
        own_sd_seeds=sample_sd(own),
        everyone=scores.everyone(client),
        gain_over_local=_gain(scores, client, reference),
    )


def _gain(scores: ClientScores, client: str, reference: ClientScores | None) -> float | None:
    """Gain over the model that the client trained alone, on the same test cases and under the same seeds."""
    if reference is None or client in reference.held_out:
        return None
    if reference.cases.get(client) != scores.cases[client]:
        return None
    own, alone = scores.own(client), reference.own(client)
    gains = [own[seed] - alone[seed] for seed in own if seed in alone]
    return float(np.mean(gains)) if gains else None


def _method_row(label: str, rows: Sequence[ClientRow], global_dice: float | None) -> MethodRow:
    gains = [row.gain_over_local for row in rows if row.gain_over_local is not None]
    worst = min(rows, key=lambda row: (row.own, row.client), default=None)
    best = min(rows, key=lambda row: (-row.own, row.client), default=None)
    return MethodRow(
        label=label,
        clients=len(rows),
        mean=float(np.mean([row.own for row in rows])) if rows else None,
        worst_client=worst.client if worst else None,
        worst=worst.own if worst else None,
        best_client=best.client if best else None,
        best=best.own if best else None,
        spread=best.own - worst.own if best and worst else None,
        sd_clients=sample_sd([row.own for row in rows]),
        mean_gain=float(np.mean(gains)) if gains else None,
        gaining=sum(gain > 0 for gain in gains),
        compared=len(gains),
        global_dice=global_dice,
    )
