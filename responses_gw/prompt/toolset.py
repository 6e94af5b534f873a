"""The tools of a request, as chat functions, and back from a function's name to the tool.

Theory of operation. A chat model knows only functions with flat names. So a namespaced tool gets
the name ``namespace__name``; a custom tool becomes a function with one string; a client's built-in
tool (a shell, a patch) becomes a function whose arguments are its action. ``Toolset.targets`` maps
every name back, and ``chat_name`` gives the plain name, under which a call of the history is shown.

A name is kept short (64 characters) and one of a kind: a tool whose plain name is too long or taken
gets the first letters of it and a hash of what it stands for. Tools at the top level come first, so
theirs are never changed.

Tools come from the request, from ``additional_tools`` in the input, and from what a search has
found (``tool_search_output``). A tool with ``defer_loading`` is not shown before it was found,
unless the search would be ours to make.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Raw, Struct

from ..api.errors import ApiError
from ..api.tools import (
    AllowedTools,
    ApplyPatchTool,
    CallKind,
    CallTarget,
    ComputerTool,
    ComputerUsePreviewTool,
    CustomTool,
    FunctionTool,
    HostedToolChoice,
    LocalShellTool,
    NamedTool,
    NamespaceTool,
    ShellTool,
    Tool,
    ToolChoice,
    ToolSearchTool,
)
from ..api.validate import decode_tool
from . import functions

__all__ = ["NO_TOOLS", "ChatTools", "HostedFunction", "Toolset", "chat_name"]

MAX_NAME_CHARACTERS = 64
HASH_CHARACTERS = 8
SEPARATOR = "__"
_MCP: frozenset[CallKind] = frozenset(("mcp", "mcp_approval"))
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")


class HostedFunction(Struct, frozen=True):
    """A tool that the gateway runs: what it stands for and what the model is told about it;
    ``parameters`` is a JSON schema.
    """

    target: CallTarget
    parameters: Raw
    description: str | None = None


class Offer(Struct, frozen=True):
    """One callable tool: what it stands for and the function that the model is shown."""

    target: CallTarget
    tool: Tool | HostedFunction


class ChatTools(Struct, frozen=True):
    """The part of a chat request that is about tools, and what the names in it stand for.

    ``is_strict``: every function's arguments are held to its schema.
    """

    fields: dict[str, object]
    targets: Mapping[str, CallTarget]
    is_strict: bool


NO_TOOLS = ChatTools({}, {}, is_strict=True)


class Targets(dict[str, CallTarget]):
    """What the names of functions stand for. A model may make up one of a server that it knows:
    that call is ours to refuse, no client has such a function.
    """

    def __init__(self, targets: Mapping[str, CallTarget], labels: Iterable[str | None]) -> None:
        super().__init__(targets)
        self._prefixes = {f"mcp{SEPARATOR}{label}{SEPARATOR}": label for label in labels}

    def get(self, name: str, default: object = None) -> CallTarget | None:  # type: ignore[override]
        found = super().get(name)
        if found is not None:
            return found
        for prefix, label in self._prefixes.items():
            if name.startswith(prefix):
                return CallTarget("mcp", name.removeprefix(prefix), label)
        return None


class Toolset:
    """``declared`` are the request's own tools, ``found`` those of its input and its history, and
    ``hosted`` what the gateway runs for them.
    """

    def __init__(
        self,
        declared: Iterable[Tool],
        found: Iterable[Tool],
        hosted: Iterable[HostedFunction] = (),
        *,
        can_constrain: bool,
    ) -> None:
        self._can_constrain = can_constrain
        declared, found = list(declared), list(found)
        tools = [*declared, *found]
        own = {offer.target for tool in declared for offer in _offers(tool, True)}
        searches = any(
            isinstance(tool, ToolSearchTool) and tool.execution == "client" for tool in tools
        )
        known = set(map(id, found)) if searches else set(map(id, tools))
        offers = [offer for tool in tools for offer in _offers(tool, id(tool) in known)]
        offers += [Offer(function.target, function) for function in hosted]
        offers.sort(key=lambda offer: offer.target.namespace is not None)
        self._offers: dict[str, Offer] = {}
        names: dict[CallTarget, str] = {}
        for offer in offers:
            name = names.get(offer.target)
            if name is None:
                name = chat_name(offer.target)
                if name in self._offers:
                    name = _hashed(name, offer.target)
                names[offer.target] = name
            elif offer.target in own:
                continue
            self._offers[name] = offer  # the newest of what was found is what counts
        self._has_hosted = any(not any(True for _ in _offers(tool, True)) for tool in tools)
        self._is_empty = not tools

    def chat_tools(self, choice: ToolChoice, parallel: bool | None) -> ChatTools:
        """The tools to send. Raises :class:`ApiError` (400) if the choice names none of them."""
        offered, mode = self._chosen(choice)
        if not offered:
            return NO_TOOLS
        shown = [self._function(name, offer) for name, offer in offered.items()]
        fields: dict[str, object] = {
            "tools": [{"type": "function", "function": function} for function in shown],
            "tool_choice": mode,
        }
        if parallel is not None:
            fields["parallel_tool_calls"] = parallel
        strict = all(function.get("strict") is True for function in shown)
        labels = {offer.target.namespace for offer in self._offers.values() if _is_mcp(offer)}
        targets = Targets({name: offer.target for name, offer in offered.items()}, labels)
        return ChatTools(fields, targets, strict)

    def _chosen(self, choice: ToolChoice) -> tuple[dict[str, Offer], object]:
        match choice:
            case NamedTool():
                return self._offers, self._named(choice)
            case AllowedTools():
                return self._allowed(choice), choice.mode
            case HostedToolChoice(type="mcp"):
                return self._of_server(choice)
            case HostedToolChoice():
                return self._offers, self._built_in(choice)
            case "required" if self._is_empty:
                raise _needs_tools(choice)
            case _:
                return self._offers, choice

    def _named(self, choice: NamedTool) -> object:
        kind: CallKind = choice.type
        for name, offer in self._offers.items():
            target = offer.target
            if (target.kind, target.name) == (kind, choice.name) and (
                choice.namespace in (None, target.namespace)
            ):
                return {"type": "function", "function": {"name": name}}
        if self._is_empty:
            raise _needs_tools(choice.name)
        raise ApiError(
            f"Tool choice '{choice.name}' not found in 'tools' parameter.", param="tool_choice"
        )

    def _built_in(self, choice: HostedToolChoice) -> object:
        """A tool that is named by its type. Nobody can be made to call what is not offered."""
        for name, offer in self._offers.items():
            if offer.target.kind == choice.type:
                return {"type": "function", "function": {"name": name}}
        return "auto"

    def _of_server(self, choice: HostedToolChoice) -> tuple[dict[str, Offer], object]:
        """Any tool of an MCP server, or the one that is named; nothing else is offered. A choice
        without a label (the Agents SDK's ``"mcp"``) means all servers.
        """
        found = {
            name: offer
            for name, offer in self._offers.items()
            if _is_mcp(offer)
            and choice.server_label in (None, offer.target.namespace)
            and choice.name in (None, offer.target.name)
        }
        if not found and not any(map(_is_mcp, self._offers.values())):
            return self._offers, "auto"
        if not found:
            label = choice.server_label
            of = "the MCP servers" if label is None else f"the server '{label}'"
            raise ApiError(f"Tool choice 'mcp' names no tool of {of}.", param="tool_choice")
        return found, "required"

    def _allowed(self, choice: AllowedTools) -> dict[str, Offer]:
        """A hard constraint: what is not allowed is not shown (SURFACE §6.2)."""
        allowed = {
            (tool.type, tool.name, tool.server_label if tool.type == "mcp" else tool.namespace)
            for tool in choice.tools
        }
        found: dict[str, Offer] = {}
        for name, offer in self._offers.items():
            target = offer.target
            named = target.name if target.kind in ("function", "custom") else None
            wanted = {
                (target.kind, named, target.namespace),
                (target.kind, named, None),
                ("namespace", target.namespace, None),
            }
            if target.kind in _MCP:
                wanted = {("mcp", name, target.namespace) for name in (None, target.name)}
            if wanted & allowed:
                found[name] = offer
        if choice.mode == "required" and not found and not self._has_hosted:
            if self._is_empty:
                raise _needs_tools("allowed_tools")
            raise ApiError(
                "Tool choice 'allowed_tools' with mode 'required' must name a tool of the 'tools' "
                "parameter.",
                param="tool_choice.tools",
            )
        return found

    def _function(self, name: str, offer: Offer) -> dict[str, object]:
        if isinstance(offer.tool, HostedFunction):
            described = offer.tool.description
            told = {} if described is None else {"description": described}
            return {"name": name, **told, "parameters": offer.tool.parameters}
        return {"name": name, **functions.function_of(offer.tool, self._can_constrain)}


def _is_mcp(offer: Offer) -> bool:
    return offer.target.kind in _MCP


def chat_name(target: CallTarget) -> str:
    """The plain name of a tool's function. Some namespaces end in the separator (Codex 0.125). MCP
    servers name their tools more freely than a chat model's functions may be named.
    """
    if target.kind in _MCP:
        name = SEPARATOR.join(("mcp", target.namespace or "", target.name))
        plain = _UNFIT.sub("_", name)
        is_plain = plain == name and len(name) <= MAX_NAME_CHARACTERS
        return name if is_plain else _hashed(plain, target)
    if target.namespace is None:
        return target.name
    name = f"{target.namespace.removesuffix(SEPARATOR)}{SEPARATOR}{target.name}"
    return name if len(name) <= MAX_NAME_CHARACTERS else _hashed(name, target)


def _hashed(name: str, target: CallTarget) -> str:
    kind = "mcp" if target.kind in _MCP else target.kind  # one name, whoever may call it
    meant = "\0".join((kind, target.namespace or "", target.name))
    digest = hashlib.sha256(meant.encode()).hexdigest()[:HASH_CHARACTERS]
    return f"{name[: MAX_NAME_CHARACTERS - HASH_CHARACTERS - 1]}_{digest}"


def _offers(tool: Tool, is_known: bool) -> Iterator[Offer]:
    """What a tool lets the model call: nothing, when a server would have to run it."""
    match tool:
        case FunctionTool() | CustomTool():
            yield from _single(tool, None, is_known)
        case NamespaceTool():
            for number, raw in enumerate(tool.tools):
                inner = decode_tool(raw, f"tools[{number}]")
                if isinstance(inner, FunctionTool | CustomTool):
                    yield from _single(inner, tool.name, is_known)
        case ToolSearchTool(execution="client"):
            yield Offer(CallTarget("tool_search", "tool_search"), tool)
        case LocalShellTool():
            yield Offer(CallTarget("local_shell", "local_shell"), tool)
        case ShellTool() if tool.is_local:
            yield Offer(CallTarget("shell", "shell"), tool)
        case ApplyPatchTool():
            yield Offer(CallTarget("apply_patch", "apply_patch"), tool)
        case ComputerTool():
            yield Offer(CallTarget("computer", "computer"), tool)
        case ComputerUsePreviewTool():
            yield Offer(CallTarget("computer_use_preview", "computer"), tool)


def _single(
    tool: FunctionTool | CustomTool, namespace: str | None, is_known: bool
) -> Iterator[Offer]:
    if is_known or tool.defer_loading is not True:
        kind: CallKind = "function" if isinstance(tool, FunctionTool) else "custom"
        yield Offer(CallTarget(kind, tool.name, namespace), tool)


def _needs_tools(choice: str) -> ApiError:
    return ApiError(
        f"Tool choice '{choice}' must be specified with 'tools' parameter.", param="tool_choice"
    )
