"""Messages to nodes over a Flower grid."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from flwr.app import Message
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid

from adpfl_bench.deploy.flower_content import held_bytes, held_trouble, with_bytes
from adpfl_bench.deploy.node_exchange import Node, Reply
from adpfl_bench.errors import BenchError

_LOST = {ErrorCode.NODE_UNAVAILABLE, ErrorCode.MESSAGE_UNAVAILABLE, ErrorCode.REPLY_MESSAGE_UNAVAILABLE}


class FlowerMail:
    """Mail over the grid of a ServerApp.

    Args:
        grid: The grid.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid

    def nodes(self) -> Sequence[Node]:
        """Return the nodes that are connected."""
        return [Node(info.node_id, info.last_activated_at, info.name) for info in self.grid.get_nodes()]

    def post(self, node: Node, kind: str, content: bytes, seconds: float) -> str:
        """Send a message that is worth answering for so long, and return its id.

        Raises:
            BenchError: The SuperLink does not take it.
        """
        message = Message(with_bytes(content), dst_node_id=node.number, message_type=kind, ttl=seconds)
        sent = [found for found in self.grid.push_messages([message]) if found]
        if not sent:
            raise BenchError(
                f"The SuperLink did not take a message of {len(content):,} bytes to node {node.number}; its log says"
                " why."
            )
        return str(sent[0])

    def collect(self, ids: Collection[str]) -> dict[str, Reply]:
        """Return by their ids what has come back for some of these messages; each reply is returned once."""
        return {
            message.metadata.reply_to_message_id: _reply_in(message) for message in self.grid.pull_messages(list(ids))
        }


def _reply_in(message: Message) -> Reply:
    if message.has_error():
        reason = f"{message.error.reason or 'no reason given'} (Flower's error {message.error.code})"
        return Reply(None, reason, lost=message.error.code in _LOST)
    content = held_bytes(message.content)
    return Reply(content, "" if content is not None else held_trouble(message.content))
