"""``responses-gw doctor``: is everything there that the service needs? And the database's address.

Each check is one coroutine that gives one `Check`; none prints, and none shows a secret.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import platform
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import msgspec

from .api.errors import ApiError
from .serving import StartFailed, bind
from .settings import CONFIG, DatabaseSettings, ServerSettings, Settings, UpstreamSettings
from .store import (
    DatabaseUnavailable,
    EmbeddedPostgresError,
    MigrationError,
    default_root,
    embedded_server,
    pending,
)
from .tools.mcp import McpServers, Server

__all__ = ["DATABASE_FAULTS", "Check", "database_url", "examine", "shown_fault", "shown_url"]

DATABASE_FAULTS = (EmbeddedPostgresError, DatabaseUnavailable, MigrationError, OSError)
LIVENESS_SECONDS = 2.0
MODELS_SECONDS = 30.0


class Check(msgspec.Struct, frozen=True):
    """What was looked at, how it was found and, when it is not well, what to do."""

    name: str
    found: str
    hint: str = ""

    @property
    def ok(self) -> bool:
        return not self.hint

    def __str__(self) -> str:
        line = f"{'ok' if self.ok else 'FAIL':<6}{self.name:<10}{' '.join(self.found.split())}"
        return line if self.ok else f"{line}\n{'':16}{self.hint}"


async def examine(settings: Settings, environ: Mapping[str, str]) -> AsyncGenerator[Check]:
    """The checks, each as soon as it is done."""
    yield Check("python", f"{platform.python_version()} at {sys.executable}")
    yield Check("settings", f"{environ.get(CONFIG) or 'no file'} and the environment")
    yield await _check_database(settings.database)
    yield await _check_upstream(settings.upstream)
    async with McpServers(settings.mcp) as servers:
        for server in servers.configured:
            yield await _check_mcp_server(servers, server)
    yield await asyncio.to_thread(_check_port, settings.server)


@contextlib.asynccontextmanager
async def database_url(settings: DatabaseSettings) -> AsyncIterator[str]:
    """The configured database's URL, or that of the embedded one, which runs for as long."""
    if settings.url is not None:
        yield settings.url
        return
    root = default_root() if settings.embedded_dir is None else Path(settings.embedded_dir)
    async with embedded_server(root) as embedded:
        yield embedded.dsn


def shown_url(url: str | None) -> str:
    """A database URL without what could be a secret: its host, port and database name."""
    if url is None:
        return "embedded"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def shown_fault(error: Exception, url: str | None) -> str:
    """What the database's driver says, on one line and without the URL's password."""
    password = urlsplit(url).password if url is not None else None
    text = " ".join(str(error).split()) or type(error).__name__
    return text.replace(password, "***") if password else text


async def _check_database(settings: DatabaseSettings) -> Check:
    shown = shown_url(settings.url)
    try:
        async with database_url(settings) as url:
            missing = await pending(url)
    except DATABASE_FAULTS as error:
        hint = (
            "its own log is in its directory, [database] embedded_dir"
            if settings.url is None
            else "is the server up, and is RESPONSES_GW_DATABASE_URL right?"
        )
        return Check("database", f"{shown}: {shown_fault(error, settings.url)}", hint)
    if not missing:
        return Check("database", f"{shown}, schema up to date")
    labels = ", ".join(migration.label for migration in missing)
    # not a fault: the service applies them when it starts
    return Check("database", f"{shown}, to be applied at the next start: {labels}")


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


async def _check_upstream(settings: UpstreamSettings) -> Check:
    url = f"{settings.url.rstrip('/')}/models"
    key = settings.api_key
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    timeout = aiohttp.ClientTimeout(MODELS_SECONDS, sock_connect=settings.connect_timeout_seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
            session.get(url) as answer,
        ):
            body = await answer.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = error.strerror if isinstance(error, aiohttp.ClientConnectorError) else str(error)
        found = reason or "no answer in time"
        return Check("upstream", f"{url}: {found}", "start it, or set RESPONSES_GW_UPSTREAM")
    if answer.status in (401, 403):
        return Check("upstream", f"{url}: {answer.status}", "set RESPONSES_GW_UPSTREAM_API_KEY")
    try:
        models = msgspec.json.decode(body, type=_Models).data if answer.status == 200 else None
    except msgspec.DecodeError:
        models = None
    if models is None:
        found = f"{url}: {answer.status}, not a list of models"
        return Check(
            "upstream", found, "RESPONSES_GW_UPSTREAM must end as the server's API, in /v1"
        )
    return Check("upstream", f"{url}: {', '.join(model.id for model in models) or 'no models'}")


async def _check_mcp_server(servers: McpServers, server: Server) -> Check:
    try:
        tools = await servers.list_tools(server)
    except ApiError as error:
        return Check("mcp", error.message, "see its table [[mcp.servers]] in the settings")
    missing = set(server.allowed_tools or ()) - {tool.name for tool in tools}
    if missing:
        found = f"{server.label}: has no {', '.join(sorted(missing))}"
        return Check("mcp", found, "allowed_tools names tools that the server does not have")
    return Check("mcp", f"{server.label}: {len(tools)} tool{'' if len(tools) == 1 else 's'}")


def _check_port(settings: ServerSettings) -> Check:
    place = f"{settings.host} port {settings.port}"
    try:
        with bind(settings.host, settings.port) as listener:
            listener.listen(1)
    except (StartFailed, OSError) as error:
        if _is_served(settings):
            return Check("port", f"{place}: a running service answers there")
        return Check("port", str(error), "stop what listens there, or set RESPONSES_GW_SERVER_PORT")
    return Check("port", f"{place} is free")


def _is_served(settings: ServerSettings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=LIVENESS_SECONDS)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
