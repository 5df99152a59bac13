"""Command ``adpfl-bench deploy serve``: a hospital's worker."""

from __future__ import annotations

from pathlib import Path


def serve(hospital: Path) -> None:
    """Be a hospital's worker: answer what the run's server asks, at a socket in the hospital's home, until stopped.

    It has the hospital's data, noise, ledger and account, and writes everything into its home before an answer leaves.
    A worker that was stopped or killed goes on by itself when it is started again.

    Args:
        hospital: The hospital's file, hospital.yaml.
    """
    from adpfl_bench.deploy.worker import serve_hospital  # deferred: importing torch and Lightning takes seconds

    serve_hospital(hospital)
