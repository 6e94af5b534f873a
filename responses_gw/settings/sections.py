"""Every key, once, with its default: one Struct for each section of the file."""

from __future__ import annotations

from typing import Literal

import msgspec

from .hints import is_secret, keys_of
from .values import (
    BodyBytes,
    Bytes,
    Count,
    DatabaseUrl,
    Directory,
    Efforts,
    Environment,
    Glob,
    Host,
    Hosts,
    HttpHeaders,
    Label,
    McpUrl,
    Name,
    Names,
    Networks,
    OutputBytes,
    PoolSize,
    Port,
    Ports,
    SealingKeys,
    Seconds,
    Sessions,
    Token,
    UpstreamUrl,
    WorkerBytes,
    Workers,
)

__all__ = [
    "DatabaseSettings",
    "EgressSettings",
    "FileSettings",
    "LogSettings",
    "McpServerSettings",
    "McpSettings",
    "ModelSettings",
    "ResponsesSettings",
    "Section",
    "ServerSettings",
    "Settings",
    "ToolSettings",
    "UpstreamSettings",
]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One ``[section]``. Its repr masks secrets."""

    def __repr__(self) -> str:
        shown = (
            f"{name}={'***' if self._masks(name) else repr(getattr(self, name))}"
            for name in self.__struct_fields__
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def _masks(self, name: str) -> bool:
        return getattr(self, name) is not None and is_secret(keys_of(type(self))[name])


class ServerSettings(Section, frozen=True):
    host: Host = "127.0.0.1"
    port: Port = 8080
    max_body_bytes: BodyBytes = 67_108_864
    body_timeout_seconds: Seconds = 60.0
    heartbeat_seconds: Seconds = 15.0


class UpstreamSettings(Section, frozen=True):
    url: UpstreamUrl = "http://127.0.0.1:8000/v1"
    api_key: Token | None = None
    dialect: Literal["vllm", "openai"] = "vllm"
    connect_timeout_seconds: Seconds = 10.0
    idle_timeout_seconds: Seconds = 300.0


class DatabaseSettings(Section, frozen=True):
    """``url`` None: an embedded PostgreSQL in ``embedded_dir``, None: its default."""

    url: DatabaseUrl | None = None
    embedded_dir: Directory | None = None
    pool_max: PoolSize = 8
    acquire_timeout_seconds: Seconds = 5.0
    statement_timeout_seconds: Seconds = 30.0
    lease_seconds: Seconds = 30.0
    history_cache_bytes: Bytes = 67_108_864


class ResponsesSettings(Section, frozen=True):
    reasoning_events: Literal["openai", "open_responses"] = "openai"
    reasoning_summary: Literal["verbatim", "off"] = "verbatim"
    obfuscation: bool = True
    sealing_keys: SealingKeys | None = None
    prompts_dir: Directory | None = None


class FileSettings(Section, frozen=True):
    """Of an ``input_file``. ``pdf_*`` bound the processes that read PDFs."""

    max_files: Count = 20
    max_bytes: Bytes = 33_554_432
    max_characters: Count = 2_000_000
    max_pages: Count = 1000
    read_seconds: Seconds = 60.0
    fetch_seconds: Seconds = 20.0
    pdf_seconds: Seconds = 15.0
    pdf_memory_bytes: WorkerBytes = 1_073_741_824
    pdf_workers: Workers = 2
    pdf_cache_bytes: Bytes = 16_777_216


class EgressSettings(Section, frozen=True):
    """What the service itself may fetch from the network on behalf of a client."""

    ports: Ports = (80, 443)
    allowed_hosts: Hosts = ()
    allowed_networks: Networks = ()
    allow_private_networks: bool = False


class McpServerSettings(Section, frozen=True):
    """One ``[[mcp.servers]]`` table: ``url`` or ``command``. ``transport`` None: what fits."""

    label: Label
    url: McpUrl | None = None
    command: Name | None = None
    args: Names = ()
    env: Environment | None = None
    transport: Literal["streamable_http", "sse", "stdio"] | None = None
    headers: HttpHeaders | None = None
    description: Name | None = None
    allowed_tools: Names | None = None
    require_approval: Literal["never", "always"] = "never"
    connector: Name | None = None
    token_url: McpUrl | None = None
    client_id: Name | None = None
    client_secret: Token | None = None
    scope: Name | None = None

    @property
    def fault(self) -> str | None:
        """What is wrong with the keys together, as the end of "… must"; None: nothing."""
        oauth = (self.token_url, self.client_id, self.client_secret)
        if (self.url is None) is (self.command is None):
            return "have either url or command"
        if self.transport is not None and (self.transport == "stdio") is (self.command is None):
            return "have the transport stdio with a command, and another one with a url"
        if self.command is None and (self.args or self.env is not None):
            return "have args and env only with a command"
        if self.url is None and (self.headers is not None or any(oauth)):
            return "have headers and OAuth credentials only with a url"
        if any(oauth) and None in oauth:
            return "have token_url, client_id and client_secret, or none of them"
        if self.scope is not None and self.token_url is None:
            return "have a scope only with a token_url"
        return None


class ToolSettings(Section, frozen=True):
    """Bounds of the calls that the gateway runs for one response."""

    parallel_calls: Count = 5
    max_rounds: Count = 32
    max_seconds: Seconds = 600.0
    max_output_bytes: Bytes = 4_194_304
    max_failures: Count = 8


class McpSettings(Section, frozen=True):
    """MCP servers whose tools the gateway calls."""

    request_declared: bool = True
    idle_seconds: Seconds = 300.0
    list_ttl_seconds: Seconds = 300.0
    connect_seconds: Seconds = 30.0
    list_seconds: Seconds = 30.0
    call_seconds: Seconds = 120.0
    max_output_bytes: OutputBytes = 262_144
    max_sessions: Sessions = 256
    servers: tuple[McpServerSettings, ...] = ()


class LogSettings(Section, frozen=True):
    level: Literal["debug", "info", "warning", "error", "critical"] = "info"


class ModelSettings(Section, frozen=True):
    """One ``[[models]]`` table. What is None stays as the gateway knows the model; the keys are
    those of ``prompt.profile.ModelProfile``.
    """

    match: Glob
    dialect: Literal["vllm", "openai"] | None = None
    reasoning_replay: Literal["current_turn", "all", "none"] | None = None
    reasoning_field: Literal["reasoning", "reasoning_content"] | None = None
    reasoning_summary: Literal["verbatim", "off"] | None = None
    effort: Efforts | None = None
    leading_system: Literal["system", "user"] | None = None
    late_system: Literal["fold", "system", "user"] | None = None
    developer: Literal["system", "user"] | None = None
    merge_user_messages: bool | None = None
    calls_per_message: Literal["all", "one"] | None = None
    tool_results: Literal["tool", "user"] | None = None
    tool_images: Literal["user", "tool", "none"] | None = None
    tool_call_ids: Literal["as_given", "nine_characters"] | None = None
    message_phases: bool | None = None
    cache_salt: Literal["off", "prompt_cache_key"] | None = None

    @property
    def changes(self) -> dict[str, object]:
        """The keys that are set, without ``match``."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return {k: value for k, value in values.items() if k != "match" and value is not None}


class Settings(Section, frozen=True):
    server: ServerSettings = ServerSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    database: DatabaseSettings = DatabaseSettings()
    responses: ResponsesSettings = ResponsesSettings()
    files: FileSettings = FileSettings()
    egress: EgressSettings = EgressSettings()
    tools: ToolSettings = ToolSettings()
    mcp: McpSettings = McpSettings()
    log: LogSettings = LogSettings()
    models: tuple[ModelSettings, ...] = ()
