"""The open sessions: one for each server and its credentials, opened when it is needed."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

from ...settings import McpSettings
from .faults import overloaded
from .server import Server

if TYPE_CHECKING:
    import httpx2

    from .oauth import AccessTokens
    from .session import Session

__all__ = ["ClientFactory", "SessionPool"]

log = logging.getLogger(__name__)
END_SECONDS = 6.0
CANCEL_SECONDS = 3.0


class ClientFactory(Protocol):
    """Makes the HTTP client of one session, which the session closes."""

    def __call__(self, *, timeout: httpx2.Timeout) -> httpx2.AsyncClient: ...


class SessionPool:
    """``declared_client`` makes the clients that go to where requests say: it is the guard's."""

    def __init__(
        self,
        settings: McpSettings,
        declared_client: ClientFactory | None,
        on_list_changed: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._declared_client = declared_client
        self._on_list_changed = on_list_changed
        self._sessions: dict[str, Session] = {}  # the last used one last
        self._alive: set[asyncio.Task[None]] = set()
        self._tokens: dict[str, AccessTokens] = {}
        self._sdk: ModuleType | None = None
        self._is_closed = False

    async def load(self) -> None:
        """Import the SDK, in a thread: it takes most of a second."""
        if self._sdk is None:
            self._sdk = await asyncio.to_thread(importlib.import_module, f"{__package__}.session")

    async def session(self, server: Server) -> Session:
        """One that takes requests; use it before anything else is awaited.

        Raises :class:`~responses_gw.tools.mcp.faults.ServerFault` when all of them are busy.
        """
        await self.load()
        found = self._sessions.pop(server.key, None)
        if found is None or not found.takes_requests:
            self._make_room(server)
            found = self._open(server)
        self._sessions[server.key] = found
        return found

    async def close(self) -> None:
        """End all sessions, in bounded time."""
        self._is_closed = True
        for session in list(self._sessions.values()):
            session.end()
        for seconds in (END_SECONDS, CANCEL_SECONDS):
            if self._alive:
                await asyncio.wait(self._alive, timeout=seconds)
            for task in self._alive:
                task.cancel()
        if self._alive:
            log.warning("%d MCP sessions could not be closed", len(self._alive))

    def _make_room(self, server: Server) -> None:
        """Servers that requests declare may take half of the room: the operator's stay open."""
        if self._is_closed:
            raise overloaded()
        if not server.is_configured:
            declared = [one for one in self._sessions.values() if not one.server.is_configured]
            if len(declared) >= max(self._settings.max_sessions // 2, 1):
                self._retire(next((one for one in declared if one.is_idle), None))
        while len(self._sessions) >= self._settings.max_sessions:
            self._retire(next((one for one in self._sessions.values() if one.is_idle), None))

    def _retire(self, idle: Session | None) -> None:
        if idle is None:
            raise overloaded()
        del self._sessions[idle.server.key]
        idle.retire()

    def _open(self, server: Server) -> Session:
        assert self._sdk is not None
        session: Session = self._sdk.Session(
            server,
            self._settings,
            self._sdk.plain_client if server.is_configured else self._declared_client,
            self._tokens_of(server),
            on_list_changed=lambda: self._on_list_changed(server.key),
            on_end=self._ended,
        )
        self._alive.add(session.task)
        session.task.add_done_callback(self._alive.discard)
        return session

    def _tokens_of(self, server: Server) -> AccessTokens | None:
        if server.credentials is None:
            return None
        if server.key not in self._tokens:
            from .oauth import AccessTokens  # it knows the SDK's HTTP client

            self._tokens[server.key] = AccessTokens(server.credentials)
        return self._tokens[server.key]

    def _ended(self, session: Session) -> None:
        if self._sessions.get(session.server.key) is session:
            del self._sessions[session.server.key]
