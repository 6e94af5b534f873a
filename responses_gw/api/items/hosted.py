"""Items of tools that a server runs (SURFACE §5.1).

What only the tool itself can read (actions, results) stays the client's JSON.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

__all__ = [
    "CodeInterpreterCall",
    "FileSearchCall",
    "ImageGenerationCall",
    "McpApprovalRequest",
    "McpApprovalResponse",
    "McpCall",
    "McpError",
    "McpHttpError",
    "McpListTools",
    "McpProtocolError",
    "McpToolExecutionError",
    "McpToolInfo",
    "Program",
    "ProgramOutput",
    "WebSearchCall",
]


class FileSearchCall(Struct, frozen=True, tag_field="type", tag="file_search_call"):
    queries: list[str]
    id: str | None = None
    results: list[Raw] | None = None
    status: Literal["in_progress", "searching", "completed", "incomplete", "failed"] | None = None


class WebSearchCall(Struct, frozen=True, tag_field="type", tag="web_search_call"):
    id: str | None = None
    action: Raw | UnsetType = UNSET
    status: Literal["in_progress", "searching", "completed", "incomplete", "failed"] | None = None


class CodeInterpreterCall(Struct, frozen=True, tag_field="type", tag="code_interpreter_call"):
    container_id: str
    code: str | None = None
    id: str | None = None
    outputs: list[Raw] | None = None
    status: Literal["in_progress", "interpreting", "completed", "incomplete", "failed"] | None = (
        None
    )


class ImageGenerationCall(Struct, frozen=True, tag_field="type", tag="image_generation_call"):
    id: str | None = None
    result: str | None = None
    status: Literal["in_progress", "generating", "completed", "failed"] | None = None


class McpProtocolError(Struct, frozen=True, tag_field="type", tag="mcp_protocol_error"):
    """The server answered with an error of JSON-RPC, or with nothing that could be read."""

    code: int
    message: str


class McpToolExecutionError(Struct, frozen=True, tag_field="type", tag="mcp_tool_execution_error"):
    """The tool ran and says that it failed; ``content`` are MCP's content blocks."""

    content: list[Raw]


class McpHttpError(Struct, frozen=True, tag_field="type", tag="http_error"):
    """The server could not be reached: ``code`` is its status, or the one it would have had."""

    code: int
    message: str


McpError = McpProtocolError | McpToolExecutionError | McpHttpError


class McpToolInfo(Struct, frozen=True):
    """A tool as ``mcp_list_tools`` shows it; ``annotations`` may be the JSON null."""

    name: str
    input_schema: Raw
    description: str | None = None
    annotations: Raw = Raw(b"null")


class McpListTools(Struct, frozen=True, tag_field="type", tag="mcp_list_tools"):
    server_label: str
    tools: list[Raw]
    error: Raw | UnsetType = UNSET
    id: str | None = None


class McpApprovalRequest(Struct, frozen=True, tag_field="type", tag="mcp_approval_request"):
    server_label: str
    name: str
    arguments: str
    id: str | None = None


class McpApprovalResponse(Struct, frozen=True, tag_field="type", tag="mcp_approval_response"):
    approval_request_id: str
    approve: bool
    reason: str | None = None
    id: str | None = None


class McpCall(Struct, frozen=True, tag_field="type", tag="mcp_call"):
    server_label: str
    name: str
    arguments: str
    approval_request_id: str | None = None
    error: Raw | UnsetType = UNSET
    output: str | None = None
    id: str | None = None
    status: Literal["in_progress", "calling", "completed", "incomplete", "failed"] | None = None


class Program(Struct, frozen=True, tag_field="type", tag="program"):
    call_id: str
    code: str
    fingerprint: str | None = None
    id: str | None = None


class ProgramOutput(Struct, frozen=True, tag_field="type", tag="program_output"):
    call_id: str
    result: str
    status: Literal["completed", "incomplete"] | None = None
    id: str | None = None
