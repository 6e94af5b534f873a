"""The profile of a model by its name: what is known of it, and over that what the operator says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

import msgspec

from .known_models import known_changes
from .profile import ModelProfile

__all__ = ["OperatorTable", "ProfileLookup"]

MAX_PROFILES = 256
MAX_NAME_CHARACTERS = 256
"""Clients choose the names: of longer ones only this much is looked at."""

OperatorTable = tuple[str, Mapping[str, object]]
"""A glob on the name, and keys of ModelProfile with their values."""


class ProfileLookup:
    """Callable; remembers the newest names.

    The first of ``tables`` that matches is laid over what is known of the model: an operator who
    sets one key keeps the rest.
    """

    def __init__(self, base: ModelProfile, tables: Sequence[OperatorTable] = ()) -> None:
        self._base = base
        self._tables = [(pattern.lower(), changes) for pattern, changes in tables]
        self._remembered = lru_cache(MAX_PROFILES)(self._find)

    @property
    def remembered(self) -> int:
        """How many names."""
        return self._remembered.cache_info().currsize

    def __call__(self, name: str) -> ModelProfile:
        return self._remembered(name[:MAX_NAME_CHARACTERS].lower())

    def _find(self, name: str) -> ModelProfile:
        changes = dict(known_changes(name))
        for pattern, wanted in self._tables:
            if fnmatchcase(name, pattern):
                changes |= wanted
                break
        return msgspec.structs.replace(self._base, **changes)
