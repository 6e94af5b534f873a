"""Responses and items: what is stored comes back, to its tenant only, until it is deleted."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import pytest

from responses_gw.store import (
    ChainBroken,
    Database,
    ItemNotFound,
    LeaseLost,
    Outcome,
    ParentNotFound,
    ResponseExists,
    ResponseStatus,
    ResponseStore,
    StoredItem,
    Tip,
)

pytestmark = pytest.mark.anyio
T = TypeVar("T")
UNSTORABLE = ["", "a\x00b", "x" * 257, "half \ud800"]


class CountingDatabase(Database):
    """Counts the statements that go through it."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.statements = 0

    async def _run(self, statement: Callable[[Any], Awaitable[T]]) -> T:
        self.statements += 1
        return await super()._run(statement)


@pytest.fixture
async def database(module_database_url: str) -> AsyncIterator[CountingDatabase]:
    database = CountingDatabase(module_database_url)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def store(database: CountingDatabase) -> ResponseStore:
    return ResponseStore(database, uuid.uuid4())


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid.uuid4()}"


def item(id: str, body: bytes = b"{}", type: str = "message") -> StoredItem:
    return StoredItem(id, type, body)


def outcome(*output: StoredItem, status: ResponseStatus = "completed") -> Outcome:
    return Outcome(status, 1_700_000_009, b'{"total_tokens":3}', None, None, output)


async def begin(
    store: ResponseStore, tenant: str, id: str, parent: str | None = None, inputs: int = 1
) -> int:
    return await store.create(
        tenant,
        id=id,
        parent_id=parent,
        created_at=1_700_000_000,
        settings=b'{"model":"m"}',
        input=[item(f"{id}-in{n}", f"{id} in {n}".encode()) for n in range(inputs)],
    )


async def turn(store: ResponseStore, tenant: str, id: str, parent: str | None = None) -> None:
    await begin(store, tenant, id, parent)
    await store.finish(tenant, id, outcome(item(f"{id}-out", f"{id} out".encode())))


# --- one response ---------------------------------------------------------------------------------


async def item_of(store: ResponseStore, tenant: str, id: str) -> bytes | None:
    found = (await store.items(tenant, [id])).get(id)
    return None if found is None else found.body


async def test_a_new_response_is_in_progress(store: ResponseStore, tenant: str) -> None:
    await begin(store, tenant, "r")
    stored = await store.get(tenant, "r")
    assert stored is not None
    assert stored.status == "in_progress"
    assert (stored.id, stored.created_at) == ("r", 1_700_000_000)
    assert (stored.settings, stored.output) == (b'{"model":"m"}', ())
    assert (stored.completed_at, stored.usage, stored.error) == (None, None, None)


async def test_a_finished_response_has_its_output_in_order(
    store: ResponseStore, tenant: str
) -> None:
    await begin(store, tenant, "r", inputs=3)
    bodies = [f"{n} \N{SNOWMAN} ".encode() * 2000 for n in range(12)]
    await store.finish(tenant, "r", outcome(*(item(f"o{n}", b) for n, b in enumerate(bodies))))
    stored = await store.get(tenant, "r")
    assert stored is not None
    assert stored.output == tuple(bodies)
    assert (stored.status, stored.completed_at) == ("completed", 1_700_000_009)
    assert stored.usage == b'{"total_tokens":3}'


@pytest.mark.parametrize("status", ["failed", "incomplete", "cancelled"])
async def test_other_ends_keep_why(
    store: ResponseStore, tenant: str, status: ResponseStatus
) -> None:
    await begin(store, tenant, "r")
    await store.finish(tenant, "r", Outcome(status, None, None, b'{"code":"x"}', "why", ()))
    stored = await store.get(tenant, "r")
    assert stored is not None
    assert (stored.status, stored.error, stored.incomplete_reason, stored.completed_at) == (
        status,
        b'{"code":"x"}',
        "why",
        None,
    )


async def test_input_may_be_empty_and_bodies_any_bytes(store: ResponseStore, tenant: str) -> None:
    await begin(store, tenant, "r", inputs=0)
    body = bytes(range(256))
    await store.finish(tenant, "r", outcome(item("o", body)))
    assert await item_of(store, tenant, "o") == body


async def test_each_method_is_one_statement(
    store: ResponseStore, database: CountingDatabase, tenant: str
) -> None:
    counts = {}
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "create": lambda: begin(store, tenant, "r", inputs=30),
        "finish": lambda: store.finish(tenant, "r", outcome(*(item(f"o{n}") for n in range(9)))),
        "get": lambda: store.get(tenant, "r"),
        "chain": lambda: store.chain(tenant, "r"),
        "tip": lambda: store.tip(tenant, "r"),
        "items": lambda: store.items(tenant, ["o1", "o2", "none"]),
        "input_items": lambda: store.input_items(tenant, "r", after=None, limit=5, order="asc"),
        "delete": lambda: store.delete(tenant, "r"),
    }
    for name, call in calls.items():
        before = database.statements
        await call()
        counts[name] = database.statements - before
    assert set(counts.values()) == {1}, counts


# --- repeats and owners ---------------------------------------------------------------------------


async def test_create_may_be_repeated(store: ResponseStore, tenant: str) -> None:
    await begin(store, tenant, "r", inputs=2)
    await begin(store, tenant, "r", inputs=2)
    chain = await store.chain(tenant, "r")
    assert chain is not None
    assert chain.items == (b"r in 0", b"r in 1")


async def test_another_s_id_is_taken(store: ResponseStore, database: Database, tenant: str) -> None:
    await begin(store, tenant, "r")
    with pytest.raises(ResponseExists):
        await begin(ResponseStore(database, uuid.uuid4()), tenant, "r")


async def test_finish_may_be_repeated(store: ResponseStore, tenant: str) -> None:
    await begin(store, tenant, "r")
    ends = [store.finish(tenant, "r", outcome(item("o", b"out"))) for _ in range(5)]
    await asyncio.gather(*ends)
    await store.finish(tenant, "r", outcome(item("o", b"out")))
    stored = await store.get(tenant, "r")
    assert stored is not None
    assert stored.output == (b"out",)


async def test_finish_differently_is_refused(store: ResponseStore, tenant: str) -> None:
    await turn(store, tenant, "r")
    with pytest.raises(LeaseLost):
        await store.finish(tenant, "r", outcome(status="failed"))


async def test_only_the_owner_finishes(
    store: ResponseStore, database: Database, tenant: str
) -> None:
    await begin(store, tenant, "r")
    with pytest.raises(LeaseLost):
        await ResponseStore(database, uuid.uuid4()).finish(tenant, "r", outcome(item("o")))
    assert await item_of(store, tenant, "o") is None


async def test_a_deleted_response_cannot_be_finished(store: ResponseStore, tenant: str) -> None:
    await begin(store, tenant, "r")
    await store.delete(tenant, "r")
    with pytest.raises(LeaseLost):
        await store.finish(tenant, "r", outcome(item("o")))
    assert await item_of(store, tenant, "o") is None


async def test_delete_and_finish_at_once_leave_nothing(
    store: ResponseStore, database: CountingDatabase, tenant: str
) -> None:
    for n in range(20):
        await begin(store, tenant, f"r{n}")
        await asyncio.gather(
            store.finish(tenant, f"r{n}", outcome(item("o"))),
            store.delete(tenant, f"r{n}"),
            return_exceptions=True,
        )
    assert await database.fetchval("SELECT count(*) FROM items WHERE tenant = $1", tenant) == 0


# --- deletion -------------------------------------------------------------------------------------


async def test_delete_removes_the_content_at_once(
    store: ResponseStore, database: CountingDatabase, tenant: str
) -> None:
    await turn(store, tenant, "r")
    assert await store.delete(tenant, "r") is True
    assert await store.delete(tenant, "r") is False
    assert await store.get(tenant, "r") is None
    assert await item_of(store, tenant, "r-out") is None
    assert await database.fetchval("SELECT count(*) FROM items WHERE tenant = $1", tenant) == 0


async def test_every_deletion_is_counted(store: ResponseStore, tenant: str) -> None:
    for id in "abc":
        await turn(store, tenant, id)
    assert await store.tip(tenant, "c") == Tip("completed", 0)
    await store.delete(tenant, "a")
    await store.delete(tenant, "a")
    assert await store.tip(tenant, "c") == Tip("completed", 1)
    await store.delete(tenant, "b")
    chain = await store.chain(tenant, "c")
    assert chain is not None
    assert chain.deletions == 2
    assert await begin(store, tenant, "d") == 2


async def test_deletions_at_once_are_all_counted(store: ResponseStore, tenant: str) -> None:
    for n in range(20):
        await begin(store, tenant, f"r{n}")
    await begin(store, tenant, "last")
    await asyncio.gather(*(store.delete(tenant, f"r{n}") for n in range(20)))
    assert await store.tip(tenant, "last") == Tip("in_progress", 20)


# --- chains ---------------------------------------------------------------------------------------


async def test_a_chain_of_100_is_one_statement_and_constant_bytes(
    store: ResponseStore, database: CountingDatabase, tenant: str
) -> None:
    parent = None
    sizes = []
    for n in range(100):
        before = database.statements
        await turn(store, tenant, f"r{n:03}", parent)
        assert database.statements - before == 2, f"turn {n} took more statements"
        parent = f"r{n:03}"
        sizes.append(
            await database.fetchval(
                "SELECT sum(length(body)) FROM items WHERE tenant=$1 AND response_id=$2",
                tenant,
                parent,
            )
        )
    assert len(set(sizes)) == 1, f"bytes per turn: {sizes}"
    before = database.statements
    chain = await store.chain(tenant, "r099")
    assert database.statements - before == 1
    assert chain is not None
    expected = [f"r{n:03} {part}".encode() for n in range(100) for part in ("in 0", "out")]
    assert list(chain.items) == expected


async def test_branches_share_their_past(store: ResponseStore, tenant: str) -> None:
    await turn(store, tenant, "root")
    for branch in ("left", "right"):
        await turn(store, tenant, branch, "root")
        chain = await store.chain(tenant, branch)
        assert chain is not None
        own = [f"{branch} in 0".encode(), f"{branch} out".encode()]
        assert list(chain.items) == [b"root in 0", b"root out", *own]


async def test_a_chain_tells_the_status_of_its_end(store: ResponseStore, tenant: str) -> None:
    await turn(store, tenant, "a")
    await begin(store, tenant, "b", "a")
    chain = await store.chain(tenant, "b")
    assert chain is not None
    assert chain.status == "in_progress"
    assert chain.items == (b"a in 0", b"a out", b"b in 0")


@pytest.mark.parametrize("gone", ["a", "b"])
async def test_a_deleted_ancestor_breaks_the_chain_and_nothing_else(
    store: ResponseStore, tenant: str, gone: str
) -> None:
    for id, parent in (("a", None), ("b", "a"), ("c", "b")):
        await turn(store, tenant, id, parent)
    await store.delete(tenant, gone)
    with pytest.raises(ChainBroken) as caught:
        await store.chain(tenant, "c")
    assert caught.value.response_id == gone
    assert await store.get(tenant, "c") is not None


async def test_a_parent_that_has_gone_is_not_continued(store: ResponseStore, tenant: str) -> None:
    for parent in ("never was", *UNSTORABLE):
        with pytest.raises(ParentNotFound) as caught:
            await begin(store, tenant, "r", parent)
        assert caught.value.response_id == parent
    assert await store.get(tenant, "r") is None
    assert await item_of(store, tenant, "r-in0") is None


# --- pages of input -------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("count", [0, 1, 20, 250])
@pytest.mark.parametrize("limit", [1, 20, 100])
async def test_pages_hold_every_item_once(
    store: ResponseStore, tenant: str, order: str, count: int, limit: int
) -> None:
    if limit == 1 and count == 250:
        limit = 7
    await begin(store, tenant, "r", inputs=count)
    await store.finish(tenant, "r", outcome(item("o", b"no input")))
    seen: list[bytes] = []
    after = None
    while True:
        page = await store.input_items(tenant, "r", after=after, limit=limit, order=order)  # type: ignore[arg-type]
        assert page is not None
        assert len(page.items) <= limit
        seen += page.items
        if page.items:
            assert page.first_id == f"r-in{page.items[0].split()[-1].decode()}"
            assert page.last_id == f"r-in{page.items[-1].split()[-1].decode()}"
        else:
            assert (page.first_id, page.last_id) == (None, None)
        if not page.has_more:
            break
        after = page.last_id
    expected = [f"r in {n}".encode() for n in range(count)]
    assert seen == (expected if order == "asc" else expected[::-1])


async def test_behind_the_last_item_there_is_an_empty_page(
    store: ResponseStore, tenant: str
) -> None:
    await begin(store, tenant, "r", inputs=2)
    page = await store.input_items(tenant, "r", after="r-in1", limit=5, order="asc")
    assert page is not None
    assert (page.items, page.has_more, page.first_id) == ((), False, None)


@pytest.mark.parametrize("after", ["r-out", "other", *UNSTORABLE])
async def test_after_must_be_an_input_item(store: ResponseStore, tenant: str, after: str) -> None:
    await turn(store, tenant, "r")
    await begin(store, tenant, "no-input", inputs=0)
    for id in ("r", "no-input"):
        with pytest.raises(ItemNotFound) as caught:
            await store.input_items(tenant, id, after=after, limit=5, order="asc")
        assert caught.value.item_id == after


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_paging_ends_although_ids_repeat(
    store: ResponseStore, tenant: str, order: str
) -> None:
    items = [item("same", str(n).encode()) for n in range(6)]
    await store.create(tenant, id="r", parent_id=None, created_at=1, settings=b"", input=items)
    after, pages = None, 0
    while pages < 10:
        page = await store.input_items(tenant, "r", after=after, limit=2, order=order)  # type: ignore[arg-type]
        assert page is not None
        pages, after = pages + 1, page.last_id
        if not page.has_more:
            break
    assert pages < 10, "paging went round in circles"


# --- items by id ----------------------------------------------------------------------------------


async def test_the_newest_item_of_an_id_is_found(store: ResponseStore, tenant: str) -> None:
    for id in ("resp_1", "resp_3", "resp_2"):
        items = [item("same", f"{id} first".encode()), item("same", f"{id} last".encode())]
        await store.create(tenant, id=id, parent_id=None, created_at=1, settings=b"", input=items)
    assert await item_of(store, tenant, "same") == b"resp_3 last"


async def test_several_items_are_found_at_once(store: ResponseStore, tenant: str) -> None:
    await begin(store, tenant, "r", inputs=3)
    found = await store.items(tenant, ["r-in2", "none", "r-in0", "r-in0", "\x00"])
    assert {id: one.body for id, one in found.items()} == {"r-in0": b"r in 0", "r-in2": b"r in 2"}


async def test_a_chain_gives_what_a_model_was_shown_and_a_list_what_the_client_sent(
    store: ResponseStore, tenant: str
) -> None:
    file = StoredItem("msg_1", "message", b"with a file", b"with its text")
    plain = StoredItem("msg_2", "message", b"plain")
    await store.create(
        tenant, id="r", parent_id=None, created_at=1, settings=b"", input=[file, plain]
    )
    chain = await store.chain(tenant, "r")
    page = await store.input_items(tenant, "r", after=None, limit=9, order="asc")
    assert chain is not None and page is not None
    assert chain.items == (b"with its text", b"plain")
    assert page.items == (b"with a file", b"plain")
    assert await store.items(tenant, ["msg_1", "msg_2"]) == {"msg_1": file, "msg_2": plain}


async def test_odd_words_of_clients_are_stored_without_error(
    store: ResponseStore, tenant: str
) -> None:
    items = [
        item(word, b"body", type=word) for word in ("a\x00b", "\ud800", "x" * 10_000, "\N{SNOWMAN}")
    ]
    await store.create(tenant, id="r", parent_id=None, created_at=1, settings=b"", input=items)
    page = await store.input_items(tenant, "r", after=None, limit=9, order="asc")
    assert page is not None
    assert page.items == (b"body",) * 4
    assert await item_of(store, tenant, "\N{SNOWMAN}") == b"body"


# --- not there ------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", ["unknown", "'; DROP TABLE items; --", *UNSTORABLE])
async def test_what_is_not_there_is_not_found(store: ResponseStore, tenant: str, id: str) -> None:
    assert await store.get(tenant, id) is None
    assert await store.chain(tenant, id) is None
    assert await store.tip(tenant, id) is None
    assert await item_of(store, tenant, id) is None
    assert await store.delete(tenant, id) is False
    assert await store.input_items(tenant, id, after="x", limit=1, order="asc") is None
    with pytest.raises(LeaseLost):
        await store.finish(tenant, id, outcome())


async def test_a_foreign_tenant_sees_nothing(store: ResponseStore, tenant: str) -> None:
    await turn(store, tenant, "r")
    other = f"{tenant}-other"
    assert await store.get(other, "r") is None
    assert await store.chain(other, "r") is None
    assert await store.tip(other, "r") is None
    assert await item_of(store, other, "r-out") is None
    assert await store.delete(other, "r") is False
    assert await store.input_items(other, "r", after=None, limit=1, order="asc") is None
    with pytest.raises(LeaseLost):
        await store.finish(other, "r", outcome())
    with pytest.raises(ParentNotFound):
        await begin(store, other, "child", "r")
    assert await store.tip(tenant, "r") == Tip("completed", 0), "a stranger's try was counted"


async def test_two_tenants_may_use_one_id(store: ResponseStore, tenant: str) -> None:
    other = f"{tenant}-other"
    await turn(store, tenant, "r")
    await begin(store, other, "r")
    assert await store.delete(other, "r") is True
    stored = await store.get(tenant, "r")
    assert stored is not None
    assert stored.output == (b"r out",)


def test_values_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        item("a").id = "b"  # type: ignore[misc]
    assert msgspec.structs.asdict(Tip("failed", 1)) == {"status": "failed", "deletions": 1}
