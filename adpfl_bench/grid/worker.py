"""The process of one run: ``python -m adpfl_bench.grid.worker PARENT WORK``."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from adpfl_bench.grid.work import Fit, Work, exit_status

_PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def main(arguments: list[str], fit: Fit | None = None) -> int:
    """Make the run that the command line gives, and end with the benchmark that asked for it.

    Args:
        arguments: The benchmark's process id, and the work as JSON.
        fit: Trains, in place of the command fit.
    """
    parent, work = arguments
    _end_with(int(parent))
    return exit_status(Work.from_json(work), fit)


def _end_with(parent: int) -> None:
    """Let the system kill this process when its parent has died; elsewhere than on Linux the run goes on to its end.

    It is killed, and not interrupted, because a run can be continued after either and an interrupt can be missed.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before that
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
