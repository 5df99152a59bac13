"""A made-up engine, by whose clock nothing takes long: nodes come, answer, and are lost, as a test says."""

import json
from collections.abc import Collection

from adpfl_bench.deploy.node_exchange import NAME, Node, Reply


class PaperMail:
    """Mail within a test.

    Args:
        names: What each node says its hospital is called, or the reply it gives instead.
    """

    def __init__(self, names: dict[Node, str | Reply]) -> None:
        self.names = dict(names)
        self.now = 0.0
        self.sent: list[tuple[Node, str, bytes]] = []
        self.replies: dict[str, tuple[float, Reply]] = {}
        self.answer_after: dict[Node, float] = {}
        self.troubles: dict[Node, Reply] = {}
        self.events: list[tuple[float, dict[Node, str | Reply]]] = []
        self.said: list[str] = []

    def nodes(self) -> list[Node]:
        while self.events and self.events[0][0] <= self.now:
            self.names = self.events.pop(0)[1]
        return list(self.names)

    def post(self, node: Node, kind: str, content: bytes, seconds: float) -> str:
        number = str(len(self.sent))
        self.sent.append((node, kind, content))
        if kind == NAME:
            name = self.names[node]
            reply = name if isinstance(name, Reply) else Reply(json.dumps({"hospital": name}).encode())
            self.replies[number] = (self.now, reply)
        elif node in self.troubles:
            self.replies[number] = (self.now, self.troubles[node])
        elif node in self.answer_after:
            self.replies[number] = (self.now + self.answer_after[node], Reply(b"answer to " + content))
        return number

    def collect(self, ids: Collection[str]) -> dict[str, Reply]:
        came = {number for number in ids if number in self.replies and self.replies[number][0] <= self.now}
        return {number: self.replies.pop(number)[1] for number in came}

    def requests(self, node: Node) -> list[bytes]:
        return [content for to, kind, content in self.sent if to == node and kind != NAME]

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
