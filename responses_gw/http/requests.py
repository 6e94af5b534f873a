"""What is read from a request before it means anything: id, headers, body, query."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from ..api.errors import ApiError, invalid_type, invalid_value, out_of_bounds
from ..api.ids import new_id
from ..engine import ItemsQuery

__all__ = ["ClientGone", "headers_of", "items_query", "query_of", "read_json_body", "request_id_of"]

_REQUEST_ID = re.compile(r"[\w.:@/+=-]{1,128}", re.ASCII)


class ClientGone(Exception):
    """The client left before its request was read."""


def headers_of(scope: Scope) -> dict[str, str]:
    """Lower-case names; a repeated header keeps its last value."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }


def request_id_of(scope: Scope) -> str:
    """The client's ``x-request-id`` if it is one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given: str = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(given):
                return given
    return new_id("req")


async def read_json_body(
    scope: Scope, receive: Receive, limit: int, patience_seconds: float
) -> bytes:
    """The whole body, at most ``limit`` bytes, each piece within ``patience_seconds``.

    Raises :class:`ApiError` (408, 413, 415) and :class:`ClientGone`.
    """
    headers = headers_of(scope)
    _check_content_type(headers)
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    body = bytearray()
    while True:
        try:
            async with asyncio.timeout(patience_seconds):
                message = await receive()
        except TimeoutError as error:
            raise _too_slow(patience_seconds) from error
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        if len(body) + len(piece) > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
        if not body and not more:
            return piece
        body += piece
        if not more:
            return bytes(body)


def query_of(scope: Scope) -> dict[str, list[str]]:
    """Every value of every parameter; ``name[]`` counts as ``name`` (SURFACE §1)."""
    found: dict[str, list[str]] = {}
    text = scope["query_string"].decode("latin-1")
    for name, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
        found.setdefault(name.removesuffix("[]"), []).append(value)
    return found


def items_query(scope: Scope) -> ItemsQuery:
    """``limit``, ``order`` and ``after`` of a listing. Raises :class:`ApiError` (400)."""
    query = query_of(scope)
    order = query.get("order", ["desc"])[-1]
    if order not in ("asc", "desc"):
        raise invalid_value("order", order, ("asc", "desc"))
    after = query.get("after", [""])[-1]
    return ItemsQuery(
        after=after or None,
        limit=_limit(query.get("limit", ["20"])[-1]),
        order="asc" if order == "asc" else "desc",
    )


def _limit(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise invalid_type("limit", "an integer", "a string")
    limit = int(text)
    if limit < 1:
        raise out_of_bounds("limit", "integer", ">= 1", limit)
    if limit > 100:
        raise out_of_bounds("limit", "integer", "<= 100", limit)
    return limit


def _check_content_type(headers: dict[str, str]) -> None:
    given = headers.get("content-type", "")
    if given.split(";", 1)[0].strip().lower() != "application/json":
        raise ApiError(
            f"Unsupported content type: '{given}'. This API method only accepts 'application/json' "
            "requests, but you specified the header "
            f"'Content-Type: {given}'. Please try again with a supported content type.",
            status=415,
            code="unsupported_content_type",
        )
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise ApiError(
            f"Unsupported content encoding: '{encoding}'. Send the body uncompressed.",
            status=415,
            code="unsupported_content_encoding",
        )


def _too_slow(seconds: float) -> ApiError:
    return ApiError(
        f"Nothing of the request body arrived for {seconds:g} seconds.",
        status=408,
        code="request_timeout",
        headers={"connection": "close"},
    )


def _too_large(limit: int) -> ApiError:
    return ApiError(
        f"The request body is too large: at most {limit} bytes are accepted.",
        status=413,
        code="request_too_large",
    )
