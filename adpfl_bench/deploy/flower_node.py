"""A hospital's node: Flower's SuperNode, which here runs no code that a server sends.

A SuperNode by itself starts a process for each message, installs the app that the server has sent, and runs it. This
one carries messages alone (its isolation is ``process``), and the process that asks it for them is its own, with the
package's ClientApp: what a server ships is never unpacked. Nothing has to be started for a message, either.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adpfl_bench.deploy.superlink_address import check_address
from adpfl_bench.errors import ConfigError

_LOOK_S = 0.5
_AGAIN_S = 10.0
_AGAIN = "ADPFL_BENCH_NODE_AGAIN"


@dataclass(frozen=True)
class FlowerNode:
    """A hospital's node.

    Args:
        hospital: The hospital's name.
        home: Its home, where its worker listens.
        superlink: Address of the SuperLink, as host:port.
        root_certificates: Certificate of who has signed the SuperLink's; ``None`` connects without TLS.
        key: The node's private key; ``None`` where the SuperLink asks for none.
        port: A port of this machine, over which the two parts of the node speak.
    """

    hospital: str
    home: Path
    superlink: str
    root_certificates: Path | None
    key: Path | None
    port: int

    def check(self) -> None:
        """Check what the node is started with.

        Raises:
            ConfigError: An address, a key or a certificate is none, or the port is taken.
        """
        check_address(self.superlink)
        if self.root_certificates is None and self.key is not None:
            raise ConfigError("A node shows its key over TLS alone: give --root_certificates too.")
        if self.root_certificates is not None:
            _check_certificates(self.root_certificates)
        if self.key is not None:
            _check_key(self.key)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", self.port))
            except (OSError, OverflowError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is none"
                raise ConfigError(
                    f"Port {self.port} of this machine cannot be used ({why}): give another one with --port."
                ) from None

    def run(self) -> int:
        """Connect, and answer what comes until the process is stopped.

        Where the connection cannot be made or is lost for good, the process starts anew in its place and tries again: a
        SuperLink holds a node that was killed for connected for up to a minute, and refuses its successor until then.

        Returns:
            The exit status.
        """
        if os.environ.pop(_AGAIN, None):
            print(
                f"The SuperLink is not there or refuses this node, as said above; the next try is in {_AGAIN_S:g} s."
                " After a node was killed this takes up to a minute.",
                file=sys.stderr,
                flush=True,
            )
            time.sleep(_AGAIN_S)
        # Neither the use of the node nor a look for newer versions is told to anybody.
        os.environ.update(FLWR_TELEMETRY_ENABLED="0", FLWR_DISABLE_UPDATE_CHECK="1")
        from flwr.supernode.cli import flower_supernode  # deferred: it is an extra, and takes a second

        answering = _Answering(f"127.0.0.1:{self.port}", secrets.token_bytes(32))
        words, sys.argv = sys.argv, self._arguments(answering.secret)
        # Flower ends in good order by SIGTERM and SIGINT alone.
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        threading.Thread(target=answering.go_on, daemon=True).start()
        try:
            flower_supernode()
            status = 1  # it has lost its SuperLink
        except SystemExit as ended:
            status = 0 if ended.code in (None, 0) else 1
        sys.argv = words
        if status == 0 and not answering.failed:
            return 0
        os.environ[_AGAIN] = "1"
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])

    def _arguments(self, secret: bytes) -> list[str]:
        """Write what the two parts of the node know one another by, and return the SuperNode's command line."""
        path = self.home / "node.secret"
        self.home.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secret)
        own = {"hospital": self.hospital, "home": os.fspath(self.home.resolve())}
        return [
            "flower-supernode",
            *(
                ["--insecure"]
                if self.root_certificates is None
                else ["--root-certificates", str(self.root_certificates)]
            ),
            *([] if self.key is None else ["--auth-supernode-private-key", str(self.key)]),
            *("--superlink", self.superlink, "--isolation", "process", "--port", str(self.port)),
            *("--superexec-auth-secret-file", str(path)),
            *("--node-config", " ".join(f"{key}={json.dumps(value)}" for key, value in own.items())),
        ]


class _Answering:
    """Takes one message after the other from the SuperNode of this process, and answers each."""

    def __init__(self, address: str, secret: bytes) -> None:
        self.address, self.secret, self.failed = address, secret, False

    def go_on(self) -> None:
        """Answer until the process ends, which it does where this cannot go on."""
        try:
            self._answer_all()
        except Exception:
            traceback.print_exc()
            self.failed = True
            os.kill(os.getpid(), signal.SIGTERM)

    def _answer_all(self) -> None:
        from flwr.proto.runtime_pb2 import AcquireTaskRequest
        from flwr.supercore.constant import TaskType
        from flwr.supercore.interceptors import SuperExecAuthHttpInterceptor

        protected = frozenset({"/flwr.proto.Runtime/AcquireTask"})
        auth = SuperExecAuthHttpInterceptor(master_secret=self.secret, protected_methods=protected)
        client = self._client("SuperExec", auth)
        while True:
            found = client.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.CLIENT_APP]))
            if found.HasField("task") and found.token:
                self._answer(found.token)
            else:
                time.sleep(_LOOK_S)

    def _answer(self, token: str) -> None:
        from flwr.common.constant import SubStatus
        from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
        from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor
        from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

        client = self._client("flwr-clientapp", RuntimeTokenHttpInterceptor(token))
        heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(client))
        heartbeat.start()
        context: Any = None
        status, details = SubStatus.FAILED, "the answer was broken off"
        try:
            message, context, _, _ = pull_task_input(client)
            push_message(client, _reply(message, context), context)
            status, details = SubStatus.COMPLETED, ""
        finally:
            push_task_output(client=client, context=context, sub_status=status, details=details)
            heartbeat.stop()
            client.close()

    def _client(self, component: str, auth: Any) -> Any:
        from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
        from flwr.supercore.retry import make_simple_http_retry_invoker
        from flwr.supercore.runtime import RuntimeHttpClient

        return RuntimeHttpClient.from_server_address(
            server_address=self.address,
            insecure=True,  # within this process, over the loopback device, and with a secret of its own
            root_certificates=None,
            interceptors=[RuntimeVersionHttpInterceptor(component_name=component), auth],
            retry_invoker=make_simple_http_retry_invoker(),
        )


def _reply(message: Any, context: Any) -> Any:
    from flwr.app import Error, Message
    from flwr.common.constant import ErrorCode

    from adpfl_bench.deploy.flower_client import app

    try:
        return app(message=message, context=context)
    except Exception as error:  # a message of a kind that the app does not know must not stop the node
        traceback.print_exc()
        return Message(Error(code=ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason=str(error)), reply_to=message)


def _check_certificates(path: Path) -> None:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"--root_certificates cannot be read: {path} ({error.strerror}).") from None
    except ValueError:
        raise ConfigError(f"--root_certificates must be certificates in PEM, but {path} is not.") from None


def _check_key(path: Path) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        key = load_ssh_private_key(path.read_bytes(), None)
    except OSError as error:
        raise ConfigError(f"--key cannot be read: {path} ({error.strerror}).") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ConfigError(
            "--key must be a private key on a NIST curve as ssh-keygen -t ecdsa -b 384 writes it, without a passphrase,"
            f" but {path} is not."
        )
