"""Environment of a run: package versions, source revision, memory."""

import platform
import re
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import adpfl_bench

_PACKAGES = ("torch", "lightning", "monai", "numpy", "scipy", "dp-accounting", "wandb")


def package_versions() -> dict[str, str]:
    """Versions of Python, of this suite and of the packages that its results depend on."""
    found = {"python": platform.python_version(), "adpfl-bench": adpfl_bench.__version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def git_revision() -> str | None:
    """Commit of the checkout that this package runs from, marked ``-dirty`` if files differ; else ``None``."""
    top = Path(adpfl_bench.__file__).resolve().parents[1]
    if not (top / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            cwd=top,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()


def peak_memory_mb() -> float:
    """Largest resident size of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would count the parent's size at the fork as well.
        (peak_kb,) = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())
        return int(peak_kb) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def peak_gpu_memory_mb() -> float | None:
    """Most GPU memory that tensors took so far, in MiB; ``None`` without a GPU."""
    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else None
