"""Addresses of SuperLinks."""

from adpfl_bench.errors import ConfigError

_MOST = 65535


def check_address(address: str) -> None:
    """Refuse what is no address of a SuperLink.

    Raises:
        ConfigError: It is not host:port.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _MOST:
        raise ConfigError(f"--superlink is host:port, such as server.example:8000, but it is {address}.")
