"""YAML text as values."""

from typing import Any

import yaml

# libyaml reads ten times as fast as what is written in Python, which a wheel without it falls back on.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_yaml(text: str) -> Any:
    """What a text of YAML states, in plain values.

    Raises:
        yaml.YAMLError: It is no YAML.
    """
    return yaml.load(text, Loader=_Loader)
