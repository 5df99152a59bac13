"""Commands of ``adpfl-bench deploy`` that come before a run: its files, its keys, and a hospital's node."""

from __future__ import annotations

import sys
from pathlib import Path

from adpfl_bench.deploy.deployment_files import HospitalFile, ServerFile
from adpfl_bench.deploy.starting_files import StartingFiles
from adpfl_bench.errors import ConfigError
from adpfl_bench.text import say_loading


def init(
    folder: Path,
    *,
    config: tuple[str, ...] = (),
    hospital: tuple[str, ...] = (),
    superlink: str = "127.0.0.1:8000",
) -> None:
    """Write what a deployment starts from: a folder for the server, and one for each hospital.

    The server's has server.yaml, the app for Flower's command flwr run, and the configuration of that command
    (flwr/config.toml). A hospital's has hospital.yaml, and is to be filled in by the hospital. All have copies of the
    agreed configuration files (agreed/).

    Args:
        folder: Where they go; it must not exist.
        config: Configuration file that all sides agree on, as fit has them: a task, a method, changes; may be given
            several times.
        hospital: Name of a hospital; given once for each.
        superlink: Address by which the server's own machine reaches its SuperLink, as host:port.
    """
    if not config:
        raise ConfigError("A deployment is of a task and a method: give their files, each with --config.")
    if not hospital:
        raise ConfigError("A deployment is of hospitals: give their names, each with --hospital.")
    files = StartingFiles(hospital, config, superlink)
    files.check(folder)
    say_loading("deploy")
    from adpfl_bench.deploy.planned_hospital import agreed

    for made in files.write(folder, agreed(config)):
        print(made)


def certificates(folder: Path, *, host: tuple[str, ...] = ()) -> None:
    """Make certificates and keys for a trial, and put each where it belongs.

    The server gets a certificate (server.crt, server.key) that is signed by an authority of the trial's own (ca.crt),
    and the public key of each hospital's node; each hospital gets ca.crt and the private key of its node (node.key).
    At a real site the server's certificate is signed by an authority that hospitals trust already, and every hospital
    makes its key itself (ssh-keygen -t ecdsa -b 384 -f node.key) and sends the public half.

    Args:
        folder: The deployment's folder, which adpfl-bench deploy init has written.
        host: Name or IP address that hospitals reach the server by; may be given several times. By default that of
            this machine to itself: 127.0.0.1 and localhost.
    """
    try:
        from adpfl_bench.deploy.trial_certificates import write_certificates
    except ImportError:
        raise ConfigError(
            "Certificates are made by the package cryptography, which is not installed: pip install"
            " 'adpfl-bench[deploy]'."
        ) from None
    hospitals = ServerFile.read(folder / "server" / "server.yaml").hospitals
    for path in write_certificates(folder, hospitals, host or ("127.0.0.1", "localhost")):
        print(path)
    print("For a trial, and for 90 days: a real hospital makes its own key, and only the public one leaves it.")


def node(
    file: Path,
    *,
    superlink: str,
    root_certificates: Path | None = None,
    key: Path | None = None,
    insecure: bool = False,
    port: int = 9094,
) -> int:
    """Connect a hospital to a server: Flower's SuperNode, which here runs no code that a server sends.

    It forwards messages to the hospital's worker (adpfl-bench deploy serve), which alone has data and makes noise. No
    port of it is open to others, and it connects anew by itself until it is stopped.

    Args:
        file: The hospital's file, hospital.yaml.
        superlink: Address of the server's SuperLink, as host:port.
        root_certificates: Certificate of the authority that has signed the server's; by default ca.crt beside the file.
        key: Private key of this hospital's node, whose public half the server has registered; by default node.key
            beside the file.
        insecure: Neither encrypt the connection nor show a key: for a trial on one machine alone.
        port: A free port of this machine, over which parts of the node speak with one another.
    """
    own = HospitalFile.read(file)
    if insecure and (root_certificates or key):
        raise ConfigError("--insecure shows no key and checks no certificate: leave out it, or the others.")
    _need_flower()
    from adpfl_bench.deploy.flower_node import FlowerNode

    certificate = None if insecure else root_certificates or file.parent / "ca.crt"
    made = FlowerNode(
        own.name, own.home, superlink, certificate, None if insecure else key or file.parent / "node.key", port
    )
    made.check()
    return made.run()


def _need_flower() -> None:
    """Refuse what needs Flower where it is not installed."""
    if sys.version_info < (3, 11):
        raise ConfigError("A deployment needs Python 3.11 or newer, as Flower does.")
    try:
        import flwr  # noqa: F401
    except ImportError:
        raise ConfigError(
            "A deployment needs Flower, which is not installed: pip install --constraint constraints-deploy.txt"
            " 'adpfl-bench[deploy]'."
        ) from None
