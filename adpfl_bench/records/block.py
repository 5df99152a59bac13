"""The base of all blocks of a run record."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler


class Block(BaseModel):
    """A part of run.json.

    What the record of another version states beside the known fields is kept and written back. A field that a record
    does not state has its default, and is not written. The strings below fields describe them in the JSON schema.
    """

    model_config = ConfigDict(extra="allow", populate_by_name=True, defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the fields.

        What pydantic's ``use_attribute_docstrings`` does, which parses the files of all blocks at every start of a run.
        """
        schema = handler(core)
        properties = handler.resolve_ref_schema(schema)["properties"]
        for owner in reversed(cls.__mro__):
            if issubclass(owner, Block) and owner is not Block:
                for name, text in _described(owner).items():
                    properties[cls.model_fields[name].serialization_alias or name].setdefault("description", text)
        return schema


def _described(owner: type[Block]) -> dict[str, str]:
    """The strings that stand below the annotated names of a class."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, text in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            assert isinstance(field.target, ast.Name)
            found[field.target.id] = inspect.cleandoc(str(text.value.value))
    return found
