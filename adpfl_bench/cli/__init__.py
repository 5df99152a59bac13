"""The command ``adpfl-bench``."""

from adpfl_bench.cli.main import main

__all__ = ["main"]
