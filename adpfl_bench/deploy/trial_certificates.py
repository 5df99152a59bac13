"""Certificates and keys for a trial on one machine, or between machines that trust whoever made them."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from adpfl_bench.errors import ConfigError
from adpfl_bench.text import folder_name_problem

_VALID_DAYS = 90
_CURVE = ec.SECP384R1()


def write_certificates(folder: Path, hospitals: Sequence[str], hosts: Sequence[str]) -> list[Path]:
    """Write a certificate of an authority of the trial's own, one of the server, and a key pair for each hospital.

    The authority's own key is kept nowhere: nothing more can be signed by it.

    Args:
        folder: Where they go; an empty folder, or one that does not exist.
        hospitals: Names of the hospitals.
        hosts: Names and IP addresses that hospitals reach the server by.

    Returns:
        The files.

    Raises:
        ConfigError: The folder holds something, or a host or a hospital's name is none.
    """
    if not hosts:
        raise ConfigError("A certificate is of a server's names or addresses: give at least one host.")
    names = [_host(host) for host in hosts]
    for hospital in hospitals:
        problem = folder_name_problem(hospital)
        if problem is not None or hospital in ("ca", "server"):
            raise ConfigError(f"A hospital is called {hospital!r}, which {problem or 'names another file of these'}.")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty, and keys are never overwritten; give a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
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
    files = [
        _written(folder / "ca.crt", root.sign(authority, hashes.SHA384()).public_bytes(pem)),
        _written(folder / "server.crt", leaf.sign(authority, hashes.SHA384()).public_bytes(pem)),
        _written(folder / "server.key", _private(server, serialization.PrivateFormat.PKCS8), secret=True),
    ]
    for hospital in hospitals:
        key = ec.generate_private_key(_CURVE)
        public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        files.append(
            _written(folder / f"{hospital}.key", _private(key, serialization.PrivateFormat.OpenSSH), secret=True)
        )
        files.append(_written(folder / f"{hospital}.pub", public + b"\n"))
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
    try:
        return x509.DNSName(host)
    except ValueError:
        raise ConfigError(f"{host!r} is neither a host's name in ASCII nor an IP address.") from None


def _private(key: ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _written(path: Path, content: bytes, secret: bool = False) -> Path:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644), "wb") as file:
        file.write(content)
    return path
