"""Base of the blocks of a run record."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Block(BaseModel):
    """A part of run.json.

    What the record of another version states beside the known fields is kept and written back. A field that a record
    does not state has its default, and is not written.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True, use_attribute_docstrings=True, defer_build=True)


class ObjectBlock(Block):
    """An object by its class; its settings stand beside it."""

    class_name: str = Field(validation_alias="class", serialization_alias="class")
    """Name of the class, ``class`` in the file."""

    @classmethod
    def of(cls, described: dict[str, Any]) -> ObjectBlock:
        """Make a block of what an object says of itself."""
        return cls.model_validate(described)
