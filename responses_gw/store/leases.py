"""This process's lease, and the sweep of responses whose process is gone.

Theory of operation. A response in progress names the process that runs it (``lease_owner``). Each
process renews one row, its lease, every third of its term. Each also sweeps: responses in progress
without a live lease become ``failed``, whoever left them there. All times are the database's, so
clocks of hosts do not matter. A process that was only slow and comes back finds its responses
taken: finishing them raises ``LeaseLost``.

While the database is away nothing can be renewed, and nobody can sweep either. When it comes back
the keeper is there within a second, and a response that begins in between renews the lease
itself (``responses.py``).
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable

import asyncpg  # type: ignore[import-untyped]

from .database import Database, DatabaseUnavailable

__all__ = ["LeaseKeeper"]

log = logging.getLogger("responses_gw.store")
OUTAGE_RETRY_SECONDS = 1.0
CLOSE_TIMEOUT_SECONDS = 10.0
SWEEP_BATCH = 500
INTERRUPTED = (
    b'{"code":"server_error","message":"The response was interrupted because its server stopped."}'
)
NOT_STORED = b'{"code":"server_error","message":"The response could not be stored."}'

# Repeatable: it sets the same row to a later time.
_RENEW = """
INSERT INTO leases (owner, expires_at) VALUES ($1, now() + make_interval(secs => $2))
ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at
"""

# Repeatable: it takes what is still there. What this process runs is not taken, nor what it began
# (by its own clock, as `created_at` is) so short a time ago that the list may be older.
_ABANDON = """
UPDATE responses SET status = 'failed', error = $3, completed_at = NULL, lease_owner = NULL
WHERE lease_owner = $1 AND status = 'in_progress' AND id <> ALL ($4::text[])
  AND created_at < to_timestamp($2)
"""

# Repeatable: nothing is left to release.
_RELEASE = "DELETE FROM leases WHERE owner = $1"

# Repeatable: it takes what is still lost. SKIP LOCKED: another sweep, or the last write of a
# process that comes back, has the row. Losing its owner is what keeps that process from taking a
# swept response for its own.
_SWEEP = """
WITH lost AS (
    SELECT tenant, id FROM responses AS response
    WHERE status = 'in_progress' AND NOT EXISTS (
        SELECT FROM leases WHERE owner = response.lease_owner AND expires_at > now())
    ORDER BY lease_owner, tenant, id LIMIT $2 FOR UPDATE SKIP LOCKED
), failed AS (
    UPDATE responses SET status = 'failed', error = $1, completed_at = NULL, lease_owner = NULL
    FROM lost WHERE responses.tenant = lost.tenant AND responses.id = lost.id
    RETURNING 1
), expired AS (
    DELETE FROM leases WHERE owner IN (
        SELECT owner FROM leases WHERE expires_at <= now() FOR UPDATE SKIP LOCKED)
)
SELECT count(*) FROM failed
"""


class LeaseKeeper:
    """Holds the lease of ``owner`` from :meth:`start` to :meth:`close`, and sweeps.

    ``running`` tells which responses this process works on: others under its name could not be
    finished when they should have been, and are failed.
    """

    def __init__(
        self,
        database: Database,
        owner: uuid.UUID,
        *,
        running: Callable[[], list[str]],
        ttl_seconds: float = 30.0,
    ) -> None:
        self._database = database
        self._owner = owner
        self._ttl = ttl_seconds
        self._running = running
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._in_outage = False

    async def start(self) -> None:
        """Take the lease and sweep once, then go on in a task. A database that is away is no
        error."""
        await self._tend()
        self._task = asyncio.create_task(self._keep(), name="lease keeper")

    async def close(self) -> None:
        """Give the lease back, and fail what this process has left unfinished. May be repeated."""
        self._closing.set()
        if self._task is None:
            return
        task, self._task = self._task, None
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await task
                await self._database.execute(_RELEASE, self._owner)
                await self._sweep()
        except (TimeoutError, DatabaseUnavailable, asyncpg.PostgresError) as error:
            reason = error or "the database does not answer"
            log.warning("the lease could not be given back and has to run out: %s", reason)

    async def _keep(self) -> None:
        while not self._closing.is_set():
            pause = self._ttl / 3
            if self._in_outage:
                pause = min(pause, OUTAGE_RETRY_SECONDS)
            try:
                await asyncio.wait_for(self._closing.wait(), pause)
            except TimeoutError:
                await self._tend()

    async def _tend(self) -> None:
        """Renew and sweep. Whatever fails, the next round tries again: without a lease every stream
        of this process would be taken for lost."""
        try:
            await self._database.execute(_RENEW, self._owner, self._ttl)
            before = time.time() - self._ttl
            await self._database.execute(_ABANDON, self._owner, before, NOT_STORED, self._running())
            await self._sweep()
        except (DatabaseUnavailable, asyncpg.PostgresError) as error:
            if not self._in_outage:
                log.warning("the lease cannot be renewed until the database is back: %s", error)
            self._in_outage = True
        except Exception:
            log.exception("the lease was not renewed")
            self._in_outage = True
        else:
            if self._in_outage:
                log.info("the lease is renewed again")
            self._in_outage = False

    async def _sweep(self) -> None:
        swept = SWEEP_BATCH
        while swept == SWEEP_BATCH:
            swept = await self._database.fetchval(_SWEEP, INTERRUPTED, SWEEP_BATCH)
            if swept:
                log.warning("%d responses failed: the process that ran them is gone", swept)
