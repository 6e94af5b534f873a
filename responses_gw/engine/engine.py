"""What the service can do, free of HTTP: run turns, and show, list and delete what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

from msgspec import Raw, Struct

from ..api.errors import not_found
from ..api.mcp_servers import McpServerList, McpToolList
from ..api.request import CreateResponse
from ..api.response import IncompleteDetails, IncompleteReason, ResponseState, join_response
from ..api.validate import decode_create_response
from ..store import ItemPage, StoredResponse
from ..upstream import ModelList
from .faults import store_faults
from .mcp_servers import mcp_server_list, mcp_tool_list
from .parts import Caller, Parts
from .sink import EventSink
from .turn import Turn

__all__ = ["Engine", "ItemsQuery"]


class ItemsQuery(Struct, frozen=True):
    """One page of a response's input items; ``limit`` is 1 to 100."""

    after: str | None = None
    limit: int = 20
    order: Literal["asc", "desc"] = "desc"


class Engine:
    """All methods raise :class:`~responses_gw.api.errors.ApiError` and nothing else."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def read(self, data: bytes) -> CreateResponse:
        """A request from its body, with the prompt template that it names."""
        return decode_create_response(data, self._parts.prompts.fill)

    def turn(self, request: CreateResponse, caller: Caller, sink: EventSink) -> Turn:
        return Turn(self._parts, request, caller, sink)

    async def retrieve(self, tenant: str, id: str) -> Raw:
        """The Response object as it stands in the store."""
        with store_faults():
            stored = await self._parts.store.get(tenant, id)
        if stored is None:
            raise not_found("Response", id)
        return _object_of(stored)

    async def delete(self, tenant: str, id: str) -> None:
        with store_faults():
            found = await self._parts.store.delete(tenant, id)
        if not found:
            raise not_found("Response", id)
        self._parts.histories.forget(tenant, id)

    async def input_items(self, tenant: str, id: str, query: ItemsQuery) -> ItemPage:
        with store_faults():
            page = await self._parts.store.input_items(
                tenant, id, after=query.after, limit=query.limit, order=query.order
            )
        if page is None:
            raise not_found("Response", id)
        return page

    async def models(self, headers: Mapping[str, str]) -> ModelList:
        return await self._parts.upstream.models(headers)

    def mcp_servers(self) -> McpServerList:
        return mcp_server_list(self._parts.mcp)

    async def mcp_tools(self, label: str) -> McpToolList:
        return await mcp_tool_list(self._parts.mcp, label)


def _details_of(reason: str | None) -> IncompleteDetails | None:
    return None if reason is None else IncompleteDetails(cast(IncompleteReason, reason))


def _object_of(stored: StoredResponse) -> Raw:
    running = stored.status in ("queued", "in_progress")
    state = ResponseState(
        id=stored.id,
        created_at=stored.created_at,
        completed_at=stored.completed_at,
        status=stored.status,
        error=None if stored.error is None else Raw(stored.error),
        incomplete_details=_details_of(stored.incomplete_reason),
        output=tuple(Raw(body) for body in stored.output),
        usage=None if stored.usage is None else Raw(stored.usage),
        service_tier="auto" if running else "default",
    )
    return join_response(state, stored.settings)
