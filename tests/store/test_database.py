"""One answer to a database that is away, and none when it only was."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator

import asyncpg  # type: ignore[import-untyped]
import pytest

from responses_gw.store import Database, DatabaseUnavailable, EmbeddedPostgres

from ..support.database import opened
from ..support.service import free_port

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(module_database_url: str) -> AsyncIterator[Database]:
    async with opened(module_database_url, pool_max=3, acquire_timeout_seconds=0.5) as database:
        yield database


async def test_the_four_ways_to_ask(database: Database) -> None:
    sql = "SELECT n, n * 2 AS twice FROM generate_series(1, $1::int) AS n"
    rows = await database.fetch(sql, 3)
    assert [row["twice"] for row in rows] == [2, 4, 6]
    row = await database.fetchrow(sql, 3)
    assert row is not None
    assert row["n"] == 1
    assert await database.fetchrow(sql, 0) is None
    assert await database.fetchval(sql, 1) == 1
    assert await database.fetchval(sql, 0) is None
    assert await database.execute(sql, 2) == "SELECT 2"
    await database.ping()


async def test_bytes_go_through_unchanged(database: Database) -> None:
    body = bytes(range(256)) * 1000
    assert await database.fetchval("SELECT $1::bytea", body) == body


@pytest.mark.parametrize(
    ("sql", "args", "error"),
    [
        ("SELEC 1", (), asyncpg.PostgresSyntaxError),
        ("SELECT * FROM nowhere", (), asyncpg.UndefinedTableError),
        ("SELECT 1 / $1::int", (0,), asyncpg.DivisionByZeroError),
        ("SELECT $1::int", ("text",), asyncpg.DataError),
        ("SELECT $1::int", (1, 2), asyncpg.InterfaceError),
        ("INSERT INTO tenants VALUES (NULL)", (), asyncpg.NotNullViolationError),
    ],
)
async def test_errors_of_the_statement_pass_through(
    database: Database, sql: str, args: tuple[object, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await database.execute(sql, *args)
    await database.ping()


async def test_more_askers_than_connections_take_turns(database: Database) -> None:
    answers = await asyncio.gather(*(database.fetchval("SELECT $1::int", n) for n in range(50)))
    assert answers == list(range(50))


async def test_no_free_connection_in_time(database: Database) -> None:
    busy = [asyncio.create_task(database.execute("SELECT pg_sleep(1.5)")) for _ in range(3)]
    await asyncio.sleep(0.2)
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match=r"no database connection within 0\.5 s"):
        await database.ping()
    assert 0.4 < time.monotonic() - began < 1.0
    await asyncio.gather(*busy)


async def test_a_statement_that_takes_too_long(module_database_url: str) -> None:
    async with opened(module_database_url, statement_timeout_seconds=0.3) as database:
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="too long"):
            await database.execute("SELECT pg_sleep(30)")
        assert time.monotonic() - began < 1.0
        await database.ping()


async def test_a_cancelled_statement_gives_its_connection_back(module_database_url: str) -> None:
    async with opened(module_database_url, pool_max=1) as database:
        for _ in range(3):
            task = asyncio.create_task(database.execute("SELECT pg_sleep(30)"))
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()
        await database.ping()


async def test_connections_ended_by_the_server_are_replaced(database: Database) -> None:
    await asyncio.gather(*(database.execute("SELECT pg_sleep(0.1)") for _ in range(3)))
    others = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE application_name = 'responses-gw' AND pid <> pg_backend_pid()"
    )
    assert await database.fetchval(others) >= 2
    answers = await asyncio.gather(*(database.fetchval("SELECT $1::int", n) for n in range(20)))
    assert answers == list(range(20))


async def test_a_statement_cut_off_in_the_middle_is_tried_again_once(
    database: Database,
) -> None:
    await database.execute("CREATE SEQUENCE IF NOT EXISTS tries")
    victim = asyncio.create_task(
        database.fetchval("SELECT nextval('tries') FROM (SELECT pg_sleep(0.4)) AS s")
    )
    await asyncio.sleep(0.15)
    await database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE query LIKE '%pg_sleep(0.4)%' AND pid <> pg_backend_pid()"
    )
    assert await victim >= 1


async def test_a_database_that_is_away_when_the_pool_is_made(module_database_url: str) -> None:
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/none?sslmode=disable"
    async with opened(nowhere) as database:
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="cannot connect"):
            await database.ping()
        assert time.monotonic() - began < 1.0, "a refused connection is known at once"


async def test_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        dsn = f"postgresql://postgres@127.0.0.1:{mute.getsockname()[1]}/none?sslmode=disable"
        async with opened(dsn, acquire_timeout_seconds=0.4) as database:
            began = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                await database.ping()
            assert time.monotonic() - began < 1.0


async def test_a_wrong_database_name_and_a_secret(module_database_url: str) -> None:
    head, _, tail = module_database_url.partition("@/")
    dsn = f"{head}:secret@/none?{tail.partition('?')[2]}"
    async with opened(dsn) as database:
        with pytest.raises(DatabaseUnavailable, match='"none" does not exist') as caught:
            await database.ping()
        assert "secret" not in str(caught.value)


async def test_closed_or_not_open_is_unavailable(module_database_url: str) -> None:
    database = Database(module_database_url)
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    await database.open()
    await database.ping()
    await database.close()
    await database.close()
    with pytest.raises(DatabaseUnavailable):
        await database.ping()


async def test_a_restart_between_two_statements_is_not_noticed(
    own_embedded_postgres: EmbeddedPostgres,
) -> None:
    async with opened(own_embedded_postgres.dsn) as database:
        await asyncio.gather(*(database.execute("SELECT pg_sleep(0.1)") for _ in range(4)))
        for _ in range(2):
            await asyncio.to_thread(own_embedded_postgres.stop)
            await asyncio.to_thread(own_embedded_postgres.start)
            answers = [await database.fetchval("SELECT $1::int", n) for n in range(6)]
            assert answers == list(range(6))


async def test_a_restart_the_loop_had_no_time_to_see(
    own_embedded_postgres: EmbeddedPostgres,
) -> None:
    """The connection's end is still unread when the next statement is sent."""
    async with opened(own_embedded_postgres.dsn) as database:
        await database.ping()
        own_embedded_postgres.stop()
        own_embedded_postgres.start()
        await database.ping()


async def test_down_is_known_within_the_bounds_and_up_again_at_once(
    own_embedded_postgres: EmbeddedPostgres,
) -> None:
    async with opened(own_embedded_postgres.dsn, acquire_timeout_seconds=1.0) as database:
        await database.ping()
        await asyncio.to_thread(own_embedded_postgres.stop)
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(DatabaseUnavailable):
                await database.ping()
            assert time.monotonic() - began < 1.0
        await asyncio.to_thread(own_embedded_postgres.start)
        await database.ping()


async def test_a_killed_server_is_revived_once_for_all_who_ask(
    own_embedded_postgres: EmbeddedPostgres,
) -> None:
    calls = []

    def revive() -> None:
        calls.append(threading.current_thread())
        own_embedded_postgres.start()

    database = Database(own_embedded_postgres.dsn, revive=revive, acquire_timeout_seconds=15.0)
    await database.open()
    await asyncio.gather(*(database.execute("SELECT pg_sleep(0.1)") for _ in range(4)))
    pid = own_embedded_postgres.server_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    answers = await asyncio.gather(*(database.fetchval("SELECT $1::int", n) for n in range(30)))
    assert answers == list(range(30))
    assert len(calls) == 1
    assert calls[0] is not threading.main_thread(), "the event loop was blocked"
    await database.close()


async def test_a_server_that_cannot_be_revived_is_unavailable() -> None:
    calls = []

    def revive() -> None:
        calls.append(1)
        raise RuntimeError("no way")

    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/none?sslmode=disable"
    database = Database(nowhere, revive=revive)
    await database.open()
    for _ in range(5):
        with pytest.raises(DatabaseUnavailable):
            await database.ping()
    assert len(calls) == 1, "within seconds it is tried once"
    await database.close()
