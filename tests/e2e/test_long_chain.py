"""A chain of 100 turns through the running service: what a turn costs does not depend on its place.

Statements are counted in PostgreSQL's own log, so nothing that the service does goes unseen.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from itertools import pairwise

import asyncpg  # type: ignore[import-untyped]
import msgspec
import pytest
from openai import OpenAI

from responses_gw.store import EmbeddedPostgres

from ..support.fixtures import ServiceFactory
from ..support.upstream import ScriptedUpstream, answer

TURNS = 100
# the lease keeper comes by the clock
LEASES = re.compile(r"(?:INSERT INTO leases|UPDATE responses SET status = 'failed'|WITH lost AS)")


class _Chat(msgspec.Struct):
    messages: msgspec.Raw


class StatementLog:
    """What PostgreSQL was asked to do, from its log, since the last look."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._file = (server.root / "log" / "server.log").open(errors="replace")
        self._file.seek(0, 2)

    def close(self) -> None:
        self._file.close()

    def count(self) -> int:
        """Statements executed, without the lease keeper's."""
        entries = re.split(r"LOG:  execute \w+: ", self._file.read())[1:]
        return sum(not LEASES.match(entry.strip()) for entry in entries)


@pytest.fixture
def statements(embedded_postgres: EmbeddedPostgres, database_url: str) -> Iterator[StatementLog]:
    name = database_url.split("/")[3].partition("?")[0]
    asyncio.run(_execute(database_url, f"ALTER DATABASE {name} SET log_statement = 'all'"))
    log = StatementLog(embedded_postgres)
    yield log
    log.close()


@pytest.mark.parametrize("cache_bytes", [64_000_000, 0], ids=["cached", "from the database"])
def test_every_turn_costs_the_same(
    service_factory: ServiceFactory,
    upstream: ScriptedUpstream,
    database_url: str,
    statements: StatementLog,
    cache_bytes: int,
) -> None:
    service = service_factory(
        {
            "RESPONSES_GW_DATABASE_URL": database_url,
            "RESPONSES_GW_DATABASE_HISTORY_CACHE_BYTES": str(cache_bytes),
        }
    )
    previous, ids, counts = None, [], []
    with OpenAI(base_url=f"{service.url}/v1", api_key="any", max_retries=0) as client:
        _warm_up(client, upstream)
        for turn in range(TURNS):
            upstream.play(answer(f"answer {turn:03}", f"thought {turn:03}"))
            statements.count()
            previous = client.responses.create(
                model="tiny", input=f"question {turn:03}", previous_response_id=previous
            ).id
            ids.append(previous)
            counts.append(statements.count())
    assert counts[0] == 2, "a first turn is created and finished"
    assert set(counts[1:]) == {3}, "a later turn reads its history with one statement"
    stored = asyncio.run(_stored_bytes(database_url))
    assert len({stored[id] for id in ids[1:]}) == 1, f"bytes stored per turn vary: {stored}"
    _check_prefixes([request.body for request in upstream.requests])


def _warm_up(client: OpenAI, upstream: ScriptedUpstream) -> None:
    """A new connection asks PostgreSQL about its types once."""
    first = client.responses.create(model="tiny", input="q")
    client.responses.create(model="tiny", input="q", previous_response_id=first.id)
    upstream.requests.clear()


def _check_prefixes(bodies: list[bytes]) -> None:
    """Each turn's request starts with all the bytes of the one before, up to its messages' end."""
    sent = [bytes(msgspec.json.decode(body, type=_Chat).messages) for body in bodies]
    assert len(sent) == TURNS
    for (before, body), (after, next_body) in pairwise(zip(sent, bodies, strict=True)):
        prefix = body[: body.index(before) + len(before) - 1]
        assert next_body.startswith(prefix), f"{after[:200]!r} does not begin as {before[:200]!r}"


async def _stored_bytes(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT responses.id, length(settings) + sum(length(body)) AS bytes "
            "FROM responses JOIN items ON items.response_id = responses.id "
            "GROUP BY responses.tenant, responses.id"
        )
    finally:
        await connection.close()
    return {row["id"]: row["bytes"] for row in rows}


async def _execute(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
