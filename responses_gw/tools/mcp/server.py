"""Which server a tool of a request means: one of the operator's, or one that it declares."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Struct

from ...api.errors import ApiError
from ...api.tools import McpTool
from ...egress import EgressError
from ...settings import McpServerSettings

__all__ = ["ClientCredentials", "Directory", "Server", "Transport"]

Transport = Literal["streamable_http", "sse", "stdio"]
_ISSUED_BY_TRANSPORT = ("host", "content-length", "transfer-encoding", "connection")
_PEPPER = secrets.token_bytes(32)
_encode = msgspec.json.Encoder().encode


class ClientCredentials(Struct, frozen=True):
    """Of OAuth's client credentials grant (RFC 6749 §4.4)."""

    token_url: str
    client_id: str
    client_secret: str
    scope: str | None = None

    def __repr__(self) -> str:
        return "ClientCredentials(***)"


class Server(Struct, frozen=True):
    """Where a server is and how it is spoken to. Its repr shows neither address nor secrets.

    ``key`` is the same for the same address and credentials, and tells neither to anyone outside
    of this process: sessions and lists are kept under it. ``allowed_tools`` and
    ``require_approval`` are the operator's word; None: there is none.
    """

    label: str
    key: str
    is_configured: bool
    transport: Transport
    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    credentials: ClientCredentials | None = None
    command: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    description: str | None = None
    allowed_tools: tuple[str, ...] | None = None
    require_approval: Literal["never", "always"] | None = None
    connector: str | None = None

    def __repr__(self) -> str:
        origin = "configured" if self.is_configured else "declared"
        return f"<Server {self.label!r}, {origin}, {self.transport}>"

    def allows(self, name: str) -> bool:
        """Whether the operator lets this tool be called."""
        return self.allowed_tools is None or name in self.allowed_tools


class Directory:
    """The servers of the settings by label and connector, and those that requests declare, if there
    is a ``check_url`` for them.
    """

    def __init__(
        self,
        servers: tuple[McpServerSettings, ...],
        check_url: Callable[[str], object] | None,
    ) -> None:
        self._by_label = {one.label: _configured(one) for one in servers}
        self._by_connector = {
            server.connector: server
            for server in self._by_label.values()
            if server.connector is not None
        }
        self._check_url = check_url

    @property
    def configured(self) -> tuple[Server, ...]:
        return tuple(self._by_label.values())

    def find(self, label: str) -> Server | None:
        return self._by_label.get(label)

    def server_of(self, tool: McpTool, tenant: str) -> Server:
        """What a tenant's request declares is shared with nobody else: its sessions may have state.

        Raises :class:`~responses_gw.api.errors.ApiError` (400) if there is none."""
        label = tool.server_label
        given = [
            name
            for name in ("server_url", "connector_id", "tunnel_id")
            if getattr(tool, name) is not None
        ]
        if len(given) > 1:
            raise _refused(
                f"MCP server '{label}' must have only one of 'server_url', 'connector_id' and "
                f"'tunnel_id', but has {' and '.join(repr(name) for name in given)}."
            )
        if tool.tunnel_id is not None:
            raise _refused(f"MCP server '{label}': 'tunnel_id' is not supported by this server.")
        if tool.connector_id is not None:
            return self._connector(label, tool.connector_id)
        if tool.server_url is not None:
            return self._declared(tool, tool.server_url, tenant)
        server = self._by_label.get(label)
        if server is None:
            raise _refused(
                f"MCP server '{label}' is not configured here and has no 'server_url' or "
                "'connector_id'."
            )
        return server

    def _connector(self, label: str, connector: str) -> Server:
        server = self._by_connector.get(connector)
        if server is None:
            raise _refused(f"MCP server '{label}': unknown connector '{connector[:64]}'.")
        return msgspec.structs.replace(server, label=label)

    def _declared(self, tool: McpTool, url: str, tenant: str) -> Server:
        if self._check_url is None:
            raise _refused(
                f"MCP server '{tool.server_label}': this server accepts no 'server_url'; it only "
                "calls MCP servers that its operator has configured."
            )
        try:
            self._check_url(url)
        except EgressError as error:
            raise _refused(
                f"The 'server_url' of MCP server '{tool.server_label}' cannot be used: {error}."
            ) from error
        headers = _declared_headers(tool)
        return Server(
            label=tool.server_label,
            key=_key("declared", tenant, url, headers),
            is_configured=False,
            transport="streamable_http",
            url=url,
            headers=headers,
            description=tool.server_description,
        )


def _configured(one: McpServerSettings) -> Server:
    headers = tuple(sorted((one.headers or {}).items()))
    env = tuple(sorted((one.env or {}).items()))
    command = () if one.command is None else (one.command, *one.args)
    transport = one.transport or ("stdio" if command else "streamable_http")
    credentials = None
    if one.token_url is not None and one.client_id is not None and one.client_secret is not None:
        credentials = ClientCredentials(one.token_url, one.client_id, one.client_secret, one.scope)
    parts = (one.url, headers, command, env, credentials)
    return Server(
        label=one.label,
        key=_key("configured", transport, *parts),
        is_configured=True,
        transport=transport,
        url=one.url or "",
        headers=headers,
        credentials=credentials,
        command=command,
        env=env,
        description=one.description,
        allowed_tools=one.allowed_tools,
        require_approval=one.require_approval,
        connector=one.connector,
    )


def _declared_headers(tool: McpTool) -> tuple[tuple[str, str], ...]:
    """The headers to send: ``authorization`` is a bearer token unless it names its scheme."""
    headers = {name.strip().lower(): value for name, value in (tool.headers or {}).items()}
    if tool.authorization is not None:
        token = tool.authorization.strip()
        headers["authorization"] = token if " " in token else f"Bearer {token}"
    for name, value in headers.items():
        if name in _ISSUED_BY_TRANSPORT or not _is_header(name, value):
            raise _refused(f"MCP server '{tool.server_label}': a header cannot be sent as it is.")
    return tuple(sorted(headers.items()))


def _is_header(name: str, value: str) -> bool:
    fits = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return fits and value.isascii() and (value.isprintable() or not value)


def _key(*parts: object) -> str:
    return hmac.new(_PEPPER, _encode(parts), hashlib.sha256).hexdigest()[:32]


def _refused(message: str) -> ApiError:
    return ApiError(message, param="tools")
