"""Exchange of what the processes of a run know of privacy: thresholds, releases, and what is no longer proved."""

from __future__ import annotations

from collections.abc import Collection

from adpfl_bench.callbacks.run_guarantee import RunGuarantee
from adpfl_bench.errors import ConfigError
from adpfl_bench.peers import of_clients, peers
from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from adpfl_bench.privacy.thresholds import Threshold


def exchange_privacy(
    engine: PrivacyEngine, guarantee: RunGuarantee, own: Collection[str], clients: Collection[str]
) -> None:
    """Let every process know what one process would know at the end of a round, before it is recorded.

    Args:
        engine: This process's, with the releases of its own clients.
        guarantee: What a proof supports of the run; what any process has found takes it from all.
        own: The clients that this process has trained in the round.
        clients: All that train in the federation.

    Raises:
        ConfigError: The threshold rule's state is not by client.
        PeerLost: Another process has ended.
    """
    if peers().count == 1 or engine.unit == "none":
        return
    assert engine.threshold is not None
    state = engine.threshold.state_dict()
    _check_by_client(engine.threshold, clients)
    places = engine.sequences.state_dict(own, whole=True)
    ours = of_clients(engine.released, own), of_clients(state, own), places, guarantee.found.reasons
    found = peers().gather(ours)
    released = {client: steps for steps_of, *_ in found for client, steps in steps_of.items()}
    engine.released = dict(sorted(released.items()))
    for _, thresholds, theirs, _ in found:
        state |= thresholds
        engine.sequences.load_state_dict(theirs)
    engine.threshold.load_state_dict(state)
    engine.books.exchange()
    for reason in dict.fromkeys(reason for *_, reasons in found for reason in reasons):
        guarantee.withdraw(reason)


def _check_by_client(threshold: Threshold, clients: Collection[str]) -> None:
    if others := sorted(set(threshold.state_dict()) - {*clients}):
        raise ConfigError(
            f"{type(threshold).__name__} keeps a state that is not by client ({others[0]}), which several processes"
            " cannot bring together: let its state_dict have the clients' names as keys, or use one process"
            " (trainer.devices: 1)."
        )
