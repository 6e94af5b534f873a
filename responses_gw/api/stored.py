"""An input item as it is stored and listed: the client's JSON with the keys that every item has.

``input_items`` shows items with an id, a type and a status, and message text as parts (SURFACE §1).
Only those keys are touched; every other one keeps the client's bytes, known to us or not.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct

from .ids import is_storable_id, new_id
from .items import (
    ITEM_KINDS,
    AdditionalTools,
    InputItem,
    Message,
    ToolSearchOutput,
    UnknownItem,
)
from .tools import without_secrets

__all__ = ["ItemRecord", "record_of"]

_encode: Callable[[object], bytes] = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode


class ItemRecord(Struct, frozen=True):
    """What the store keeps of an item: its id, its type and its JSON."""

    id: str
    type: str
    body: bytes


def record_of(item: InputItem, raw: Raw) -> ItemRecord:
    """The record of one input item; ``raw`` is the JSON it was decoded from."""
    keys = _decode_object(raw)
    if isinstance(item, UnknownItem):
        return _record(item.type, _own_id(keys) or new_id("item"), keys, {})
    type = str(item.__struct_config__.tag)
    kind = ITEM_KINDS[type]
    changed: dict[str, Raw] = {}
    if kind.has_status and bytes(keys.get("status", b"null")) == b"null":
        changed["status"] = Raw(b'"completed"')
    if isinstance(item, Message) and isinstance(item.content, str):
        part = "output_text" if item.role == "assistant" else "input_text"
        changed["content"] = Raw(_text_part(part, item.content))
    if isinstance(item, AdditionalTools | ToolSearchOutput):
        changed["tools"] = Raw(_encode([without_secrets(tool) for tool in item.tools]))
    return _record(type, _own_id(keys) or new_id(kind.prefix), keys, changed)


def _record(type: str, id: str, keys: dict[str, Raw], changed: dict[str, Raw]) -> ItemRecord:
    head = {"id": Raw(_encode(id)), "type": Raw(_encode(type))} | changed
    return ItemRecord(id, type, _encode(head | {k: v for k, v in keys.items() if k not in head}))


def _own_id(keys: dict[str, Raw]) -> str | None:
    raw = bytes(keys.get("id", b"null"))
    if raw[:1] != b'"':
        return None
    id = msgspec.json.decode(raw, type=str)
    return id if is_storable_id(id) else None


def _text_part(kind: str, text: str) -> bytes:
    part: dict[str, object] = {"type": kind, "text": text}
    if kind == "output_text":
        part |= {"annotations": [], "logprobs": []}
    return _encode([part])
