"""The history that a request continues: from this process's cache, or with one query.

A cached history is used only when the newest response is still there and nothing of the tenant's
was deleted since it was read (``deletions``): what one process deletes is gone for all of them at
once.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from ..api.errors import ApiError, previous_response_not_found
from ..api.response import TERMINAL_STATUSES, ResponseStatus
from ..api.stored import ItemRecord
from ..api.validate import decode_input_item
from ..prompt.profile import ModelProfile
from ..prompt.sealing import Sealer
from ..prompt.snapshot import Snapshot
from ..prompt.transcript import Transcript
from ..store import HistoryCache, ResponseStore
from .faults import store_faults
from .seals import opening_seals

__all__ = ["Histories", "History"]


class History(Struct, frozen=True):
    """A rendered chain and the tenant's count of deletions when it was read."""

    snapshot: Snapshot
    deletions: int


class Histories:
    def __init__(self, store: ResponseStore, cache: HistoryCache[Snapshot], sealer: Sealer) -> None:
        self._store = store
        self._cache = cache
        self._sealer = sealer

    async def load(self, tenant: str, response_id: str, profile: ModelProfile) -> History:
        """The chain that ends with ``response_id``, rendered for a model of this profile: one
        query, whatever its length.

        Raises :class:`ApiError`: 400 if the response is unknown or still running, 503 if the
        database is away.
        """
        cached = self._cache.get(tenant, response_id)
        if cached is not None and cached.value.profile == profile:
            with store_faults():
                tip = await self._store.tip(tenant, response_id)
            if tip is None:
                raise previous_response_not_found(response_id)
            if tip.deletions == cached.deletions:
                return History(cached.value, cached.deletions)
        return await self._read(tenant, response_id, profile)

    def keep(
        self,
        tenant: str,
        response_id: str,
        parent_id: str | None,
        transcript: Transcript,
        output: Sequence[ItemRecord],
        deletions: int,
    ) -> None:
        """Remember a finished response's history in place of its parent's: chains are lines.
        ``output`` is what the transcript does not have yet.
        """
        transcript.add(decode_input_item(record.body, "output") for record in output)
        snapshot = transcript.snapshot()
        self._cache.put(tenant, response_id, snapshot, size=snapshot.size, deletions=deletions)
        if parent_id is not None:
            self._cache.drop(tenant, parent_id)

    def forget(self, tenant: str, response_id: str) -> None:
        self._cache.drop(tenant, response_id)

    async def _read(self, tenant: str, response_id: str, profile: ModelProfile) -> History:
        with store_faults():
            chain = await self._store.chain(tenant, response_id)
        if chain is None:
            raise previous_response_not_found(response_id)
        _check_finished(response_id, chain.status)
        with opening_seals(self._sealer, tenant, response_id) as unseal:
            transcript = Transcript(profile, unseal=unseal)
            transcript.add(decode_input_item(body, "input") for body in chain.items)
        snapshot = transcript.snapshot()
        self._cache.put(
            tenant, response_id, snapshot, size=snapshot.size, deletions=chain.deletions
        )
        return History(snapshot, chain.deletions)


def _check_finished(response_id: str, status: ResponseStatus) -> None:
    if status not in TERMINAL_STATUSES:
        raise ApiError(
            f"Previous response with id '{response_id}' is still {status.replace('_', ' ')}.",
            code="invalid_value",
            param="previous_response_id",
        )
