"""The worker of a hospital: it answers at the socket in the hospital's home for as long as it lives."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from adpfl_bench.deploy.deployment_files import HospitalFile
from adpfl_bench.deploy.hospital import HospitalWorker
from adpfl_bench.deploy.local_socket import answer_all, socket_path


def serve_hospital(path: Path, most: int | None = None) -> None:
    """Answer requests for a hospital until the process is stopped.

    Args:
        path: The hospital's file.
        most: Ends after so many requests.

    Raises:
        BenchError: The file or its configuration is wrong, the data are not what the task expects, or another worker
            has the home.
    """
    file = HospitalFile.read(path)
    with ExitStack() as hold:
        hospital = HospitalWorker(file, hold)
        where = socket_path(file.home)
        print(f"Hospital {file.name} answers at {where}; scores that leave it: {file.scores_text}.", flush=True)
        answer_all(where, hospital.answer, most)
