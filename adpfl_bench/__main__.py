"""``python -m adpfl_bench``: the command ``adpfl-bench``."""

import sys

from adpfl_bench.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
