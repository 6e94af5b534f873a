"""Sealed reasoning opens for whom it was made, and for nobody and nothing else."""

from __future__ import annotations

import base64
import os
import zlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from responses_gw.prompt.sealing import KEY_BYTES, MAX_RATIO, MAX_TEXT_BYTES, Sealer

OLD, NEW, OTHER = (bytes([number]) * KEY_BYTES for number in (1, 2, 3))
SEALER = Sealer([NEW, OLD])
THOUGHT = "The user wants the weather. I should call the tool for Paris, then for Oslo. "

texts = st.one_of(
    st.text(),
    st.text(st.characters(codec=None)),  # with halves of surrogate pairs
    st.builds(lambda text, times: text * times, st.text(min_size=1), st.integers(1, 400)),
)
tenants = st.text(st.characters(codec=None))


@given(texts, tenants)
def test_what_was_sealed_opens(text: str, tenant: str) -> None:
    assert SEALER.unseal(SEALER.seal(text, tenant), tenant) == text


@given(st.text(), tenants, tenants)
def test_another_tenant_opens_nothing(text: str, tenant: str, other: str) -> None:
    opened = SEALER.unseal(SEALER.seal(text, tenant), other)
    assert opened == (text if tenant == other else None)


@given(st.text(), st.data())
def test_a_changed_bit_opens_nothing(text: str, data: st.DataObject) -> None:
    raw = bytearray(base64.urlsafe_b64decode(SEALER.seal(text, "t")))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    assert SEALER.unseal(base64.urlsafe_b64encode(raw).decode(), "t") is None


@given(st.text(), st.data())
def test_a_changed_character_opens_nothing(text: str, data: st.DataObject) -> None:
    blob = SEALER.seal(text, "t")
    at = data.draw(st.integers(0, len(blob) - 1))
    other = data.draw(st.characters().filter(lambda character: character != blob[at]))
    assert SEALER.unseal(blob[:at] + other + blob[at + 1 :], "t") is None


@given(st.text(), st.data())
def test_a_part_of_a_blob_opens_nothing(text: str, data: st.DataObject) -> None:
    blob = SEALER.seal(text, "t")
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(blob))] * 2)))
    if (start, end) != (0, len(blob)):
        assert SEALER.unseal(blob[start:end], "t") is None


@given(st.text(), st.text(min_size=1))
def test_a_blob_with_more_around_it_opens_nothing(text: str, more: str) -> None:
    blob = SEALER.seal(text, "t")
    assert SEALER.unseal(blob + more, "t") is None
    assert SEALER.unseal(more + blob, "t") is None


@given(st.one_of(st.text(st.characters(codec=None)), st.binary().map(base64.urlsafe_b64encode)))
def test_anything_else_opens_nothing(blob: str | bytes) -> None:
    assert SEALER.unseal(blob if isinstance(blob, str) else blob.decode(), "t") is None


@pytest.mark.parametrize(
    "blob",
    [
        "",
        "gAAAAABpW3QdWYG6Ar1wW2QzetCk5vNNiIcJC9BeO4LMGSgOi9bhz-jx1P4f91-mbOrNGRrlOgy4NE1-vu-DzEGE",
        "A" * 30_000_000,
    ],
    ids=["empty", "openai", "huge"],
)
def test_a_foreign_blob_opens_nothing(blob: str) -> None:
    assert SEALER.unseal(blob, "t") is None


def forged(version: int = 1, packed: bytes = b"\x00text", bound_to: bytes | None = None) -> str:
    """What someone with the key could make, so that only one thing speaks against it."""
    head = bytes([version]) + base64.urlsafe_b64decode(Sealer([NEW]).seal("", "t"))[1:5]
    nonce = os.urandom(12)
    authenticated = head + b"t" if bound_to is None else bound_to
    sealed = AESGCM(NEW).encrypt(nonce, packed, authenticated)
    return base64.urlsafe_b64encode(head + nonce + sealed).decode()


def test_the_layout_is_kept_for_blobs_that_clients_have() -> None:
    assert SEALER.unseal(forged(), "t") == "text"
    assert SEALER.unseal(forged(packed=b"\x01" + zlib.compress(b"text")), "t") == "text"


@pytest.mark.parametrize(
    "blob",
    [
        forged(version=0),
        forged(version=2),
        forged(bound_to=b"t"),
        forged(packed=b""),
        forged(packed=b"\x02text"),
        forged(packed=b"\x01text"),
        forged(packed=b"\x00\xff"),
    ],
    ids=[
        "version 0",
        "version 2",
        "its head not authenticated",
        "no form",
        "an unknown form",
        "nothing deflated",
        "no UTF-8",
    ],
)
def test_a_blob_of_another_layout_opens_nothing(blob: str) -> None:
    assert SEALER.unseal(blob, "t") is None


def test_the_first_key_seals_and_all_open() -> None:
    before, during, after = Sealer([OLD]), Sealer([NEW, OLD]), Sealer([NEW])
    old, new = before.seal(THOUGHT, "t"), during.seal(THOUGHT, "t")
    assert during.unseal(old, "t") == THOUGHT
    assert after.unseal(new, "t") == THOUGHT
    assert before.unseal(new, "t") is None
    assert after.unseal(old, "t") is None
    assert Sealer([OTHER]).unseal(old, "t") is None


def test_the_same_text_never_looks_the_same() -> None:
    assert len({SEALER.seal(THOUGHT, "t") for _ in range(100)}) == 100


def test_a_blob_says_nothing_of_its_text_and_needs_no_escaping() -> None:
    blob = SEALER.seal(THOUGHT * 50, "acme")
    raw = base64.urlsafe_b64decode(blob)
    assert blob.isascii() and not set(blob) & set("+/ \"'\\")
    assert b"weather" not in raw and b"acme" not in raw and NEW not in raw


def test_a_long_text_is_deflated() -> None:
    thought = "\n".join(f"{n}. {os.urandom(8).hex()} {THOUGHT}" for n in range(200))
    assert len(SEALER.seal(thought, "t")) < len(thought) / 2
    short = THOUGHT[:60]
    assert len(SEALER.seal(short, "t")) < len(short) * 4 / 3 + 50


def test_no_blob_inflates_to_many_times_its_size() -> None:
    loop = "wait, " * 100_000
    blob = SEALER.seal(loop, "t")
    assert len(loop) <= MAX_RATIO * len(blob)
    assert SEALER.unseal(blob, "t") == loop


def test_a_text_is_opened_up_to_the_limit_of_texts() -> None:
    noise = base64.b64encode(os.urandom(MAX_TEXT_BYTES)).decode()
    longest = noise[:MAX_TEXT_BYTES]
    assert SEALER.unseal(SEALER.seal(longest, "t"), "t") == longest
    assert SEALER.unseal(SEALER.seal(noise[: MAX_TEXT_BYTES + 1], "t"), "t") is None


@pytest.mark.parametrize("keys", [[], [b""], [NEW, b"short"], [NEW + b"x"]])
def test_there_is_no_sealer_without_proper_keys(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="keys of 32 bytes"):
        Sealer(keys)
