"""The base of all blocks of a run record."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Block(BaseModel):
    """A part of run.json.

    What the record of another version states beside the known fields is kept and written back. A field that a record
    does not state has its default, and is not written.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True, use_attribute_docstrings=True, defer_build=True)
