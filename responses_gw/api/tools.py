"""Tools and ``tool_choice`` (SURFACE §6).

Every tool type of the API has a Struct, which gives its known fields their types. What we cannot
run is still echoed, and left out of the prompt; ``CallTarget`` is what a model's call stands for.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

__all__ = [
    "TOOLS",
    "AllowedTool",
    "AllowedTools",
    "ApplyPatchTool",
    "ApprovalFilter",
    "CallKind",
    "CallTarget",
    "CodeInterpreterTool",
    "ComputerTool",
    "ComputerUsePreviewTool",
    "CustomTool",
    "FileSearchTool",
    "FunctionTool",
    "GrammarFormat",
    "HostedCall",
    "HostedResult",
    "HostedToolChoice",
    "ImageGenerationTool",
    "LocalShellTool",
    "McpTool",
    "NamedTool",
    "NamespaceTool",
    "PlainFormat",
    "ProgrammaticToolCalling",
    "ShellTool",
    "Tool",
    "ToolChoice",
    "ToolChoiceMode",
    "ToolFilter",
    "ToolSearchTool",
    "UnknownTool",
    "WebSearchTool",
    "without_secrets",
]

ToolName = Annotated[str, Meta(min_length=1, max_length=128, pattern="^[a-zA-Z0-9_-]+$")]
ToolChoiceMode = Literal["none", "auto", "required"]
CallKind = Literal[
    "function", "custom", "tool_search", "local_shell", "shell", "apply_patch", "computer",
    "computer_use_preview", "mcp", "mcp_approval",
]  # fmt: skip


class CallTarget(Struct, frozen=True):
    """The tool behind a function that the model is shown. That of an MCP server has its label for
    a ``namespace``; its kind says whether a call is run or asks for approval.
    """

    kind: CallKind
    name: str
    namespace: str | None = None


class HostedCall(Struct, frozen=True):
    """A call for the gateway to run; ``arguments`` is what the model wrote, which may be no JSON at
    all. ``is_approved``: the client has said that it may run.
    """

    target: CallTarget
    arguments: str
    is_approved: bool = False


class HostedResult(Struct, frozen=True):
    """What came of it: ``output`` for the model and the client, or the JSON of an ``error`` in the
    form of the item's type. A call with an error has failed; the response goes on.
    """

    output: str | None = None
    error: Raw | None = None


# --- tools that a client executes ---------------------------------------------------------------


class FunctionTool(Struct, frozen=True, tag_field="type", tag="function"):
    """``parameters`` is the client's JSON schema, byte for byte; ``strict`` absent means not
    strict. A tool with ``defer_loading`` is hidden from the model until a search has found it.
    """

    name: ToolName
    parameters: Raw | UnsetType = UNSET
    description: str | None = None
    strict: bool | None = None
    defer_loading: bool | None = None


class PlainFormat(Struct, frozen=True, tag_field="type", tag="text"):
    pass


class GrammarFormat(Struct, frozen=True, tag_field="type", tag="grammar"):
    syntax: Literal["lark", "regex"]
    definition: str


class CustomTool(Struct, frozen=True, tag_field="type", tag="custom"):
    """Takes free text instead of JSON."""

    name: ToolName
    description: str | None = None
    format: PlainFormat | GrammarFormat | None = None
    defer_loading: bool | None = None


class NamespaceTool(Struct, frozen=True, tag_field="type", tag="namespace"):
    """A group of function and custom tools, whose calls name the group."""

    name: ToolName
    tools: Annotated[list[Raw], Meta(min_length=1)]
    description: str | None = None


class ToolSearchTool(Struct, frozen=True, tag_field="type", tag="tool_search"):
    execution: Literal["server", "client"] | None = None
    description: str | None = None
    parameters: Raw | UnsetType = UNSET


class LocalShellTool(Struct, frozen=True, tag_field="type", tag="local_shell"):
    pass


class Environment(Struct, frozen=True):
    type: str


class ShellTool(Struct, frozen=True, tag_field="type", tag="shell"):
    """Runs at the client unless ``environment`` names a container."""

    environment: Environment | None = None

    @property
    def is_local(self) -> bool:
        return self.environment is None or self.environment.type == "local"


class ApplyPatchTool(Struct, frozen=True, tag_field="type", tag="apply_patch"):
    pass


class ComputerTool(Struct, frozen=True, tag_field="type", tag="computer"):
    pass


class ComputerUsePreviewTool(Struct, frozen=True, tag_field="type", tag="computer_use_preview"):
    display_width: int
    display_height: int
    environment: Literal["windows", "mac", "linux", "ubuntu", "browser"]


# --- tools that a server executes ---------------------------------------------------------------


class FileSearchTool(Struct, frozen=True, tag_field="type", tag="file_search"):
    vector_store_ids: list[str]
    max_num_results: Annotated[int, Meta(ge=1, le=50)] | None = None


class WebSearchTool(Struct, frozen=True):
    """All five names of it (``WEB_SEARCH_NAMES``) are decoded to this."""

    search_context_size: Literal["low", "medium", "high"] | None = None
    external_web_access: bool | None = None
    filters: dict[str, Raw] | None = None
    user_location: dict[str, Raw] | None = None


class ToolFilter(Struct, frozen=True):
    """Tools of an MCP server: those of these names, or those that (do not) only read, or both."""

    tool_names: list[str] | None = None
    read_only: bool | None = None


class ApprovalFilter(Struct, frozen=True):
    always: ToolFilter | None = None
    never: ToolFilter | None = None


class McpTool(Struct, frozen=True, tag_field="type", tag="mcp"):
    """A server whose tools the gateway calls. ``authorization`` and ``headers`` are secrets: they
    are never stored, echoed or logged, nor is what follows the host of ``server_url``.
    ``require_approval`` absent means always.
    """

    server_label: Annotated[str, Meta(pattern="^[a-zA-Z][a-zA-Z0-9_-]{0,63}$")]
    server_url: str | None = None
    connector_id: str | None = None
    tunnel_id: str | None = None
    server_description: str | None = None
    authorization: str | None = None
    headers: dict[str, str] | None = None
    allowed_tools: list[str] | ToolFilter | None = None
    require_approval: Literal["always", "never"] | ApprovalFilter | None = None
    defer_loading: bool | None = None

    def __repr__(self) -> str:
        return f"<McpTool {self.server_label!r}>"


class CodeInterpreterTool(Struct, frozen=True, tag_field="type", tag="code_interpreter"):
    container: str | dict[str, Raw]


class ImageGenerationTool(Struct, frozen=True, tag_field="type", tag="image_generation"):
    partial_images: Annotated[int, Meta(ge=0, le=3)] | None = None
    output_compression: Annotated[int, Meta(ge=0, le=100)] | None = None


class ProgrammaticToolCalling(
    Struct, frozen=True, tag_field="type", tag="programmatic_tool_calling"
):
    pass


class UnknownTool(Struct, frozen=True):
    """A type of tool that we do not know."""

    type: str
    raw: Raw


KnownTool = (
    FunctionTool
    | CustomTool
    | NamespaceTool
    | ToolSearchTool
    | LocalShellTool
    | ShellTool
    | ApplyPatchTool
    | ComputerTool
    | ComputerUsePreviewTool
    | FileSearchTool
    | WebSearchTool
    | McpTool
    | CodeInterpreterTool
    | ImageGenerationTool
    | ProgrammaticToolCalling
)
Tool = KnownTool | UnknownTool
WEB_SEARCH_NAMES = (
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
)
TOOLS: dict[str, type[KnownTool]] = {
    "function": FunctionTool,
    "custom": CustomTool,
    "namespace": NamespaceTool,
    "tool_search": ToolSearchTool,
    "local_shell": LocalShellTool,
    "shell": ShellTool,
    "apply_patch": ApplyPatchTool,
    "computer": ComputerTool,
    "computer_use_preview": ComputerUsePreviewTool,
    "file_search": FileSearchTool,
    "mcp": McpTool,
    "code_interpreter": CodeInterpreterTool,
    "image_generation": ImageGenerationTool,
    "programmatic_tool_calling": ProgrammaticToolCalling,
    **dict.fromkeys(WEB_SEARCH_NAMES, WebSearchTool),
}


# --- tool_choice --------------------------------------------------------------------------------


class NamedTool(Struct, frozen=True):
    """One function or custom tool that must be called."""

    type: Literal["function", "custom"]
    name: str
    namespace: str | None = None


class AllowedTool(Struct, frozen=True):
    """One entry of ``allowed_tools``; only some kinds of tools have names."""

    type: str
    name: str | None = None
    namespace: str | None = None
    server_label: str | None = None


class AllowedTools(Struct, frozen=True):
    """Only the tools named in ``tools`` may be called."""

    tools: list[AllowedTool]
    mode: ToolChoiceMode = "auto"


class HostedToolChoice(Struct, frozen=True):
    """A built-in tool that must be called; when nobody runs it here, the model chooses."""

    type: str
    server_label: str | None = None
    name: str | None = None


ToolChoice = ToolChoiceMode | NamedTool | AllowedTools | HostedToolChoice


_SECRETS = frozenset(("authorization", "headers", "domain_secrets"))
_encode = msgspec.json.Encoder().encode
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_list = msgspec.json.Decoder(list[Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


def _redacted(url: Raw) -> Raw:
    """Scheme and host, as OpenAI shows them: the rest may be a key."""
    try:
        parts = urlsplit(_decode_text(url))
        host, port = parts.hostname or "", "" if parts.port is None else f":{parts.port}"
    except (ValueError, UnicodeEncodeError):
        return Raw(b'"<redacted>"')
    told = (parts.query, parts.fragment, parts.path.strip("/"), parts.username, parts.password)
    if not any(told):
        return url
    return Raw(_encode(f"{parts.scheme}://{host}{port}/<redacted>"))


def without_secrets(raw: Raw) -> Raw:
    """Credentials that a client puts on a tool are never stored, echoed or logged (DESIGN §6):
    those of an MCP server, of which a URL may be one, and those that a container sends to its
    domains.
    """
    keys = _decode_object(raw)
    kept = {name: value for name, value in keys.items() if name not in _SECRETS}
    for name in ("environment", "container", "network_policy"):
        if bytes(kept.get(name, b""))[:1] == b"{":
            kept[name] = without_secrets(kept[name])
    if bytes(kept.get("tools", b""))[:1] == b"[":
        tools = _decode_list(kept["tools"])
        inner = [without_secrets(one) if bytes(one)[:1] == b"{" else one for one in tools]
        if inner != tools:
            kept["tools"] = Raw(_encode(inner))
    if bytes(kept.get("server_url", b"null")) != b"null":
        kept["server_url"] = _redacted(kept["server_url"])
    return raw if kept == keys else Raw(_encode(kept))
