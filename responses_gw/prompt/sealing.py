"""Reasoning that a client keeps for us: ``reasoning.encrypted_content`` (SURFACE §7.2).

Theory of operation. A sealed text is urlsafe base64 of

    version (1 byte) · key id (4) · nonce (12) · AES-256-GCM of (form (1) · text), with its tag (16)

The head (version and key id) and the tenant are authenticated with it, so that a blob opens only
for the tenant it was made for. The key id is a hash of the key, so the right one is found at once.
``form`` says whether the text is deflated, which long ones are: a client sends every one back, turn
after turn.

Nonces are random. One key is good for 2^32 texts (NIST SP 800-38D §8.3); after that, or when it may
have leaked, put a new key in front of it.

Nothing is read before the tag has been checked, except for the length. What is genuine can still do
harm: many small blobs that each inflate to megabytes (a model that repeats itself makes them) would
exhaust our memory, so a text that shrinks by more than ``MAX_RATIO`` is left as it is.
"""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["KEY_BYTES", "MAX_TEXT_BYTES", "Sealer"]

KEY_BYTES = 32
MAX_TEXT_BYTES = 10_485_760
"""In UTF-8, the limit of any text of the API (SURFACE §7.5). A longer one is not opened again."""
MAX_RATIO = 8
DEFLATED_FROM_BYTES = 512
"""Below this there is little to gain."""

_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_HEAD_BYTES = len(_VERSION) + _KEY_ID_BYTES
_NONCE_BYTES = 12
_TAG_BYTES = 16
_PLAIN, _DEFLATED = b"\x00", b"\x01"
_MIN_BYTES = _HEAD_BYTES + _NONCE_BYTES + 1 + _TAG_BYTES
_MAX_CHARACTERS = (_MIN_BYTES + MAX_TEXT_BYTES + 2) // 3 * 4


class Sealer:
    """Seals with the first key, opens with all: put a new key in front, and take an old one away
    when what it sealed may be lost.

    Raises :class:`ValueError` without keys or for one that is not of ``KEY_BYTES`` bytes.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a sealer needs keys of {KEY_BYTES} bytes")
        self._head = _VERSION + _key_id(keys[0])
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}

    def seal(self, text: str, tenant: str) -> str:
        """A blob that only this tenant can have opened; another one each time."""
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._ciphers[self._head[len(_VERSION) :]]
        sealed = cipher.encrypt(nonce, _packed(text), _bound_to(self._head, tenant))
        return base64.urlsafe_b64encode(self._head + nonce + sealed).decode("ascii")

    def unseal(self, blob: str, tenant: str) -> str | None:
        """The text; None for whatever :meth:`seal` did not make for this tenant with one of the
        keys. Raises nothing.
        """
        raw = _decoded(blob)
        if raw is None:
            return None
        head, rest = raw[:_HEAD_BYTES], raw[_HEAD_BYTES:]
        cipher = self._ciphers.get(head[len(_VERSION) :])
        if cipher is None or not head.startswith(_VERSION):
            return None
        nonce, sealed = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            return _unpacked(cipher.decrypt(nonce, sealed, _bound_to(head, tenant)))
        except (InvalidTag, zlib.error, UnicodeDecodeError):  # the others: not made by seal()
            return None


def _key_id(key: bytes) -> bytes:
    return hashlib.blake2b(key, digest_size=_KEY_ID_BYTES, person=b"sealing key id").digest()


def _bound_to(head: bytes, tenant: str) -> bytes:
    """What is authenticated beside the text. The head's length is fixed: no two pairs are alike."""
    return head + tenant.encode("utf-8", "surrogatepass")


def _decoded(blob: str) -> bytes | None:
    """The bytes of a blob in the one spelling that we give them."""
    if len(blob) > _MAX_CHARACTERS:
        return None
    try:
        raw = base64.urlsafe_b64decode(blob)
    except ValueError:  # also for what is not ASCII
        return None
    # Python skips characters that are none of base64's, and bits that its last one has too many
    is_ours = len(raw) >= _MIN_BYTES and base64.urlsafe_b64encode(raw) == blob.encode("ascii")
    return raw if is_ours else None


def _packed(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    if len(data) >= DEFLATED_FROM_BYTES:
        deflated = zlib.compress(data, level=1)
        if len(deflated) < len(data) <= MAX_RATIO * len(deflated):
            return _DEFLATED + deflated
    return _PLAIN + data


def _unpacked(packed: bytes) -> str | None:
    """None for more than ``MAX_TEXT_BYTES``, and for a form that this version does not know."""
    form, data = packed[:1], packed[1:]
    if form == _DEFLATED:
        inflater = zlib.decompressobj()
        data = inflater.decompress(data, MAX_TEXT_BYTES + 1)
    elif form != _PLAIN:
        return None
    return None if len(data) > MAX_TEXT_BYTES else data.decode("utf-8", "surrogatepass")
