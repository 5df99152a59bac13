"""Requests to hospitals by name, over an engine that knows only nodes, which come, go and come back as others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from adpfl_bench.deploy.door import Missing

ASK = "train"
"""Kind of a message whose bytes are for a hospital's worker."""
NAME = "query.name"
"""Kind of a message that asks a node for the name of its hospital."""
_SAY_S = 60.0
_NAME_S = 30.0


@dataclass(frozen=True)
class Node:
    """A node that is connected.

    Attributes:
        number: The engine's number of it.
        since: When it connected, in a form that sorts by time; it changes when its process is another one.
        registered: Name that the server has registered its key under, or "".
    """

    number: int
    since: str
    registered: str = ""


@dataclass(frozen=True)
class Reply:
    """What came back for a message.

    Attributes:
        content: The answer, or None where there is none.
        trouble: Why there is none, as a clause.
        lost: The node is gone, and with it the message: it may be sent again to the one that takes its place.
    """

    content: bytes | None
    trouble: str = ""
    lost: bool = False


class Mail(Protocol):
    """What brings messages to nodes, such as a Flower grid."""

    def nodes(self) -> Sequence[Node]:
        """Return the nodes that are connected."""
        ...

    def post(self, node: Node, kind: str, content: bytes, seconds: float) -> str:
        """Send a message that is worth answering for so long, and return its id."""
        ...

    def collect(self, ids: Collection[str]) -> Mapping[str, Reply]:
        """Return by their ids what has come back for some of these messages; each reply is returned once."""
        ...


@dataclass
class _Waiting:
    request: bytes
    node: Node | None = None
    sent: bool = False
    ids: set[str] = field(default_factory=set)
    absent_since: float | None = None


class NodeExchange:
    """An exchange that finds each hospital's node by the name which the node itself states.

    A node is asked for its hospital's name when it is first seen, and again whenever its process is another one, since
    an engine's number of a node may change when the node restarts. Where a node is lost with a request, the one that
    takes its place is sent the same bytes; answers to earlier messages of the same request count too.

    Args:
        mail: What brings messages to nodes.
        answer_seconds: How long a hospital may take for an answer.
        absent_seconds: How long a hospital may have no connected node, before it counts as missing.
        say: Prints a sentence on what is waited for, at most once a minute for each hospital.
        pause: Seconds between two looks.
        clock: Seconds that only grow.
        sleep: Waits.
    """

    def __init__(
        self,
        mail: Mail,
        answer_seconds: float,
        absent_seconds: float,
        say: Callable[[str], object] = print,
        pause: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.mail, self.say, self.pause, self.clock, self.sleep = mail, say, pause, clock, sleep
        self.answer_seconds, self.absent_seconds = answer_seconds, absent_seconds
        self._names: dict[Node, str] = {}
        self._asked: dict[Node, tuple[str, float]] = {}
        self._said: dict[str, float] = {}

    def __call__(self, requests: Mapping[str, bytes]) -> dict[str, bytes | Missing]:
        """Ask the hospitals, and return when each has answered or is missing."""
        start = self.clock()
        waiting = {name: _Waiting(request) for name, request in requests.items()}
        found: dict[str, bytes | Missing] = {}
        while True:
            nodes = self._nodes_by_name()
            for name, asked in waiting.items():
                missing = self._send(name, asked, nodes.get(name), start)
                if missing is not None:
                    found[name] = missing
            for name in found:
                waiting.pop(name, None)
            found |= self._collect(waiting)
            for name in found:
                waiting.pop(name, None)
            if not waiting:
                return found
            self.sleep(self.pause)

    def _nodes_by_name(self) -> dict[str, Node]:
        """Return each hospital's node, of several the last that connected; ask those that have not said a name."""
        nodes = set(self.mail.nodes())
        self._names = {node: name for node, name in self._names.items() if node in nodes}
        self._asked = {node: asked for node, asked in self._asked.items() if node in nodes}
        for node in nodes - self._names.keys():
            asked = self._asked.get(node)
            if asked is None or (not asked[0] and self.clock() - asked[1] >= _NAME_S):
                self._asked[node] = (self.mail.post(node, NAME, b"", self.answer_seconds), self.clock())
        ids = {sent: node for node, (sent, _) in self._asked.items() if sent}
        for sent, reply in (self.mail.collect(ids.keys()) if ids else {}).items():
            node = ids[sent]
            name, trouble = _name_of(node, reply)
            if name:
                self._names[node] = name
                del self._asked[node]
            else:
                self._asked[node] = ("", self.clock())
                self._say_of(str(node.number), f"Node {node.number} {trouble}; it is not used.")
        found: dict[str, Node] = {}
        for node, name in sorted(self._names.items(), key=lambda pair: pair[0].since):
            found[name] = node
        return found

    def _send(self, name: str, asked: _Waiting, node: Node | None, start: float) -> Missing | None:
        """Send a request where it has not been sent yet; return why its hospital is missing, if it is."""
        now = self.clock()
        if now - start >= self.answer_seconds:
            return Missing(f"it did not answer within {self.answer_seconds:g} s")
        if node is not None:
            asked.absent_since = None
            if asked.node != node:
                if asked.sent:
                    self.say(f"{name} is connected again and is sent the same request again.")
                asked.ids.add(self.mail.post(node, ASK, asked.request, self.answer_seconds))
                asked.node, asked.sent = node, True
            else:
                self._say_of(name, f"Waiting for {name}, which is connected and has not answered yet.", start)
            return None
        asked.absent_since = now if asked.absent_since is None else asked.absent_since
        unnamed = any(sent for sent, _ in self._asked.values())
        if not unnamed and now - asked.absent_since >= self.absent_seconds:
            return Missing(f"no node of it was connected for {self.absent_seconds:g} s")
        busy = "; a node that is busy has not said its name yet" if unnamed else ""
        self._say_of(name, f"Waiting for {name}, no node of which is connected{busy}.", start)
        return None

    def _collect(self, waiting: Mapping[str, _Waiting]) -> dict[str, bytes | Missing]:
        ids = {sent: name for name, asked in waiting.items() for sent in asked.ids}
        found: dict[str, bytes | Missing] = {}
        for sent, reply in (self.mail.collect(ids.keys()) if ids else {}).items():
            name = ids[sent]
            waiting[name].ids.discard(sent)
            if reply.content is not None:
                found[name] = reply.content
            elif reply.lost:
                waiting[name].node = None
                self.say(f"The node of {name} was lost before it answered.")
            elif not isinstance(found.get(name), bytes):
                found[name] = Missing(reply.trouble)
        return found

    def _say_of(self, about: str, sentence: str, since: float | None = None) -> None:
        now = self.clock()
        last = self._said.get(about, since)
        if last is None or now - last >= _SAY_S or now < last:
            self._said[about] = now
            self.say(sentence)


def _name_of(node: Node, reply: Reply) -> tuple[str, str]:
    """Return the name of a node's hospital, or why it has none."""
    if reply.content is None:
        return "", f"did not say its hospital's name ({reply.trouble})"
    try:
        name = json.loads(reply.content)["hospital"]
    except (ValueError, KeyError, TypeError):
        return "", "did not say its hospital's name in the way of this package"
    if not isinstance(name, str) or not name:
        return "", "did not say its hospital's name in the way of this package"
    if node.registered and node.registered != name:
        return "", f"is registered as {node.registered}, but calls itself {name}"
    return name, ""
