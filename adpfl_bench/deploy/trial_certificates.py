"""Certificates and keys for a trial on one machine, or between machines that trust whoever made them."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from adpfl_bench.errors import ConfigError

_VALID_DAYS = 90
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", re.ASCII)
_CURVE = ec.SECP384R1()


def write_certificates(folder: Path, hospitals: Sequence[str], hosts: Sequence[str]) -> list[Path]:
    """Write, into the folders of a deployment, what its two ends know one another by.

    ``server`` gets the certificate ``ca.crt`` of an authority of the trial's own, ``server.crt`` with ``server.key``,
    and the public key of each hospital's node; each hospital gets ``ca.crt`` and its private key, ``node.key``. The
    authority's own key is kept nowhere: nothing more can be signed by it.

    Args:
        folder: The deployment's folder.
        hospitals: Names of the hospitals.
        hosts: Names and IP addresses that hospitals reach the server by.

    Returns:
        The files.

    Raises:
        ConfigError: One of the files exists, or a host is none.
    """
    if not hosts:
        raise ConfigError("A certificate is of a server's names or addresses: give at least one host.")
    names = [_host(host) for host in hosts]
    server_folder, authorities = folder / "server", [folder / place / "ca.crt" for place in ("server", *hospitals)]
    own = [
        server_folder / "server.crt",
        server_folder / "server.key",
        *(folder / name / "node.key" for name in hospitals),
    ]
    for path in (*authorities, *own):
        if path.exists():
            raise ConfigError(f"{path} exists already, and keys are never overwritten; take it away first.")
    authority, server = ec.generate_private_key(_CURVE), ec.generate_private_key(_CURVE)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "adpfl-bench trial authority")])
    root = _certificate(issuer, authority.public_key(), issuer, authority, authority.public_key())
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    root = root.add_extension(_usage(signs_certificates=True), critical=True)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
    leaf = _certificate(subject, server.public_key(), issuer, authority, authority.public_key())
    leaf = leaf.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    leaf = leaf.add_extension(_usage(signs_certificates=False), critical=True)
    leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    leaf = leaf.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = serialization.Encoding.PEM
    certificate = root.sign(authority, hashes.SHA384()).public_bytes(pem)
    files = [
        *(_written(path, certificate) for path in authorities),
        _written(server_folder / "server.crt", leaf.sign(authority, hashes.SHA384()).public_bytes(pem)),
        _written(server_folder / "server.key", _private(server, serialization.PrivateFormat.PKCS8), secret=True),
    ]
    for hospital in hospitals:
        key = ec.generate_private_key(_CURVE)
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        own_key = _private(key, serialization.PrivateFormat.OpenSSH)
        files.append(_written(folder / hospital / "node.key", own_key, secret=True))
        files.append(_written(server_folder / "nodes" / f"{hospital}.pub", public + b"\n"))
    return files


def _certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(days=_VALID_DAYS))
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    return builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not _NAME.fullmatch(host) or host.replace(".", "").isdecimal():
        raise ConfigError(f"{host!r} is neither a host's name in ASCII nor an IP address.")
    return x509.DNSName(host)


def _private(key: ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _written(path: Path, content: bytes, secret: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644), "wb") as file:
        file.write(content)
    return path
