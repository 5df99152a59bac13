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
    write_certificates(tmp_path / "keys", [], ["127.0.0.1", "trial.example"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "keys/server.crt", tmp_path / "keys/server.key")
    client = ssl.create_default_context(cafile=tmp_path / "keys/ca.crt")
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    if trusted:
        handshake(server, client, host)
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            handshake(server, client, host)


def test_keys_are_their_owners_alone_and_match_the_public_ones(tmp_path):
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

    files = write_certificates(tmp_path / "keys", ["north", "south"], ["localhost"])
    assert [path.name for path in files] == [
        *("ca.crt", "server.crt", "server.key", "north.key", "north.pub", "south.key", "south.pub")
    ]
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if path.suffix == ".key" else 0o644)
    private = load_ssh_private_key((tmp_path / "keys/north.key").read_bytes(), None)
    public = load_ssh_public_key((tmp_path / "keys/north.pub").read_bytes())
    assert private.public_key() == public != load_ssh_public_key((tmp_path / "keys/south.pub").read_bytes())


def test_nothing_is_overwritten(tmp_path):
    write_certificates(tmp_path, [], ["localhost"])
    before = (tmp_path / "server.key").read_bytes()
    with pytest.raises(ConfigError, match="is not empty, and keys are never overwritten"):
        write_certificates(tmp_path, [], ["localhost"])
    assert (tmp_path / "server.key").read_bytes() == before


@pytest.mark.parametrize(
    ("hosts", "sentence"), [([], "give at least one host"), (["münchen"], "neither a host's name")]
)
def test_a_host_that_is_none_is_refused(tmp_path, hosts, sentence):
    with pytest.raises(ConfigError, match=sentence):
        write_certificates(tmp_path / "keys", [], hosts)
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("name", ["server", "ca", "a/b", ""])
def test_a_hospital_whose_files_would_be_others_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="A hospital is called"):
        write_certificates(tmp_path / "keys", [name], ["localhost"])
