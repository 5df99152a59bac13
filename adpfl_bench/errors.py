"""Errors that a user can act on: each message says what was expected, what was found where, and what to do."""

from collections.abc import Sequence


class BenchError(Exception):
    """Base of every error that the command line prints as a sentence instead of a traceback."""


class ConfigError(BenchError):
    """The configuration asks for something impossible, or for something that would silently be wrong."""


class DataError(BenchError):
    """A dataset, partition file or image is missing, malformed or contradictory."""


class CheckpointError(BenchError):
    """A checkpoint does not belong to the run that is asked to continue from it."""


class RecordError(BenchError):
    """A run record cannot be written or read."""


class AccountRefusal(BenchError):
    """A run does not fit into the account of its cohort any more.

    Args:
        sentence: The sentence.
        rounds: The most rounds that would fit.
    """

    def __init__(self, sentence: str, rounds: int) -> None:
        super().__init__(sentence)
        self.rounds = rounds


def add_note(error: BaseException, note: str) -> None:
    """Add a note to an error as ``add_note`` does, which Python 3.10 lacks."""
    error.__notes__ = [*getattr(error, "__notes__", ()), note]


def check_choice(name: str, value: str, possible: Sequence[str]) -> None:
    """Refuse a word that is none of the possible ones; from Python, nothing else would.

    Raises:
        ConfigError: As above.
    """
    if value not in possible:
        raise ConfigError(f"{name} is {value}; possible are {', '.join(possible)}.")


def score_beside(run: object = "RUN") -> str:
    """Return the sentence that says how a run's models score other data than its own."""
    return f"Other data are scored beside the run: adpfl-bench evaluate {run} --cohort NAME=FOLDER."
