"""The SQL of responses and their items. Each method is one statement, in one round trip.

A response is inserted when it begins and finished once. It belongs to the process that began it:
``lease_owner`` fences every later write, so a process that was taken for dead cannot overwrite what
the sweep decided (see ``leases.py``).

Every statement can be repeated without harm, as ``Database`` demands; the comments say why.
A tenant never sees another's rows: to it they are not there.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Literal

from ..api.ids import is_storable_id, storable
from .database import Database, Row
from .values import (
    Chain,
    ChainBroken,
    ItemNotFound,
    ItemPage,
    LeaseLost,
    Outcome,
    ParentNotFound,
    ResponseExists,
    StoredItem,
    StoredResponse,
    Tip,
)

__all__ = ["ResponseStore"]

CONFLICT_TRIES = 3

# Repeatable: the second time the row is there and belongs to this process.
# The lease is normally alive and only looked at. After an outage of the database it may have run
# out before its keeper comes round; then it is renewed here, lest another process's sweep fails a
# response that has just begun.
# The client waits for this one, so it does not wait for the disk. The end of the response does, and
# flushes both; a server that crashes in between has lost a response that it did not finish either.
_CREATE = """
WITH lease AS (
    INSERT INTO leases (owner, expires_at)
    SELECT $6::uuid, now() + interval '30 seconds'
    WHERE NOT EXISTS (SELECT FROM leases WHERE owner = $6 AND expires_at > now())
    ON CONFLICT (owner) DO UPDATE SET expires_at = greatest(leases.expires_at, excluded.expires_at)
), parent AS (
    SELECT FROM responses WHERE tenant = $1 AND id = $3
), created AS (
    INSERT INTO responses (tenant, id, parent_id, status, created_at, settings, lease_owner)
    SELECT $1, $2, $3::text, 'in_progress', to_timestamp($4::bigint), $5::bytea, $6
    WHERE $3::text IS NULL OR EXISTS (SELECT FROM parent)
    ON CONFLICT (tenant, id) DO NOTHING
    RETURNING id
), stored AS (
    INSERT INTO items (tenant, response_id, position, direction, id, type, body, shown)
    SELECT $1, $2, item.n - 1, 'input', item.id, item.type, item.body, item.shown
    FROM created, unnest($7::text[], $8::text[], $9::bytea[], $10::bytea[])
        WITH ORDINALITY AS item(id, type, body, shown, n)
)
SELECT EXISTS (SELECT FROM created) AS created,
       $3::text IS NULL OR EXISTS (SELECT FROM parent) AS has_parent,
       (SELECT lease_owner = $6 FROM responses WHERE tenant = $1 AND id = $2) AS was_ours,
       coalesce((SELECT deletions FROM tenants WHERE tenant = $1), 0) AS deletions,
       set_config('synchronous_commit', 'off', true)
"""

# Repeatable: only the first one finds the row in progress, and a repetition finds the status it
# wanted to set. The sweep takes the owner away, so what it has failed is never taken for ours.
_FINISH = """
WITH done AS (
    UPDATE responses
    SET status = $4, completed_at = to_timestamp($5::bigint), usage = $6, error = $7,
        incomplete_reason = $8
    WHERE tenant = $1 AND id = $2 AND lease_owner = $3 AND status = 'in_progress'
    RETURNING id
), stored AS (
    INSERT INTO items (tenant, response_id, position, direction, id, type, body)
    SELECT $1, $2, item.n + (
               SELECT coalesce(max(position), -1) FROM items
               WHERE tenant = $1 AND response_id = $2
           ), 'output', item.id, item.type, item.body
    FROM done, unnest($9::text[], $10::text[], $11::bytea[])
        WITH ORDINALITY AS item(id, type, body, n)
)
SELECT EXISTS (SELECT FROM done) AS done,
       (SELECT status FROM responses WHERE tenant = $1 AND id = $2 AND lease_owner = $3) AS before
"""

# Reads only.
_GET = """
SELECT id, status, extract(epoch FROM created_at)::bigint AS created_at,
       extract(epoch FROM completed_at)::bigint AS completed_at, settings, usage, error,
       incomplete_reason,
       ARRAY(SELECT body FROM items
             WHERE tenant = $1 AND response_id = $2 AND direction = 'output'
             ORDER BY position) AS output
FROM responses WHERE tenant = $1 AND id = $2
"""

# Repeatable: the second time there is nothing left to delete or to count. The items go by cascade.
_DELETE = """
WITH gone AS (
    DELETE FROM responses WHERE tenant = $1 AND id = $2 RETURNING tenant
)
INSERT INTO tenants (tenant, deletions) SELECT tenant, 1 FROM gone
ON CONFLICT (tenant) DO UPDATE SET deletions = tenants.deletions + 1
RETURNING true
"""

# Reads only. {after}: a later position is further on in this order. A client may have given one id
# to two items: then the one further on counts, so that paging ends.
_INPUT_ITEMS = """
WITH response AS (
    SELECT FROM responses WHERE tenant = $1 AND id = $2
), mark AS (
    SELECT {furthest}(position) AS position FROM items
    WHERE tenant = $1 AND response_id = $2 AND direction = 'input' AND id = $3
), page AS (
    SELECT position, id, body FROM items
    WHERE tenant = $1 AND response_id = $2 AND direction = 'input'
      AND ($3::text IS NULL OR position {after} (SELECT position FROM mark))
    ORDER BY position {order} LIMIT $4::int
)
SELECT (SELECT position FROM mark) IS NOT NULL AS has_mark, page.id, page.body
FROM response LEFT JOIN page ON true
ORDER BY page.position {order}
"""
_INPUT_ITEMS_BY_ORDER = {
    "asc": _INPUT_ITEMS.format(furthest="max", after=">", order="ASC"),
    "desc": _INPUT_ITEMS.format(furthest="min", after="<", order="DESC"),
}

# Reads only. One row per turn, `depth` 0 is the newest. The items are gathered in a subquery per
# turn so that they are always found by their key, however long the planner thinks a chain is.
_CHAIN = """
WITH RECURSIVE chain AS (
    SELECT id, parent_id, status, 0 AS depth FROM responses WHERE tenant = $1 AND id = $2
    UNION ALL
    SELECT parent.id, parent.parent_id, parent.status, child.depth + 1
    FROM chain AS child JOIN responses AS parent ON parent.tenant = $1
                                                AND parent.id = child.parent_id
)
SELECT depth, parent_id, status,
       coalesce((SELECT deletions FROM tenants WHERE tenant = $1), 0) AS deletions,
       ARRAY(SELECT coalesce(shown, body) FROM items
             WHERE tenant = $1 AND response_id = chain.id ORDER BY position) AS bodies
FROM chain
"""

# Reads only.
_TIP = """
SELECT status, coalesce((SELECT deletions FROM tenants WHERE tenant = $1), 0) AS deletions
FROM responses WHERE tenant = $1 AND id = $2
"""

# Reads only. Clients repeat ids from turn to turn: the newest item of each is taken.
_ITEMS = """
SELECT DISTINCT ON (id) id, type, body, shown FROM items WHERE tenant = $1 AND id = ANY ($2::text[])
ORDER BY id, response_id DESC, position DESC
"""


class ResponseStore:
    """Responses and items of all tenants. ``owner`` names this process, as in ``LeaseKeeper``.

    All methods raise :class:`~.database.DatabaseUnavailable` when the database is away.
    """

    def __init__(self, database: Database, owner: uuid.UUID) -> None:
        self._database = database
        self._owner = owner
        self._running: set[str] = set()

    @property
    def running(self) -> list[str]:
        """The responses that this process has begun and not left. The lease keeper fails the others
        that bear its name: what could not be finished while the database was away."""
        return list(self._running)

    def leave(self, id: str) -> None:
        """This process does nothing more for the response, finished or not."""
        self._running.discard(id)

    async def create(
        self,
        tenant: str,
        *,
        id: str,
        parent_id: str | None,
        created_at: int,
        settings: bytes,
        input: Sequence[StoredItem],
    ) -> int:
        """Store a response that begins, ``in_progress`` under this process's lease, and its input.

        Returns the tenant's count of deletions. Raises :class:`ParentNotFound`, and
        :class:`ResponseExists` for an id that is taken. The caller must :meth:`leave` it, also when
        this fails: the row may be there all the same.
        """
        self._running.add(id)
        if parent_id is not None and not is_storable_id(parent_id):
            raise ParentNotFound(parent_id)
        ids, types, bodies = _columns(input)
        shown = [item.shown for item in input]
        for _ in range(CONFLICT_TRIES):
            row = await self._database.fetchrow(
                _CREATE,
                *(tenant, id, parent_id, created_at, settings, self._owner),
                *(ids, types, bodies, shown),
            )
            assert row is not None, "the statement always selects one row"
            if row["created"] or row["was_ours"]:
                deletions: int = row["deletions"]
                return deletions
            if not row["has_parent"] and parent_id is not None:
                raise ParentNotFound(parent_id)
            if row["was_ours"] is not None:
                break
            # the same id was being inserted at the same moment: look again
        raise ResponseExists(id)

    async def finish(self, tenant: str, id: str, outcome: Outcome) -> None:
        """Store how the response ended, and its output after its input.

        May be repeated with the same outcome. Raises :class:`LeaseLost` if the response is not in
        progress under this process's lease.
        """
        if not is_storable_id(id):
            raise LeaseLost(id)
        ids, types, bodies = _columns(outcome.output)
        for _ in range(CONFLICT_TRIES):
            row = await self._database.fetchrow(
                _FINISH,
                *(tenant, id, self._owner, outcome.status, outcome.completed_at),
                *(outcome.usage, outcome.error, outcome.incomplete_reason),
                *(ids, types, bodies),
            )
            assert row is not None, "the statement always selects one row"
            if row["done"] or row["before"] == outcome.status:
                return
            if row["before"] != "in_progress":
                break
            # an earlier try, cut off from us, has finished it at this moment: look again
        raise LeaseLost(id)

    async def get(self, tenant: str, id: str) -> StoredResponse | None:
        """The response as it stands, None if there is none."""
        row = await self._database.fetchrow(_GET, tenant, id) if is_storable_id(id) else None
        return None if row is None else _response_of(row)

    async def delete(self, tenant: str, id: str) -> bool:
        """Remove the response and its items at once; False if there is none. Children stay."""
        if not is_storable_id(id):
            return False
        return await self._database.fetchval(_DELETE, tenant, id) is not None

    async def input_items(
        self, tenant: str, id: str, *, after: str | None, limit: int, order: Literal["asc", "desc"]
    ) -> ItemPage | None:
        """At most ``limit`` (≥ 1) input items behind ``after``; None if there is no such response.

        Raises :class:`ItemNotFound` if ``after`` is no input item of the response.
        """
        if not is_storable_id(id):
            return None
        mark = after if after is None or is_storable_id(after) else ""  # no item has an empty id
        rows = await self._database.fetch(_INPUT_ITEMS_BY_ORDER[order], tenant, id, mark, limit + 1)
        if not rows:
            return None
        if after is not None and not rows[0]["has_mark"]:
            raise ItemNotFound(after)
        found = [row for row in rows if row["body"] is not None]
        page = found[:limit]
        return ItemPage(
            items=tuple(row["body"] for row in page),
            first_id=page[0]["id"] if page else None,
            last_id=page[-1]["id"] if page else None,
            has_more=len(found) > limit,
        )

    async def chain(self, tenant: str, id: str) -> Chain | None:
        """The whole history that ends with ``id``; None if there is no such response.

        Raises :class:`ChainBroken` if one of its ancestors has been deleted.
        """
        if not is_storable_id(id):
            return None
        rows = await self._database.fetch(_CHAIN, tenant, id)
        if not rows:
            return None
        turns = sorted(rows, key=_depth)
        missing: str | None = turns[-1]["parent_id"]
        if missing is not None:
            raise ChainBroken(missing)
        return Chain(
            status=turns[0]["status"],
            items=tuple(body for turn in reversed(turns) for body in turn["bodies"]),
            deletions=turns[0]["deletions"],
        )

    async def tip(self, tenant: str, id: str) -> Tip | None:
        """What tells whether a cached history is still true; None if there is no such response."""
        row = await self._database.fetchrow(_TIP, tenant, id) if is_storable_id(id) else None
        return None if row is None else Tip(row["status"], row["deletions"])

    async def items(self, tenant: str, ids: Sequence[str]) -> dict[str, StoredItem]:
        """The newest item, input or output, of each id that there is."""
        rows = await self._database.fetch(_ITEMS, tenant, [id for id in ids if is_storable_id(id)])
        return {
            row["id"]: StoredItem(row["id"], row["type"], row["body"], row["shown"]) for row in rows
        }


def _response_of(row: Row) -> StoredResponse:
    return StoredResponse(
        id=row["id"],
        status=row["status"],
        created_at=row["created_at"],
        completed_at=row["completed_at"],
        settings=row["settings"],
        usage=row["usage"],
        error=row["error"],
        incomplete_reason=row["incomplete_reason"],
        output=tuple(row["output"]),
    )


def _depth(row: Row) -> int:
    depth: int = row["depth"]
    return depth


def _columns(items: Sequence[StoredItem]) -> tuple[list[str], list[str], list[bytes]]:
    return (
        [storable(item.id) for item in items],
        [storable(item.type) for item in items],
        [item.body for item in items],
    )
