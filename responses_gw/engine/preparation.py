"""What a request needs before the model is called: its history, its files, its tools, its prompt.

Nothing is stored and nothing is sent here; every fault of the request that was not seen when it was
decoded is found here and becomes a 400.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw, Struct

from ..api.errors import ApiError
from ..api.items import (
    AdditionalTools,
    ConfigurationUpdate,
    InputItem,
    ItemReference,
    ToolSearchOutput,
)
from ..api.request import CreateResponse, RequestBody
from ..api.stored import record_of
from ..api.tools import Tool
from ..api.validate import decode_input_item, decode_tool
from ..prompt.profile import ModelProfile
from ..prompt.snapshot import Snapshot
from ..prompt.toolset import Toolset
from ..prompt.transcript import Transcript
from ..store import StoredItem
from ..tools.hosted import OpenTool, ToolContext
from .faults import store_faults
from .history import History
from .parts import Caller, Parts
from .plan import Plan
from .seals import opening_seals

__all__ = ["Prepared", "prepare"]

_encode = msgspec.json.Encoder().encode


class Prepared(Struct, frozen=True):
    """``tools`` are those that the gateway runs, opened. A request that is not stored has no
    ``input`` to store; ``deletions`` is the tenant's count when its history was read.
    """

    plan: Plan
    tools: list[OpenTool]
    transcript: Transcript
    input: list[StoredItem]
    deletions: int | None


class Given(Struct, frozen=True):
    """An item of the input and its JSON as it is stored; ``shown`` where a model was shown other
    JSON, of which ``item`` was then decoded.
    """

    item: InputItem
    raw: Raw
    shown: bytes | None = None


async def prepare(
    parts: Parts, request: CreateResponse, caller: Caller, profile: ModelProfile, id: str
) -> Prepared:
    """Raises :class:`ApiError`."""
    given = await _resolve_references(parts, request, caller)
    history = await _history(parts, request, caller, profile)
    start = Snapshot(profile) if history is None else history.snapshot
    items = await parts.files.shown([one.item for one in given])
    with opening_seals(parts.sealer, caller.tenant, id) as unseal:
        transcript = Transcript(profile, start, unseal=unseal)
        transcript.add(items)
    transcript.check_answered()
    found = list(_tools_in(items))
    context = ToolContext(caller.tenant, transcript.listed, transcript.granted)
    declared = [*request.tools, *found]
    tools = [tool for kind in parts.tools if (tool := await kind.open(declared, context))]
    if tools:
        request = _without_input(request)
    toolset = Toolset(
        request.tools,
        [*map(_decoded, start.tools), *found],
        [function for tool in tools for function in tool.functions],
        can_constrain=profile.dialect == "vllm",
    )
    return Prepared(
        plan=Plan(request, transcript, toolset, profile),
        tools=tools,
        transcript=transcript,
        input=list(map(_stored, given, items)) if request.store else [],
        deletions=None if history is None else history.deletions,
    )


def _without_input(request: CreateResponse) -> CreateResponse:
    """What the later rounds of a turn need. Raw JSON is a view that keeps the whole body alive,
    which can be megabytes for as long as the stream is open: so it is written and read anew.
    """
    updates = [
        decode_input_item(bytes(raw), "input")
        for item, raw in zip(request.items, request.raw_items, strict=True)
        if isinstance(item, ConfigurationUpdate)
    ]
    body = msgspec.structs.replace(request.body, input=None, tools=None)
    return msgspec.structs.replace(
        request,
        body=msgspec.json.decode(_encode(body), type=RequestBody),
        items=tuple(updates),
        raw_items=(),
        tools=tuple(decode_tool(Raw(bytes(raw)), "tools") for raw in request.raw_tools),
        raw_tools=(),
    )


async def _history(
    parts: Parts, request: CreateResponse, caller: Caller, profile: ModelProfile
) -> History | None:
    parent = request.body.previous_response_id
    return None if parent is None else await parts.histories.load(caller.tenant, parent, profile)


async def _resolve_references(parts: Parts, request: CreateResponse, caller: Caller) -> list[Given]:
    """The input, with stored items in place of those that stand for them."""
    given = [Given(item, raw) for item, raw in zip(request.items, request.raw_items, strict=True)]
    wanted = [one.item.id for one in given if isinstance(one.item, ItemReference)]
    if not wanted:
        return given
    with store_faults():
        found = await parts.store.items(caller.tenant, wanted)
    for at, one in enumerate(given):
        if isinstance(one.item, ItemReference):
            stored = found.get(one.item.id)
            if stored is None:
                raise _unknown_item(one.item.id)
            item = decode_input_item(stored.shown or stored.body, f"input[{at}]")
            given[at] = Given(item, Raw(stored.body), stored.shown)
    return given


def _stored(given: Given, item: InputItem) -> StoredItem:
    """What the client gave and, where that differs, what the model is shown."""
    record = record_of(given.item, given.raw)
    shown = given.shown if item is given.item else _encode(item)
    return StoredItem(record.id, record.type, record.body, shown)


def _tools_in(items: Iterable[InputItem]) -> Iterator[Tool]:
    """Tools that stand in the input, or that a search in it has found; copies, which do not keep
    the input alive.
    """
    for item in items:
        if isinstance(item, AdditionalTools | ToolSearchOutput):
            yield from (_decoded(Raw(bytes(tool))) for tool in item.tools)


def _decoded(raw: Raw) -> Tool:
    return decode_tool(raw, "tools")


def _unknown_item(id: str) -> ApiError:
    return ApiError(
        f"Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try "
        "again with `store` set to true, or remove this item from your input.",
        status=404,
        param="input",
    )
