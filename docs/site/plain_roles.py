"""An extension of griffe: roles of reStructuredText in docstrings become code, as Markdown writes it."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":\w+:`(~?)([\w.]+)`")


def without_roles(text: str) -> str:
    """Return a docstring in Markdown.

    >>> without_roles("See :class:`~adpfl_bench.privacy.clipping.Clip` and :func:`clip.norms`.")
    'See `Clip` and `clip.norms`.'
    """
    return _ROLE.sub(lambda match: f"`{match[2].rpartition('.')[2] if match[1] else match[2]}`", text)


class PlainRoles(griffe.Extension):
    """Rewrites the docstring of whatever griffe has read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring is not None:
            obj.docstring.value = without_roles(obj.docstring.value)
