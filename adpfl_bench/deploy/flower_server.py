"""The ServerApp: a deployed run over a Flower grid.

The run's settings are those of the app's ``pyproject.toml``, which ``adpfl-bench deploy init`` writes: ``server-file``
is the server's YAML file, ``answer-seconds`` and ``absent-seconds`` are how long hospitals are waited for.
"""

from __future__ import annotations

from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from adpfl_bench.deploy.coordinator import serve_rounds
from adpfl_bench.deploy.deployment_files import ServerFile
from adpfl_bench.deploy.flower_mail import FlowerMail
from adpfl_bench.deploy.node_exchange import NodeExchange
from adpfl_bench.errors import BenchError


def serve(grid: Grid, context: Context) -> None:
    """Make a deployed run, or go on with it.

    Raises:
        BenchError: The run cannot go on; the sentence says what to do.
    """
    settings = context.run_config
    file = ServerFile.read(Path(str(settings["server-file"])))
    exchange = NodeExchange(
        FlowerMail(grid), float(settings["answer-seconds"]), float(settings["absent-seconds"]), say=_say
    )
    try:
        _say(f"The run is in {serve_rounds(file, exchange)}.")
    except BenchError as error:  # beside Flower's own account of it, which has the places in the code
        _say(f"adpfl-bench: {error}")
        raise


def _say(sentence: str) -> None:
    print(sentence, flush=True)


app = ServerApp()
app.main()(serve)
