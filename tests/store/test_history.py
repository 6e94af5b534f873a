"""The cache of histories: bounded by bytes, least recently used out first."""

from __future__ import annotations

import pytest

from responses_gw.store import HistoryCache
from responses_gw.store.history import ENTRY_OVERHEAD_BYTES

ENTRY = 1000 + ENTRY_OVERHEAD_BYTES


def put(cache: HistoryCache[str], id: str, size: int = 1000, tenant: str = "t") -> None:
    cache.put(tenant, id, f"history of {id}", size=size, deletions=3)


def test_gives_back_the_value_with_its_deletions() -> None:
    cache = HistoryCache[str](10 * ENTRY)
    put(cache, "a")
    entry = cache.get("t", "a")
    assert entry is not None
    assert (entry.value, entry.size, entry.deletions) == ("history of a", 1000, 3)


def test_an_entry_belongs_to_one_tenant() -> None:
    cache = HistoryCache[str](10 * ENTRY)
    put(cache, "a")
    assert cache.get("other", "a") is None


def test_the_least_recently_used_goes_first() -> None:
    cache = HistoryCache[str](3 * ENTRY)
    for id in "abc":
        put(cache, id)
    cache.get("t", "a")
    put(cache, "d")
    assert [id for id in "abcd" if cache.get("t", id)] == ["a", "c", "d"]
    assert cache.used_bytes == 3 * ENTRY


def test_a_large_value_drives_out_several_and_one_too_large_none() -> None:
    cache = HistoryCache[str](3 * ENTRY)
    for id in "abc":
        put(cache, id)
    put(cache, "too large", size=3 * ENTRY)
    assert len(cache) == 3
    put(cache, "large", size=2 * ENTRY - ENTRY_OVERHEAD_BYTES)
    assert [id for id in ("a", "b", "c", "large") if cache.get("t", id)] == ["c", "large"]


def test_a_value_too_large_still_ends_the_older_one() -> None:
    cache = HistoryCache[str](ENTRY)
    put(cache, "a")
    put(cache, "a", size=5000)
    assert cache.get("t", "a") is None
    assert cache.used_bytes == 0


def test_put_again_counts_once() -> None:
    cache = HistoryCache[str](10 * ENTRY)
    put(cache, "a", size=5000)
    put(cache, "a")
    assert (len(cache), cache.used_bytes) == (1, ENTRY)


def test_dropped_is_gone_and_may_be_dropped_again() -> None:
    cache = HistoryCache[str](10 * ENTRY)
    put(cache, "a")
    for _ in range(2):
        cache.drop("t", "a")
        assert cache.get("t", "a") is None
    assert cache.used_bytes == 0


def test_a_cache_of_nothing_keeps_nothing() -> None:
    cache = HistoryCache[str](0)
    put(cache, "a", size=0)
    assert len(cache) == 0


def test_empty_values_are_bounded_too() -> None:
    cache = HistoryCache[str](10 * ENTRY_OVERHEAD_BYTES)
    for number in range(100):
        put(cache, str(number), size=0)
    assert len(cache) == 10


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 bytes"):
        put(HistoryCache[str](1000), "a", size=-1)
