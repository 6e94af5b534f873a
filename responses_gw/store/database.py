"""The connections to PostgreSQL, and one answer to all the ways in which it can be away.

Theory of operation. A statement borrows a connection from a small pool, runs, and gives it back;
nothing is kept while a response streams. Whatever goes wrong falls into one of three kinds:

- *lost*: a connection died under the statement, most often one that had been idle while PostgreSQL
  restarted. Nobody can tell whether the statement ran. **Every statement that goes through here
  must therefore be safe to repeat** (each says why where it is written). All idle connections are
  taken as dead too, and the statement gets one more try on a new one.
- *unreachable*: no connection can be made. With an embedded server there is someone to ask:
  `revive` starts it again, and the statement gets one more try.
- everything else that means "away": no free connection in time, a statement that takes too long, a
  server out of connections, disk or memory. Not repeated: more load would not help.

What is left of all three after that is :class:`DatabaseUnavailable`. Errors in a statement itself
(syntax, constraints, types) pass through: they are bugs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import asyncpg  # type: ignore[import-untyped]

__all__ = ["Database", "DatabaseUnavailable", "Row", "connection_failure", "statement_failure"]

log = logging.getLogger("responses_gw.store")
T = TypeVar("T")
CLOSE_TIMEOUT_SECONDS = 5.0
RELEASE_TIMEOUT_SECONDS = 1.0
"""A statement that was cut is cancelled on the server first, which takes a round trip."""
REVIVE_PAUSE_SECONDS = 3.0
AWAY = ("08", "53", "57", "58", "25006", "40001", "40P01")
"""SQLSTATE classes: connection, resources, operator and system trouble. Also: the server has become
a read-only standby; a serialization failure or deadlock, which a repetition resolves."""
LOST = ("08", "57P01", "57P02", "57P03", "57P05", "25006", "40001", "40P01")
"""Those of them where a repetition on a new connection can succeed at once."""


class DatabaseUnavailable(Exception):
    """The database is away, too busy or too slow. Trying again later can help."""


class _Lost(DatabaseUnavailable):
    """The connection broke under the statement."""


class _Unreachable(DatabaseUnavailable):
    """No connection could be made."""


class Row(Protocol):
    """A row by column name. The values are what the statement selects."""

    def __getitem__(self, column: str, /) -> Any: ...


class Database:
    """A pool of at most ``pool_max`` connections, which are made when they are needed.

    ``revive`` is a blocking function that brings the server back (the embedded one's ``start``).
    It is called in a thread when no connection can be made: never twice at a time, and not again
    within seconds.
    """

    def __init__(
        self,
        dsn: str,
        *,
        pool_max: int = 8,
        acquire_timeout_seconds: float = 5.0,
        statement_timeout_seconds: float = 30.0,
        revive: Callable[[], None] | None = None,
    ) -> None:
        self._dsn = dsn
        self._pool_max = pool_max
        self._acquire_timeout = acquire_timeout_seconds
        self._statement_timeout = statement_timeout_seconds
        self._reviver = None if revive is None else _Reviver(revive)
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Make the pool. Connects to nothing yet, so the database may be away."""
        self._pool = await asyncpg.create_pool(
            self._dsn,
            min_size=0,
            max_size=self._pool_max,
            command_timeout=self._statement_timeout,
            reset=_keep_session,
            server_settings={"application_name": "responses-gw"},
        )

    async def close(self) -> None:
        """Close the connections, those in use within seconds. May be repeated."""
        pool, self._pool = self._pool, None
        if self._reviver is not None:
            await self._reviver.finished()
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), CLOSE_TIMEOUT_SECONDS)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("database connections were cut: %s", error or "they were still in use")
            pool.terminate()

    async def fetch(self, sql: str, *args: object) -> list[Row]:
        """All rows. ``sql`` must be safe to repeat. Raises :class:`DatabaseUnavailable`."""
        rows: list[Row] = await self._run(lambda connection: connection.fetch(sql, *args))
        return rows

    async def fetchrow(self, sql: str, *args: object) -> Row | None:
        """The first row. ``sql`` must be safe to repeat. Raises :class:`DatabaseUnavailable`."""
        row: Row | None = await self._run(lambda connection: connection.fetchrow(sql, *args))
        return row

    async def fetchval(self, sql: str, *args: object) -> Any:
        """The first column of the first row, or None. Otherwise as :meth:`fetchrow`."""
        return await self._run(lambda connection: connection.fetchval(sql, *args))

    async def execute(self, sql: str, *args: object) -> str:
        """The status such as ``DELETE 3``. Otherwise as :meth:`fetchrow`."""
        status: str = await self._run(lambda connection: connection.execute(sql, *args))
        return status

    async def ping(self) -> None:
        """Raises :class:`DatabaseUnavailable` unless a statement can be run right now."""
        await self.fetchval("SELECT 1")

    async def _run(self, statement: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        was_lost = was_revived = False
        while True:
            try:
                return await self._attempt(statement)
            except _Lost:
                if was_lost or self._pool is None:
                    raise
                was_lost = True
                await self._pool.expire_connections()
            except _Unreachable:
                if was_revived or not await self._revive():
                    raise
                was_revived = True

    async def _attempt(self, statement: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        pool = self._pool
        if pool is None:
            raise DatabaseUnavailable("the database is not open")
        connection = await self._acquire(pool)
        try:
            return await statement(connection)
        except (OSError, asyncpg.PostgresError, *_CLIENT_ERRORS) as error:
            failure = statement_failure(error, connection)
            if failure is None:
                raise
            raise failure from error
        finally:
            await self._release(pool, connection)

    async def _release(self, pool: asyncpg.Pool, connection: asyncpg.Connection) -> None:
        """Give a connection back. One that cannot be is cut by asyncpg; what the statement gave or
        raised stands."""
        try:
            await pool.release(connection, timeout=RELEASE_TIMEOUT_SECONDS)
        except (OSError, asyncpg.PostgresError, *_CLIENT_ERRORS) as error:
            log.warning("a database connection was cut: %s", error or "it did not answer")

    async def _acquire(self, pool: asyncpg.Pool) -> asyncpg.Connection:
        try:
            return await pool.acquire(timeout=self._acquire_timeout)
        except TimeoutError as error:
            raise DatabaseUnavailable(
                f"no database connection within {self._acquire_timeout:g} s"
            ) from error
        except (OSError, asyncpg.PostgresError, *_CLIENT_ERRORS) as error:
            raise connection_failure(error) from error

    async def _revive(self) -> bool:
        if self._reviver is None or self._pool is None:
            return False
        return await self._reviver.revive(self._acquire_timeout)


_CLIENT_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError)


def connection_failure(error: Exception) -> DatabaseUnavailable:
    """Why no connection could be made; without the DSN, which may hold a password."""
    reason = str(error) or type(error).__name__
    if isinstance(error, ValueError):  # asyncpg quotes the parts of a URL it cannot read
        reason = "its URL cannot be understood"
    message = f"cannot connect to the database: {reason}"
    refused = isinstance(error, OSError) and not isinstance(error, TimeoutError)
    if refused or _sqlstate(error).startswith(LOST):
        return _Unreachable(message)
    return DatabaseUnavailable(message)


def statement_failure(
    error: Exception, connection: asyncpg.Connection
) -> DatabaseUnavailable | None:
    """What an error under a statement says about the database; None: it is the statement's own."""
    if isinstance(error, TimeoutError):
        return DatabaseUnavailable("the database took too long to answer")
    state = _sqlstate(error)
    message = f"the database is away: {error or type(error).__name__}"
    if isinstance(error, OSError) or state.startswith(LOST):
        return _Lost(message)
    if state.startswith(AWAY):
        return DatabaseUnavailable(message)
    if isinstance(error, _CLIENT_ERRORS) and _is_gone(connection):
        return _Lost(message)
    return None


def _sqlstate(error: Exception) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _is_gone(connection: asyncpg.Connection) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:  # the pool has taken it back already, because it was closed
        return True


async def _keep_session(connection: asyncpg.Connection) -> None:
    """In place of asyncpg's reset, a round trip per statement: no statement here leaves anything
    behind in its session."""


class _Reviver:
    """Calls ``revive`` in a thread, one at a time and at most every few seconds, for all
    statements that ask."""

    def __init__(self, revive: Callable[[], None]) -> None:
        self._function = revive
        self._task: asyncio.Task[bool] | None = None
        self._quiet_until = 0.0

    async def revive(self, timeout_seconds: float) -> bool:
        """Whether a new connection is worth a try. Whoever gives up leaves the work running."""
        task = self._task
        if task is None or (task.done() and time.monotonic() >= self._quiet_until):
            task = self._task = asyncio.create_task(self._revive())
        await asyncio.wait({task}, timeout=timeout_seconds)
        return task.done() and task.result()

    async def finished(self) -> None:
        """Nothing is being revived any more: a server must not come up behind our back."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _revive(self) -> bool:
        log.warning("the database cannot be reached; starting it again")
        try:
            await asyncio.to_thread(self._function)
        except Exception:
            log.exception("the database could not be started")
            return False
        finally:
            self._quiet_until = time.monotonic() + REVIVE_PAUSE_SECONDS
        return True
