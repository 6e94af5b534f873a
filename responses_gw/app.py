"""The composition root: settings in, ASGI app out. Nothing else builds objects.

``hypercorn responses_gw.app:app`` serves it. The service is opened at lifespan start and closed at
lifespan end, in the reverse order; a start that fails is reported to the server with the reason.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import uuid
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from starlette.types import ASGIApp, Receive, Scope, Send

from .api.errors import unavailable
from .egress import Egress, Guard
from .engine import Engine
from .engine.files import InputFiles
from .engine.history import Histories
from .engine.parts import Parts
from .engine.prompt_library import PromptLibrary
from .files import PdfReaders
from .http import Edge
from .http.health import Ready
from .http.heartbeat import Heartbeat
from .prompt.profile import ModelProfile
from .prompt.profile_lookup import ProfileLookup
from .prompt.sealing import Sealer
from .prompt.snapshot import Snapshot
from .settings import Settings, SettingsError, load, sealing_key
from .store import (
    Database,
    DatabaseUnavailable,
    EmbeddedPostgresError,
    HistoryCache,
    LeaseKeeper,
    MigrationError,
    ResponseStore,
    default_root,
    embedded_server,
    kept_sealing_key,
    migrate,
)
from .tools.mcp import McpKind, McpServers
from .upstream import UpstreamClient

if TYPE_CHECKING:
    import httpx2

__all__ = ["App", "app"]

log = logging.getLogger(__name__)
STARTUP_FAULTS = (
    SettingsError,
    EmbeddedPostgresError,
    MigrationError,
    DatabaseUnavailable,
    OSError,
)

# hypercorn imports the app before it makes its loop: so the plain command runs on uvloop too, and
# with it its graceful timeout holds on Python 3.12 and later
uvloop.install()


class App:
    """The ASGI application. ``edge`` is there between lifespan start and end."""

    def __init__(self) -> None:
        self._edge: ASGIApp | None = None
        self._resources = contextlib.AsyncExitStack()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._edge is None:
            raise RuntimeError("the server did not run the application's lifespan")
        else:
            await self._edge(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._open()
        except STARTUP_FAULTS as error:
            await self._resources.aclose()
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        except BaseException as error:
            await self._resources.aclose()
            if not isinstance(error, Exception):
                raise
            log.exception("the service cannot start")
            await send({"type": "lifespan.startup.failed", "message": "an error of our own"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self) -> None:
        settings = load(os.environ)
        _set_up_logging(settings)
        _leave_sigterm_to_the_master()
        enter = self._resources.enter_async_context
        database = await enter(_database(settings))
        owner = uuid.uuid4()
        store = ResponseStore(database, owner)
        leases = LeaseKeeper(
            database,
            owner,
            ttl_seconds=settings.database.lease_seconds,
            running=lambda: store.running,
        )
        await leases.start()
        self._resources.push_async_callback(leases.close)
        upstream = await enter(UpstreamClient(settings.upstream))
        pdfs = PdfReaders(settings.files)
        self._resources.push_async_callback(pdfs.close)
        guard = await enter(Guard(settings.egress))
        files = InputFiles(settings.files, await enter(Egress(guard)), pdfs)
        mcp = await enter(
            McpServers(settings.mcp, partial(_declared_client, guard), guard.check_url)
        )
        heartbeat = Heartbeat(settings.server.heartbeat_seconds)
        heartbeat.start()
        self._resources.push_async_callback(heartbeat.close)
        sealer = Sealer(await _sealing_keys(settings, database))
        cache = HistoryCache[Snapshot](settings.database.history_cache_bytes)
        histories = Histories(store, cache, sealer)
        engine = Engine(
            Parts(
                upstream,
                store,
                histories,
                files,
                [McpKind(mcp)],
                settings.tools,
                mcp,
                PromptLibrary.read(settings.responses.prompts_dir),
                _profiles(settings),
                sealer,
                announce_seconds=settings.server.heartbeat_seconds,
                obfuscates=settings.responses.obfuscation,
            )
        )
        self._edge = Edge(engine, settings, heartbeat, Ready(lambda: _check(database)))
        gc.collect()
        gc.freeze()  # what the start made lives for ever: full collections need not walk it

    async def _close(self) -> None:
        self._edge = None
        await self._resources.aclose()


def _declared_client(guard: Guard, *, timeout: httpx2.Timeout) -> httpx2.AsyncClient:
    """To the servers that requests declare. The library is large: it comes with the first one."""
    from .egress.http_client import guarded_client

    return guarded_client(guard, timeout=timeout)


@contextlib.asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    """The pool, on the configured server or on the embedded one, migrated."""
    async with contextlib.AsyncExitStack() as resources:
        url, revive = settings.database.url, None
        if url is None:
            root = settings.database.embedded_dir
            embedded = await resources.enter_async_context(
                embedded_server(Path(root) if root is not None else default_root())
            )
            url, revive = embedded.dsn, embedded.start
        await migrate(url)
        database = Database(
            url,
            pool_max=settings.database.pool_max,
            acquire_timeout_seconds=settings.database.acquire_timeout_seconds,
            statement_timeout_seconds=settings.database.statement_timeout_seconds,
            revive=revive,
        )
        await database.open()
        resources.push_async_callback(database.close)
        yield database


async def _sealing_keys(settings: Settings, database: Database) -> list[bytes]:
    """The configured keys, or the one that the database keeps."""
    configured = settings.responses.sealing_keys
    if configured is None:
        return [await kept_sealing_key(database)]
    return [sealing_key(text) for text in configured]


def _profiles(settings: Settings) -> ProfileLookup:
    base = ModelProfile(
        dialect=settings.upstream.dialect,
        reasoning_summary=settings.responses.reasoning_summary,
    )
    return ProfileLookup(base, [(table.match, table.changes) for table in settings.models])


async def _check(database: Database) -> None:
    try:
        await database.ping()
    except DatabaseUnavailable as error:
        raise unavailable("The database is not available.") from error


def _set_up_logging(settings: Settings) -> None:
    """Our own loggers only: the server that runs us has set up its own."""
    ours = logging.getLogger("responses_gw")
    ours.setLevel(settings.log.level.upper())
    if not ours.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        ours.addHandler(handler)
        ours.propagate = False


def _leave_sigterm_to_the_master() -> None:
    """A hypercorn worker that dies by the default action cuts its streams; its master stops it
    properly.
    """
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


app = App()
