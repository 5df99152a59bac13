import ssl
import stat

import pytest

from adpfl_bench.deploy.trial_certificates import write_certificates
from adpfl_bench.errors import ConfigError


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """A TLS handshake within this process, by OpenSSL."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(10):
        for side in list(sides):
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not sides


@pytest.mark.parametrize(("host", "trusted"), [("127.0.0.1", True), ("trial.example", True), ("other.example", False)])
def test_hospitals_trust_the_server_under_the_names_that_it_was_given(tmp_path, host, trusted):
    write_certificates(tmp_path, ["north"], ["127.0.0.1", "trial.example"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "server/server.crt", tmp_path / "server/server.key")
    client = ssl.create_default_context(cafile=tmp_path / "north/ca.crt")
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    if trusted:
        handshake(server, client, host)
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            handshake(server, client, host)


def test_keys_are_their_owners_alone_and_match_the_public_ones(tmp_path):
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

    files = write_certificates(tmp_path, ["north", "south"], ["localhost"])
    assert {str(path.relative_to(tmp_path)) for path in files} == {
        *(
            "server/ca.crt",
            "server/server.crt",
            "server/server.key",
            "server/nodes/north.pub",
            "server/nodes/south.pub",
        ),
        *("north/ca.crt", "north/node.key", "south/ca.crt", "south/node.key"),
    }
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if path.suffix == ".key" else 0o644)
    private = load_ssh_private_key((tmp_path / "north/node.key").read_bytes(), None)
    nodes = [load_ssh_public_key((tmp_path / f"server/nodes/{name}.pub").read_bytes()) for name in ("north", "south")]
    assert private.public_key() == nodes[0] != nodes[1]


@pytest.mark.parametrize("file", ["server/server.key", "north/node.key", "north/ca.crt"])
def test_nothing_is_overwritten(tmp_path, file):
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text("mine")
    with pytest.raises(ConfigError, match=f"{file} exists already, and keys are never overwritten"):
        write_certificates(tmp_path, ["north"], ["localhost"])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / file]


@pytest.mark.parametrize(
    ("hosts", "sentence"),
    [
        ([], "give at least one host"),
        *((["localhost", host], "neither a host's name") for host in ("münchen", "", "a b", "10.0.0.300", "-a")),
    ],
)
def test_a_host_that_is_none_is_refused(tmp_path, hosts, sentence):
    with pytest.raises(ConfigError, match=sentence):
        write_certificates(tmp_path, ["north"], hosts)
    assert not [*tmp_path.iterdir()]
