"""The connection to the model server: one session per process, and the two ways it is called.

Theory of operation (figures: aiohttp 3.14). A model server closes idle connections after five
seconds and a request that meets such a close is lost before it was read, so idle connections are
given up after four, and a request that still meets one is sent once more on a fresh one. That is
safe only before any byte of an answer came. There is no cap on connections and no limit on the time
of a whole stream: a stream ends by silence longer than the idle timeout, by its own end, or by its
reader's cancellation, which closes the socket at once because the connection cannot be used again
in the middle of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp

from ..api.errors import ApiError, server_error, unavailable
from ..machine.upstream_errors import http_error
from ..settings import UpstreamSettings
from .chat import ChatStream
from .models import ModelList, decode_models

__all__ = ["UpstreamClient"]

KEEPALIVE_SECONDS = 4.0
READ_BUFFER_BYTES = 65536
MAX_ERROR_BODY_BYTES = 65536
MAX_MODELS_BODY_BYTES = 4 * 1024 * 1024
MODELS_TIMEOUT_SECONDS = 10.0
FORWARDED_HEADERS = ("x-request-id", "traceparent", "tracestate")


class UpstreamClient:
    """An async context manager that owns the session. It raises :class:`ApiError` only."""

    def __init__(self, settings: UpstreamSettings) -> None:
        self._settings = settings
        self._base = settings.url.rstrip("/")
        self._patience = aiohttp.ClientTimeout(
            total=None,
            sock_connect=settings.connect_timeout_seconds,
            sock_read=settings.idle_timeout_seconds,
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
            auto_decompress=False,
            read_bufsize=READ_BUFFER_BYTES,
            headers=self._own_headers(),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def open_chat(self, body: bytes, headers: Mapping[str, str]) -> ChatStream:
        """Start a chat completion; returns when the server has accepted it.

        ``headers`` are the client's, of which only the tracing ones go up. Raises :class:`ApiError`
        with the status that a client should see. The caller must close the stream.
        """
        response = await self._request("POST", "/chat/completions", body, _forwarded(headers))
        if response.status == 200:
            return ChatStream(response)
        try:
            raise await _refusal(response)
        finally:
            response.close()

    async def models(self, headers: Mapping[str, str]) -> ModelList:
        """The server's list of models (SURFACE §1)."""
        response = await self._request(
            "GET",
            "/models",
            None,
            _forwarded(headers),
            aiohttp.ClientTimeout(total=MODELS_TIMEOUT_SECONDS),
        )
        try:
            if response.status != 200:
                raise await _refusal(response)
            return decode_models(await _bounded_body(response, MAX_MODELS_BODY_BYTES))
        finally:
            response.close()

    async def _request(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> aiohttp.ClientResponse:
        try:
            return await self._send(method, path, body, headers, timeout)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise unavailable("The model server cannot be reached.") from error
        try:  # a stale connection: nothing of the answer had come
            return await self._send(method, path, body, headers, timeout)
        except (aiohttp.ClientError, OSError) as error:
            raise unavailable("The model server closed the connection.") from error

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout | None,
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("UpstreamClient is used outside its context")
        try:
            return await self._session.request(
                method,
                self._base + path,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=timeout or self._patience,
            )
        except TimeoutError as error:
            raise server_error("The model server did not answer in time.", status=504) from error
        except aiohttp.InvalidURL as error:
            raise server_error("The model server's address is wrong.", status=502) from error
        except aiohttp.ClientResponseError as error:
            raise server_error("The model server did not speak HTTP.", status=502) from error

    def _own_headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if self._settings.api_key is not None:
            headers["authorization"] = f"Bearer {self._settings.api_key}"
        return headers


def _forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name in FORWARDED_HEADERS if (value := headers.get(name)) is not None}


async def _refusal(response: aiohttp.ClientResponse) -> ApiError:
    try:
        body = await _bounded_body(response, MAX_ERROR_BODY_BYTES)
    except ApiError:
        body = b""
    return http_error(response.status, body, _seconds(response.headers.get("retry-after")))


async def _bounded_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        while data := await response.content.readany():
            pieces.append(data)
            size += len(data)
            if size > limit:
                break
    except (aiohttp.ClientError, OSError) as error:
        raise server_error("The model server broke off its answer.", status=502) from error
    return b"".join(pieces)[:limit]


def _seconds(retry_after: str | None) -> int | None:
    return int(retry_after) if retry_after is not None and retry_after.isdigit() else None
