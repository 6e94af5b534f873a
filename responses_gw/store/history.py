"""The histories that this process keeps in memory: a map bounded by bytes, oldest use out first.

Pure, and O(1) per call. It never decides whether an entry is still true: each entry carries the
tenant's count of deletions from when it was read, and the caller compares.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from msgspec import Struct

__all__ = ["ENTRY_OVERHEAD_BYTES", "CachedHistory", "HistoryCache"]

V = TypeVar("V")
ENTRY_OVERHEAD_BYTES = 512
"""What an entry costs besides its value, about. It also bounds the number of empty ones."""


class CachedHistory(Struct, Generic[V], frozen=True):
    """``size`` is in bytes, as given by whoever put the value; ``deletions`` as it was then."""

    value: V
    size: int
    deletions: int


class HistoryCache(Generic[V]):
    """At most ``max_bytes`` of values and overhead; 0 keeps nothing. For one event loop."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[tuple[str, str], CachedHistory[V]] = OrderedDict()
        self._used = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def used_bytes(self) -> int:
        return self._used

    def get(self, tenant: str, response_id: str) -> CachedHistory[V] | None:
        """The entry, which becomes the most recently used one."""
        entry = self._entries.get((tenant, response_id))
        if entry is not None:
            self._entries.move_to_end((tenant, response_id))
        return entry

    def put(self, tenant: str, response_id: str, value: V, *, size: int, deletions: int) -> None:
        """Keep a value of ``size`` bytes in place of an older one.

        A value that is larger than the whole cache is not kept. Raises ``ValueError`` for a
        negative size.
        """
        if size < 0:
            raise ValueError(f"a history cannot have a size of {size} bytes")
        self.drop(tenant, response_id)
        if size + ENTRY_OVERHEAD_BYTES > self._max_bytes:
            return
        self._entries[tenant, response_id] = CachedHistory(value, size, deletions)
        self._used += size + ENTRY_OVERHEAD_BYTES
        while self._used > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._used -= oldest.size + ENTRY_OVERHEAD_BYTES

    def drop(self, tenant: str, response_id: str) -> None:
        """Forget an entry. One that is not there is no error."""
        entry = self._entries.pop((tenant, response_id), None)
        if entry is not None:
            self._used -= entry.size + ENTRY_OVERHEAD_BYTES
