"""Accounts and what is asked of them, without a run."""

from adpfl_bench.privacy.account.account_ask import AccountAsk
from adpfl_bench.privacy.account.account_entries import RunFacts
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.ledger import Release

RELEASE = Release("GaussianMechanism", 2.0)
DELTA = 1e-5


def made(folder, epsilon=5.0, **how):
    return CohortAccount.create(folder, epsilon, DELTA, **how)


def asked(name, units, folder="nowhere", rounds=4, release=RELEASE, released=0, **facts):
    """A run that makes one release a round of each client's units."""
    stated = {"label": name, "config": "", "kind": "real", "protects": "patient", "secure": True, **facts}
    return AccountAsk(
        RunFacts(run=name, folder=str(folder), **stated),
        "patient",
        units,
        lambda number: {client: {release: number} for client in units},
        {client: {release: released} for client in units},
        rounds,
    )
