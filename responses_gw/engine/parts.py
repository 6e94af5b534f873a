"""Who asks, and what a turn works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from ..machine.style import ReasoningDialect
from ..prompt.profile import ModelProfile
from ..prompt.sealing import Sealer
from ..settings import ToolSettings
from ..store import ResponseStore
from ..tools.hosted import ToolKind
from ..tools.mcp import McpServers
from ..upstream import UpstreamClient
from .files import InputFiles
from .history import Histories
from .prompt_library import PromptLibrary

__all__ = ["Caller", "Parts"]


class Caller(Struct, frozen=True):
    """Who asks. ``headers`` have lower-case names."""

    tenant: str
    headers: Mapping[str, str]
    reasoning_dialect: ReasoningDialect = "openai"


class Parts(Struct, frozen=True):
    """What a turn works with.

    ``files`` reads those of the input, ``tools`` are the kinds that the gateway runs, within
    ``tool_bounds``, ``mcp`` the servers that operators are shown, ``prompts`` are the templates
    that requests name, ``profile_of`` knows the models, ``sealer`` has the keys of sealed
    reasoning.
    ``announce_seconds``: how long the model server may take to accept a call before the response is
    announced to its client without it. ``obfuscates`` allows what a client may ask for.
    """

    upstream: UpstreamClient
    store: ResponseStore
    histories: Histories
    files: InputFiles
    tools: Sequence[ToolKind]
    tool_bounds: ToolSettings
    mcp: McpServers
    prompts: PromptLibrary
    profile_of: Callable[[str], ModelProfile]
    sealer: Sealer
    announce_seconds: float
    obfuscates: bool
