"""What the store takes and gives, and what it raises about responses and items."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ..api.response import ResponseStatus

__all__ = [
    "Chain",
    "ChainBroken",
    "ItemNotFound",
    "ItemPage",
    "LeaseLost",
    "Outcome",
    "ParentNotFound",
    "ResponseExists",
    "ResponseStatus",
    "StoredItem",
    "StoredResponse",
    "Tip",
]


class StoredItem(Struct, frozen=True):
    """``body`` is the item's JSON, kept byte for byte.

    ``shown`` is the JSON that a model reads instead where files had to become text; a chain gives
    that one.
    """

    id: str
    type: str
    body: bytes
    shown: bytes | None = None


class StoredResponse(Struct, frozen=True):
    """Times are Unix seconds; ``settings``, ``usage``, ``error`` and each output item are JSON."""

    id: str
    status: ResponseStatus
    created_at: int
    completed_at: int | None
    settings: bytes
    usage: bytes | None
    error: bytes | None
    incomplete_reason: str | None
    output: tuple[bytes, ...]


class Chain(Struct, frozen=True):
    """A response and its ancestors: ``items`` of the oldest turn first, input before output.

    ``status`` is the last response's, ``deletions`` the tenant's count when this was read.
    """

    status: ResponseStatus
    items: tuple[bytes, ...]
    deletions: int


class Tip(Struct, frozen=True):
    """The last response of a chain, without its items."""

    status: ResponseStatus
    deletions: int


class Outcome(Struct, frozen=True):
    """How a response ended."""

    status: ResponseStatus
    completed_at: int | None
    usage: bytes | None
    error: bytes | None
    incomplete_reason: str | None
    output: Sequence[StoredItem]


class ItemPage(Struct, frozen=True):
    items: tuple[bytes, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ParentNotFound(Exception):
    """The response that was to be continued is not there (any more)."""

    def __init__(self, response_id: str) -> None:
        super().__init__(f"no response {response_id!r} to continue")
        self.response_id = response_id


class ResponseExists(Exception):
    """There is a response with this id, and this process did not begin it."""

    def __init__(self, response_id: str) -> None:
        super().__init__(f"there is a response {response_id!r} already")
        self.response_id = response_id


class LeaseLost(Exception):
    """The response is not this process's to finish: deleted, swept, or finished otherwise."""

    def __init__(self, response_id: str) -> None:
        super().__init__(f"response {response_id!r} is no longer run by this process")
        self.response_id = response_id


class ChainBroken(Exception):
    """An ancestor has been deleted: ``response_id``."""

    def __init__(self, response_id: str) -> None:
        super().__init__(f"response {response_id!r} is missing in the chain")
        self.response_id = response_id


class ItemNotFound(Exception):
    """The item to page from is no input item of the response."""

    def __init__(self, item_id: str) -> None:
        super().__init__(f"no input item {item_id!r}")
        self.item_id = item_id
