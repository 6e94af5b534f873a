"""Leases: a process that lives keeps its responses, one that is gone loses them to the sweep."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator

import pytest

from responses_gw.store import (
    Database,
    EmbeddedPostgres,
    LeaseKeeper,
    LeaseLost,
    Outcome,
    ResponseStore,
    StoredResponse,
    migrate,
)

from ..support.database import opened

pytestmark = pytest.mark.anyio
DONE = Outcome("completed", 1, None, None, None, ())
LONG_AGO = 1


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with opened(database_url) as database:
        yield database


async def begin(database: Database, owner: uuid.UUID, id: str = "r") -> ResponseStore:
    store = ResponseStore(database, owner)
    await store.create("t", id=id, parent_id=None, created_at=LONG_AGO, settings=b"{}", input=[])
    return store


def runs_nothing() -> list[str]:
    return []


async def found(database: Database, id: str = "r") -> StoredResponse:
    stored = await ResponseStore(database, uuid.uuid4()).get("t", id)
    assert stored is not None
    return stored


async def until_failed(database: Database, id: str = "r", timeout: float = 5.0) -> StoredResponse:
    deadline = time.monotonic() + timeout
    while (stored := await found(database, id)).status != "failed":
        assert time.monotonic() < deadline, f"never swept: {stored}"
        await asyncio.sleep(0.02)
    return stored


async def expire(database: Database, owner: uuid.UUID) -> None:
    """As if the process had been silent for longer than its lease."""
    await database.execute("UPDATE leases SET expires_at = now() WHERE owner = $1", owner)


async def sweep(database: Database) -> None:
    """What another process does when it starts."""
    keeper = LeaseKeeper(database, uuid.uuid4(), running=runs_nothing)
    await keeper.start()
    await keeper.close()


async def test_the_responses_of_a_dead_process_fail(database: Database) -> None:
    owner = uuid.uuid4()
    store = await begin(database, owner)
    await expire(database, owner)
    await sweep(database)
    stored = await found(database)
    assert (stored.status, stored.completed_at) == ("failed", None)
    assert stored.error is not None
    assert json.loads(stored.error) == {
        "code": "server_error",
        "message": "The response was interrupted because its server stopped.",
    }
    for outcome in (DONE, Outcome("failed", None, None, b"{}", None, ())):
        with pytest.raises(LeaseLost):
            await store.finish("t", "r", outcome)


async def test_a_running_keeper_sweeps_by_itself(database: Database) -> None:
    keeper = LeaseKeeper(database, uuid.uuid4(), running=runs_nothing, ttl_seconds=0.3)
    await keeper.start()
    owner = uuid.uuid4()
    await begin(database, owner)
    await expire(database, owner)
    await until_failed(database)
    await keeper.close()


async def test_a_living_process_keeps_its_responses(database: Database) -> None:
    owner = uuid.uuid4()
    store = await begin(database, owner)
    keeper = LeaseKeeper(database, owner, running=lambda: store.running, ttl_seconds=0.6)
    await keeper.start()
    for _ in range(10):
        await asyncio.sleep(0.12)  # twice the lease in all
        await sweep(database)
    assert (await found(database)).status == "in_progress"
    await store.finish("t", "r", DONE)
    await keeper.close()


async def test_a_response_that_its_own_process_has_left_fails(database: Database) -> None:
    """It could not be finished while the database was away; its process lives on."""
    owner = uuid.uuid4()
    store = await begin(database, owner)
    await begin(database, owner, "other")
    store.leave("r")
    keeper = LeaseKeeper(database, owner, running=lambda: ["other"], ttl_seconds=0.3)
    await keeper.start()
    stored = await until_failed(database)
    assert stored.error is not None
    assert json.loads(stored.error)["message"] == "The response could not be stored."
    assert (await found(database, "other")).status == "in_progress"
    await keeper.close()


async def test_finished_responses_are_left_alone(database: Database) -> None:
    owner = uuid.uuid4()
    store = await begin(database, owner)
    await store.finish("t", "r", DONE)
    await expire(database, owner)
    await sweep(database)
    assert (await found(database)).status == "completed"


async def test_a_response_that_begins_after_an_outage_is_safe(database: Database) -> None:
    """Its process's lease ran out meanwhile, and the keeper has not come round yet."""
    owner = uuid.uuid4()
    await begin(database, owner, "before")
    await expire(database, owner)
    await begin(database, owner, "after")
    await sweep(database)
    assert (await found(database, "after")).status == "in_progress"


async def test_closing_releases_and_fails_what_is_left(database: Database) -> None:
    owner = uuid.uuid4()
    keeper = LeaseKeeper(database, owner, running=runs_nothing)
    await keeper.start()
    await begin(database, owner)
    await keeper.close()
    await keeper.close()
    assert (await found(database)).status == "failed"
    assert await database.fetchval("SELECT count(*) FROM leases") == 0


async def test_expired_leases_are_removed(database: Database) -> None:
    owners = [uuid.uuid4() for _ in range(3)]
    for owner in owners:
        await begin(database, owner, str(owner))
    await expire(database, owners[0])
    await sweep(database)
    assert await database.fetchval("SELECT count(*) FROM leases") == 2


async def test_many_lost_responses_and_many_sweepers(database: Database) -> None:
    owner = uuid.uuid4()
    await begin(database, owner)
    await database.execute(
        "INSERT INTO responses (tenant, id, status, created_at, settings, lease_owner) "
        "SELECT 't', 'r' || n, 'in_progress', now(), '', $1 FROM generate_series(1, 1700) AS n",
        owner,
    )
    await expire(database, owner)
    await asyncio.gather(*(sweep(database) for _ in range(4)))
    await sweep(database)
    left = "SELECT count(*) FROM responses WHERE status = 'in_progress'"
    assert await database.fetchval(left) == 0


async def test_an_outage_is_said_once_and_survived(
    own_embedded_postgres: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    await migrate(own_embedded_postgres.dsn)
    caplog.set_level(logging.INFO, "responses_gw.store")
    async with opened(own_embedded_postgres.dsn, acquire_timeout_seconds=0.5) as database:
        owner = uuid.uuid4()
        keeper = LeaseKeeper(database, owner, running=runs_nothing, ttl_seconds=0.15)
        await asyncio.to_thread(own_embedded_postgres.stop)
        await keeper.start()
        await asyncio.sleep(0.5)
        said = [r for r in caplog.records if "cannot be renewed" in r.getMessage()]
        assert len(said) == 1, f"one outage, said {len(said)} times"
        await asyncio.to_thread(own_embedded_postgres.start)
        deadline = time.monotonic() + 5
        while not any("renewed again" in r.getMessage() for r in caplog.records):
            assert time.monotonic() < deadline, "the keeper did not come back"
            await asyncio.sleep(0.02)
        await asyncio.to_thread(own_embedded_postgres.stop)
        await keeper.close()
        assert "has to run out" in caplog.text
