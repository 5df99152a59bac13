"""What knows Flower, without its processes: messages as it makes them, and a worker's socket."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import adpfl_bench
from adpfl_bench.deploy.local_socket import answer_all, socket_path
from adpfl_bench.deploy.node_exchange import ASK, NAME, Node

pytest.importorskip("flwr", reason="Flower is not installed")

from flwr.app import Context, Error, Message, RecordDict
from flwr.common.constant import ErrorCode
from flwr.supercore.task_identity import TaskIdentity

from adpfl_bench.deploy.flower_client import app
from adpfl_bench.deploy.flower_content import held_bytes, held_trouble, with_bytes
from adpfl_bench.deploy.flower_mail import FlowerMail
from adpfl_bench.errors import BenchError

TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1  # as Flower's processes set them
LARGE = bytes(range(256)) * 50_000


def message(kind: str, content: bytes) -> Message:
    sent = Message(with_bytes(content), dst_node_id=7, message_type=kind)
    sent.metadata.__dict__["_message_id"] = "1"
    return sent


def context(**node_config: str) -> Context:
    return Context(run_id=1, node_id=7, node_config=node_config, state=RecordDict(), run_config={})


@pytest.mark.parametrize("content", [b"", b"{}", LARGE])
def test_bytes_come_out_as_they_went_in(content: bytes) -> None:
    assert held_bytes(with_bytes(content)) == content


def test_a_request_is_forwarded_to_the_worker_of_the_nodes_own_home(tmp_path: Path) -> None:
    listening = threading.Thread(target=answer_all, args=(socket_path(tmp_path), lambda asked: asked[::-1], 1))
    listening.start()
    while not socket_path(tmp_path).exists():
        pass
    answer = app(message(ASK, LARGE), context(home=str(tmp_path)))
    listening.join()
    assert held_bytes(answer.content) == LARGE[::-1]


@pytest.mark.parametrize("home", [None, "nowhere"])
def test_without_a_worker_one_sentence_comes_back(tmp_path: Path, home: str | None) -> None:
    answer = app(message(ASK, b"?"), context(**({} if home is None else {"home": str(tmp_path / home)})))
    assert held_bytes(answer.content) is None
    sentence = held_trouble(answer.content)
    assert "has no home" in sentence if home is None else "worker does not answer" in sentence


def test_a_node_states_the_name_of_its_own_configuration() -> None:
    answer = app(message(NAME, b""), context(hospital="north"))
    content = held_bytes(answer.content)
    assert content is not None
    assert json.loads(content) == {"hospital": "north", "version": adpfl_bench.__version__}


def test_the_client_app_loads_no_torch() -> None:
    code = "import adpfl_bench.deploy.flower_client, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class PaperGrid:
    """A grid that keeps what is pushed, and gives the replies that a test states."""

    def __init__(self) -> None:
        self.pushed: list[Message] = []
        self.replies: list[Message] = []

    def push_messages(self, messages: list[Message]) -> list[str]:
        self.pushed += messages
        return ["" for _ in messages] if self.pushed[0].metadata.dst_node_id == 0 else ["a"]

    def pull_messages(self, ids: list[str]) -> list[Message]:
        return self.replies


def test_a_grid_carries_requests_and_replies() -> None:
    grid = PaperGrid()
    mail = FlowerMail(grid)
    assert mail.post(Node(7, "now"), ASK, b"request", 60) == "a"
    (sent,) = grid.pushed
    assert (sent.metadata.dst_node_id, sent.metadata.message_type, sent.metadata.ttl) == (7, ASK, 60)
    assert held_bytes(sent.content) == b"request"
    sent.metadata.__dict__["_message_id"] = "a"
    for reply, expected in [
        (Message(with_bytes(b"answer"), reply_to=sent), (b"answer", False)),
        (Message(RecordDict(), reply_to=sent), (None, False)),
        (Message(Error(ErrorCode.NODE_UNAVAILABLE, "gone"), reply_to=sent), (None, True)),
        (Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, "oh"), reply_to=sent), (None, False)),
    ]:
        grid.replies = [reply]
        came = mail.collect(["a"])["a"]
        assert (came.content, came.lost) == expected
        assert came.content is not None or came.trouble


def test_what_a_superlink_does_not_take_is_an_error() -> None:
    grid = PaperGrid()
    with pytest.raises(BenchError, match="did not take a message of 7 bytes"):
        FlowerMail(grid).post(Node(0, "now"), ASK, b"request", 60)
