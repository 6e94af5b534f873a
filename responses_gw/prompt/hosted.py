"""What the gateway has run itself, as the model is shown it: a call and its output.

In a history such a call stands whole in one item, with its output. The model is shown it as a
message with one call and a tool's message, also where it made several calls at once: then the
messages are the same whether the history is the turn that runs, or was read, or was replayed by a
client, and what was said once never changes.
"""

from __future__ import annotations

import hashlib
import re
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from ..api.errors import ApiError
from ..api.items import McpApprovalRequest, McpApprovalResponse, McpCall, McpListTools
from ..api.tools import CallTarget
from .parts import ChatPart

__all__ = ["GrantedCall", "McpMemory", "McpSnapshot", "denial", "id_of", "outcome", "target_of"]

_IMAGE = re.compile(r"image/[a-z0-9.+-]+")
NOT_FINISHED = "The call was stopped before it had finished."
NOT_APPROVED = "The user did not approve this call."


class GrantedCall(Struct, frozen=True):
    """A call that the client has approved and that has not run."""

    target: CallTarget
    arguments: str
    request_id: str


class McpSnapshot(Struct, frozen=True):
    """``listed`` are the tools of each server, by its label; ``asked`` the approvals that are
    open.
    """

    listed: tuple[tuple[str, tuple[Raw, ...]], ...] = ()
    asked: tuple[McpApprovalRequest, ...] = ()

    @property
    def size(self) -> int:
        """Bytes, about."""
        tools = sum(len(bytes(tool)) for _, tools in self.listed for tool in tools)
        return tools + sum(len(request.arguments) + 200 for request in self.asked)


class McpMemory:
    """What a history says of MCP servers: their tools, and which calls may run."""

    def __init__(self, start: McpSnapshot) -> None:
        self.listed = dict(start.listed)
        self._asked = {request.id: request for request in start.asked}
        self._granted: dict[str, GrantedCall] = {}

    @property
    def granted(self) -> list[GrantedCall]:
        """The calls that may run now, in the order of their approvals."""
        return list(self._granted.values())

    def snapshot(self) -> McpSnapshot:
        """A grant is for the turn that it came with: it is not kept."""
        return McpSnapshot(tuple(self.listed.items()), tuple(self._asked.values()))

    def listing(self, item: McpListTools) -> None:
        if not isinstance(item.error, Raw) or bytes(item.error) == b"null":
            self.listed[item.server_label] = tuple(Raw(bytes(tool)) for tool in item.tools)

    def asks(self, item: McpApprovalRequest) -> None:
        self.expire()
        self._asked.setdefault(item.id, item)

    def answers(self, item: McpApprovalResponse) -> McpApprovalRequest:
        """The request that is answered. Raises :class:`ApiError` (400) if none is open."""
        request = self._asked.pop(item.approval_request_id, None)
        if request is None:
            raise ApiError(
                "No MCP approval request found for approval response with approval_request_id "
                f"{item.approval_request_id}.",
                param="input",
            )
        if item.approve:
            target = CallTarget("mcp", request.name, request.server_label)
            granted = GrantedCall(target, request.arguments, item.approval_request_id)
            self._granted[item.approval_request_id] = granted
        return request

    def expire(self) -> None:
        """The model has gone on: what was approved before has run, or never will."""
        self._granted.clear()

    def ran(self, item: McpCall) -> None:
        if item.approval_request_id is not None:
            self._granted.pop(item.approval_request_id, None)
            self._asked.pop(item.approval_request_id, None)
        else:
            self.expire()


def target_of(item: McpCall | McpApprovalRequest) -> CallTarget:
    return CallTarget("mcp", item.name, item.server_label)


def id_of(item: McpCall) -> str:
    """Its own, or one that is the same whenever the same call is replayed without."""
    if item.id:
        return item.id
    told = "\0".join((item.server_label, item.name, item.arguments, item.output or ""))
    return f"mcp_{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def denial(item: McpApprovalResponse) -> str:
    return f"{NOT_APPROVED} They said: {item.reason}" if item.reason else NOT_APPROVED


def outcome(item: McpCall) -> str | list[ChatPart]:
    """What the model is told of a call's end."""
    if isinstance(item.error, Raw) and bytes(item.error) != b"null":
        return _error_text(item.error)
    if item.output is None:
        return NOT_FINISHED
    blocks = _blocks(item.output) if item.output.startswith('[{"type":"') else None
    if blocks is None or all(isinstance(block, _Text) for block in blocks):
        return item.output
    return [part for block in blocks for part in _parts(block)]


class _Text(Struct, frozen=True, tag_field="type", tag="text"):
    text: str


class _Image(Struct, frozen=True, tag_field="type", tag="image"):
    data: str
    mimeType: str


class _Audio(Struct, frozen=True, tag_field="type", tag="audio"):
    data: str
    mimeType: str


class _Link(Struct, frozen=True, tag_field="type", tag="resource_link"):
    uri: str
    name: str = ""
    description: str | None = None


class _Resource(Struct, frozen=True, tag_field="type", tag="resource"):
    resource: Raw


_Block = _Text | _Image | _Audio | _Link | _Resource
_decode_blocks = msgspec.json.Decoder(list[_Block]).decode


def _blocks(output: str) -> list[_Block] | None:
    """The content blocks of a result that was not text alone; None for a text that begins alike."""
    try:
        return _decode_blocks(output)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None


def _parts(block: _Block) -> list[ChatPart]:
    match block:
        case _Text():
            return [{"type": "text", "text": block.text}]
        case _Image() if _IMAGE.fullmatch(block.mimeType):
            url = f"data:{block.mimeType};base64,{block.data}"
            return [{"type": "image_url", "image_url": {"url": url}}]
        case _Image() | _Audio():
            return [{"type": "text", "text": f"[{block.mimeType}]"}]
        case _Link():
            named = f"{block.name}: {block.uri}" if block.name else block.uri
            return [{"type": "text", "text": f"[resource] {named}"}]
        case _Resource():
            return [{"type": "text", "text": f"[resource] {bytes(block.resource).decode()}"}]


class _Error(Struct, frozen=True):
    type: Literal["mcp_protocol_error", "mcp_tool_execution_error", "http_error"]
    message: str = ""
    code: int | None = None
    content: list[Raw] = []


_decode_error = msgspec.json.Decoder(_Error | str).decode
_decode_text = msgspec.json.Decoder(_Text).decode


def _error_text(raw: Raw) -> str:
    """Older clients replay a plain string."""
    try:
        error = _decode_error(raw)
    except msgspec.MsgspecError:
        return f"Error: {bytes(raw).decode()}"
    if isinstance(error, str):
        return f"Error: {error}"
    if error.type == "mcp_tool_execution_error":
        return "\n".join(["The tool reported an error:", *map(_text_in, error.content)])
    return f"Error: {error.message}"


def _text_in(block: Raw) -> str:
    try:
        return _decode_text(block).text
    except msgspec.MsgspecError:
        return bytes(block).decode()
