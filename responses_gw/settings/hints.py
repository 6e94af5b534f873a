"""What the types of settings say about their values: bounds, secrets, tables inside tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

__all__ = [
    "allowed_by",
    "entry_type",
    "extra_of",
    "is_secret",
    "keys_of",
    "tables_of",
]


def keys_of(section: type[msgspec.Struct]) -> dict[str, object]:
    """The keys of a section with their types, without the None of those that may stay unset."""
    hints = get_type_hints(section, include_extras=True)
    return {
        key: _without_none(hint) for key, hint in hints.items() if key in section.__struct_fields__
    }


def entry_type(wanted: object) -> object | None:
    """The type of a list's entries; None for what is no list."""
    bare = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    return get_args(bare)[0] if get_origin(bare) is tuple else None


def tables_of(wanted: object) -> type[msgspec.Struct] | None:
    """The Section of one table, for a key that is a list of tables."""
    entry = entry_type(wanted)
    return entry if isinstance(entry, type) and issubclass(entry, msgspec.Struct) else None


def _without_none(hint: object) -> object:
    if get_origin(hint) is Annotated or type(None) not in get_args(hint):
        return hint
    return reduce(or_, (arg for arg in get_args(hint) if arg is not type(None)))


def _meta_of(wanted: object) -> Meta | None:
    return next((arg for arg in get_args(wanted) if isinstance(arg, Meta)), None)


def extra_of(wanted: object) -> Mapping[str, object]:
    meta = _meta_of(wanted)
    return meta.extra if meta is not None and meta.extra is not None else {}


def is_secret(wanted: object) -> bool:
    return bool(extra_of(wanted).get("secret"))


def allowed_by(wanted: object) -> str:
    meta = _meta_of(wanted)
    if meta is not None and meta.description is not None:
        return meta.description
    if wanted is bool:
        return "true or false"
    return "one of " + ", ".join(str(value) for value in get_args(wanted))
