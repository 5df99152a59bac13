"""Bytes as the content of a Flower message, and back. Flower sends an array in pieces, so that bytes may be many."""

from __future__ import annotations

from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

_CONTENT = "content"
_TROUBLE = "trouble"


def with_bytes(content: bytes) -> RecordDict:
    """Return a message's content that holds these bytes."""
    return RecordDict({_CONTENT: ArrayRecord({_CONTENT: Array("uint8", (len(content),), "bytes", content)})})


def with_trouble(sentence: str) -> RecordDict:
    """Return a message's content that says why there is no answer."""
    return RecordDict({_TROUBLE: ConfigRecord({_TROUBLE: sentence})})


def held_bytes(record: RecordDict) -> bytes | None:
    """Return the bytes that a message's content holds, or None where it holds none."""
    arrays = record.array_records.get(_CONTENT)
    return bytes(arrays[_CONTENT].data) if arrays is not None and _CONTENT in arrays else None


def held_trouble(record: RecordDict) -> str:
    """Return why a message's content holds no answer."""
    said = record.config_records.get(_TROUBLE)
    return str(said[_TROUBLE]) if said is not None and _TROUBLE in said else "its answer is not of this package"
