"""Refusals of a hospital: sentences that travel to the server, and so state nothing of its patients or machine."""

from __future__ import annotations

from adpfl_bench.deploy.messages import MessageError
from adpfl_bench.errors import AccountRefusal, BenchError
from adpfl_bench.federation.round_progress import ClientDiverged


class Refusal(BenchError):
    """What a hospital does not do, and why; the sentence may be read by everybody."""


def public_sentence(error: BaseException) -> str:
    """Return what the server is told of an error at a hospital.

    Other sentences than a hospital's own refusals may name files and cases, so they stay in its own log.
    """
    if isinstance(error, Refusal | MessageError | ClientDiverged):
        return str(error)
    if isinstance(error, AccountRefusal):
        return (
            f"The account of its cohort has no room for this run; at most {error.rounds} rounds would fit. Ask for"
            " fewer rounds, or for more noise."
        )
    what = type(error).__name__
    return f"It could not do what was asked ({what}); its own log says why, and the same request tries again."
