"""Template of a page that stands by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template


def page_template(name: str, **filters: Callable[..., Any]) -> Template:
    """Return a template of the folder ``templates``, in which text is escaped and a name that is not given an error.

    Args:
        name: Its file.
        **filters: Filters that it uses, by name.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined  # deferred: only pages need it

    environment = Environment(
        loader=PackageLoader("adpfl_bench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(name)
