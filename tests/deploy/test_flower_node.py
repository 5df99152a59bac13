import socket
from dataclasses import replace

import pytest

from adpfl_bench.deploy.flower_node import FlowerNode
from adpfl_bench.deploy.trial_certificates import write_certificates
from adpfl_bench.errors import ConfigError


@pytest.fixture
def node(tmp_path):
    write_certificates(tmp_path, ["north"], ["localhost"])
    return FlowerNode(
        "north", tmp_path / "home", "localhost:8000", tmp_path / "north/ca.crt", tmp_path / "north/node.key", 0
    )


def test_a_node_with_its_certificate_and_its_key_is_taken(node):
    node.check()


def test_what_a_node_cannot_start_with_is_one_sentence(node, tmp_path):
    for change, sentence in [
        ({"superlink": "localhost"}, "--superlink is host:port"),
        ({"superlink": "localhost:http"}, "--superlink is host:port"),
        ({"superlink": "localhost:99999"}, "--superlink is host:port"),
        ({"superlink": ":8000"}, "--superlink is host:port"),
        ({"port": 99999}, r"Port 99999 of this machine cannot be used \(it is none\)"),
        ({"root_certificates": None}, "A node shows its key over TLS alone"),
        ({"root_certificates": tmp_path / "server/nodes/north.pub"}, "must be certificates in PEM"),
        ({"root_certificates": tmp_path / "nowhere"}, r"cannot be read: .*nowhere \(No such file"),
        ({"key": tmp_path / "server/server.key"}, "must be a private key on a NIST curve"),
        ({"key": tmp_path / "nowhere"}, r"cannot be read: .*nowhere \(No such file"),
    ]:
        with pytest.raises(ConfigError, match=sentence):
            replace(node, **change).check()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="of this machine cannot be used"):
            replace(node, port=taken.getsockname()[1]).check()


def test_the_node_says_its_own_name_and_home_and_its_secret_is_its_own(node):
    words = node._arguments(b"secret")
    assert words[words.index("--node-config") + 1] == f'hospital="north" home="{node.home}"'
    assert words[words.index("--isolation") + 1] == "process"
    path = node.home / "node.secret"
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o077 == 0
