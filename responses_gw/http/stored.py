"""``/v1/responses/{id}`` and its input items: what the store knows (SURFACE §1)."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct
from starlette.types import Receive, Scope, Send

from ..api.errors import ApiError
from ..engine import Engine
from .answers import send_json
from .requests import items_query, query_of
from .tenants import tenant_of

__all__ = ["InputItems", "StoredResponse"]

_encode = msgspec.json.Encoder().encode


class Deleted(Struct, frozen=True):
    id: str
    object: str = "response"
    deleted: bool = True


class ItemList(Struct, frozen=True):
    data: tuple[Raw, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: str = "list"


class StoredResponse:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        id: str = scope["path_params"]["response_id"]
        if scope["method"] == "DELETE":
            await self._engine.delete(tenant_of(scope), id)
            await send_json(scope, send, _encode(Deleted(id)))
            return
        response = await self._engine.retrieve(tenant_of(scope), id)
        if query_of(scope).get("stream", ["false"])[-1].lower() in ("true", "1"):
            raise ApiError(
                "This response cannot be streamed because it was not created with background=true.",
                param="stream",
            )
        await send_json(scope, send, bytes(response))


class InputItems:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = items_query(scope)
        id: str = scope["path_params"]["response_id"]
        page = await self._engine.input_items(tenant_of(scope), id, query)
        items = tuple(Raw(body) for body in page.items)
        listing = ItemList(items, page.first_id, page.last_id, page.has_more)
        await send_json(scope, send, _encode(listing))
