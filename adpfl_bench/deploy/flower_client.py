"""The ClientApp: what a hospital's node does with a message. It forwards bytes to the hospital's worker, and no more.

A node's own configuration says whose it is (``hospital``) and where the worker is (``home``); no message does.
It imports neither torch nor anything else that takes long, since Flower may start a process for every message.
"""

from __future__ import annotations

import json
from pathlib import Path

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

import adpfl_bench
from adpfl_bench.deploy.flower_content import held_bytes, with_bytes, with_trouble
from adpfl_bench.deploy.local_socket import ask, socket_path
from adpfl_bench.errors import BenchError


def forward(message: Message, context: Context) -> Message:
    """Forward a request to the hospital's worker, and return its answer, or one sentence where there is none."""
    request = held_bytes(message.content)
    home = context.node_config.get("home")
    try:
        if request is None:
            raise BenchError("the message holds no request of this package")
        if not home:
            raise BenchError("its node has no home: start it by adpfl-bench deploy node, or with --node-config")
        content = with_bytes(ask(socket_path(Path(str(home))), request))
    except BenchError as error:
        content = with_trouble(str(error))
    return Message(content, reply_to=message)


def name(message: Message, context: Context) -> Message:
    """Say whose node this is, as its own configuration has it."""
    stated = {"hospital": context.node_config.get("hospital", ""), "version": adpfl_bench.__version__}
    return Message(with_bytes(json.dumps(stated).encode()), reply_to=message)


app = ClientApp()
app.train()(forward)
app.query("name")(name)
