"""Plain-SQL migrations: ``NNNN_name.sql``, forward only, each applied once and in order.

Theory of operation. Any number of processes may start at once; an advisory lock lets one of them
work and the others find nothing left to do. The lock is *polled*: a session that waits inside
``pg_advisory_lock()`` keeps a snapshot open, on which the worker's ``CREATE INDEX CONCURRENTLY``
waits in turn, and PostgreSQL ends that as a deadlock. The lock belongs to the session and goes with
it, also when the process is killed.

A file runs in one transaction together with its record. A file whose first line is
``-- no-transaction`` runs without one: it must hold a single statement (PostgreSQL wraps several in
a transaction again) that can be repeated, for it may be cut off before it is recorded.

What was applied is compared by SHA-256, so a file that was edited afterwards stops the start, as
does a database that has migrations this program does not know.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
from msgspec import Struct

from .database import connection_failure, statement_failure

__all__ = ["Migration", "MigrationError", "find_migrations_folder", "migrate", "pending"]

log = logging.getLogger("responses_gw.store")
LOCK_KEY = 0x7265737067770001  # "respgw" and a number: any constant that no other program uses
LOCK_POLL_SECONDS = 0.1
TABLE_LOCK_SECONDS = 2.0
TABLE_LOCK_PAUSE_SECONDS = 1.0
LOCK_TRIES = 20
CONNECT_TIMEOUT_SECONDS = 10.0
FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
RECORDS_TABLE = """
    CREATE TABLE schema_migrations (
        version    integer PRIMARY KEY,
        name       text NOT NULL,
        sha256     text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(),
        took_ms    integer NOT NULL
    )"""
RECORD = "INSERT INTO schema_migrations (version, name, sha256, took_ms) VALUES ($1, $2, $3, $4)"


class MigrationError(Exception):
    """The database cannot be brought to what this program needs; the message says why."""


class Migration(Struct, frozen=True):
    """One file. ``sql`` has Unix line ends whatever the checkout made of them."""

    version: int
    name: str
    sql: str

    @property
    def label(self) -> str:
        return f"{self.version:04}_{self.name}"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def transactional(self) -> bool:
        return not self.sql.startswith("-- no-transaction")


def find_migrations_folder() -> Path:
    """The folder inside the installed package, or that of the checkout.

    Raises :class:`MigrationError` when there is neither.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "migrations", package.parent / "migrations"):
        if folder.is_dir():
            return folder
    raise MigrationError(f"no migrations folder in {package} or next to it")


async def migrate(
    dsn: str, folder: Path | None = None, *, lock_timeout_seconds: float = 60.0
) -> list[int]:
    """Apply what is missing; returns the versions that this call applied.

    Raises :class:`MigrationError` for bad files, bad SQL (rolled back), a changed file, a newer
    database, and a lock not obtained in time; ``DatabaseUnavailable`` if there is no connection.
    """
    migrations = _load(folder or find_migrations_folder())
    connection = await _connect(dsn)
    try:
        await _lock(connection, lock_timeout_seconds)
        if not await _has_records(connection):
            await connection.execute(RECORDS_TABLE)
        missing = await _missing(connection, migrations)
        for migration in missing:
            await _apply(connection, migration)
        return [migration.version for migration in missing]
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise statement_failure(error, connection) or MigrationError(str(error)) from error
    finally:
        await _close(connection)


async def pending(dsn: str, folder: Path | None = None) -> list[Migration]:
    """What :func:`migrate` would apply. Changes nothing and takes no lock; raises as it does."""
    migrations = _load(folder or find_migrations_folder())
    connection = await _connect(dsn)
    try:
        return await _missing(connection, migrations)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise statement_failure(error, connection) or MigrationError(str(error)) from error
    finally:
        await _close(connection)


def _load(folder: Path) -> list[Migration]:
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"bad migration file name: {path.name} (not NNNN_name.sql)")
        try:
            sql = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MigrationError(f"cannot read {path.name}: {error}") from error
        found.append(Migration(int(match[1]), match[2], sql))
    if not found:
        raise MigrationError(f"no migrations in {folder}")
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationError("migrations must be numbered 0001, 0002, … without gaps or repeats")
    return found


async def _connect(dsn: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise connection_failure(error) from error


async def _close(connection: asyncpg.Connection) -> None:
    """Also gives the lock back. A connection that cannot say goodbye is cut."""
    try:
        await connection.close(timeout=5)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        log.debug("the migration's connection broke when it was closed: %s", error)
        connection.terminate()


async def _lock(connection: asyncpg.Connection, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):
        if time.monotonic() >= deadline:
            raise MigrationError(
                f"another process has been migrating this database for {timeout_seconds:g} s; "
                "look at pg_locks (locktype 'advisory') if none should be"
            )
        await asyncio.sleep(LOCK_POLL_SECONDS)


async def _has_records(connection: asyncpg.Connection) -> bool:
    found: bool = await connection.fetchval("SELECT to_regclass('schema_migrations') IS NOT NULL")
    return found


async def _missing(connection: asyncpg.Connection, migrations: list[Migration]) -> list[Migration]:
    applied: dict[int, str] = {}
    if await _has_records(connection):
        rows = await connection.fetch("SELECT version, sha256 FROM schema_migrations")
        applied = {row["version"]: row["sha256"] for row in rows}
    if unknown := sorted(applied.keys() - {migration.version for migration in migrations}):
        listed = ", ".join(f"{version:04}" for version in unknown)
        raise MigrationError(f"the database is newer than this program: it has {listed}")
    for migration in migrations:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise MigrationError(f"{migration.label}.sql was changed after it had been applied")
    return [migration for migration in migrations if migration.version not in applied]


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    log.info("applying migration %s", migration.label)
    try:
        if migration.transactional:
            await _apply_between_others(connection, migration)
        else:
            await _run(connection, migration)
    except asyncpg.PostgresError as error:
        if statement_failure(error, connection) is not None:
            raise
        raise MigrationError(f"migration {migration.label}: {error}") from error


async def _apply_between_others(connection: asyncpg.Connection, migration: Migration) -> None:
    """In one transaction that waits for a table only briefly: while it waits, everybody else waits
    behind it, so it steps aside and tries again. Raises what the last try raised.
    """
    for attempt in range(LOCK_TRIES):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{TABLE_LOCK_SECONDS:g}s'")
                await _run(connection, migration)
            return
        except asyncpg.LockNotAvailableError:
            if attempt + 1 == LOCK_TRIES:
                raise
            log.warning("migration %s waits for a table that others use", migration.label)
            await asyncio.sleep(TABLE_LOCK_PAUSE_SECONDS)


async def _run(connection: asyncpg.Connection, migration: Migration) -> None:
    began = time.monotonic()
    await connection.execute(migration.sql)  # without arguments: several statements are allowed
    took_ms = round((time.monotonic() - began) * 1000)
    await connection.execute(RECORD, migration.version, migration.name, migration.sha256, took_ms)
