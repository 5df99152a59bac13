"""Channel names: whether they say that volumes are CT."""

from __future__ import annotations

from collections.abc import Sequence

from adpfl_bench.errors import ConfigError


def are_ct(channels: Sequence[str]) -> bool:
    """Whether all channels are CT by their names; the Decathlon and nnU-Net call them so.

    Raises:
        ConfigError: Some are, and others not.
    """
    ct = [name for name in channels if name.partition("-")[0].upper() == "CT"]
    if ct and len(ct) < len(channels):
        raise ConfigError(
            f"The channels are {', '.join(channels)}: some are CT, others not, but all are prepared alike; state"
            " data.intensity: ct or zscore."
        )
    return bool(ct)
