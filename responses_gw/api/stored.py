"""An input item as it is stored and listed: the client's JSON with the keys that every item has.

``input_items`` shows items with an id, a type and a status, and message text as parts (SURFACE §1).
Only those keys are touched; every other one keeps the client's bytes, known to us or not.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw, Struct

from .ids import IdPrefix, is_storable_id, new_id
from .items import (
    FunctionCall,
    FunctionCallOutput,
    InputItem,
    ItemReference,
    Message,
    ReasoningItem,
    UnknownItem,
)

__all__ = ["ItemRecord", "record_of"]

_PREFIXES: dict[type, IdPrefix] = {
    Message: "msg",
    FunctionCall: "fc",
    FunctionCallOutput: "fco",
    ReasoningItem: "rs",
}
_HAS_STATUS = (Message, FunctionCall, FunctionCallOutput)
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
    kind = item.type if isinstance(item, UnknownItem) else _tag(item)
    id = _own_id(keys) or new_id(_PREFIXES.get(type(item), "item"))
    changed: dict[str, Raw] = {"id": Raw(_encode(id)), "type": Raw(_encode(kind))}
    if isinstance(item, _HAS_STATUS) and item.status is None:
        changed["status"] = Raw(b'"completed"')
    if isinstance(item, Message) and isinstance(item.content, str):
        part = "output_text" if item.role == "assistant" else "input_text"
        changed["content"] = Raw(_text_part(part, item.content))
    return ItemRecord(
        id, kind, _encode(changed | {k: v for k, v in keys.items() if k not in changed})
    )


def _tag(item: Message | FunctionCall | FunctionCallOutput | ReasoningItem | ItemReference) -> str:
    return str(item.__struct_config__.tag)


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
