"""Access tokens for a server of the operator's, by OAuth's client credentials (RFC 6749 §4.4).

The SDK's own provider finds the token endpoint by asking the server; here the operator names it,
and nobody else decides where the secret goes.
"""

from __future__ import annotations

import asyncio
import base64
import time
from urllib.parse import quote, urlencode

import httpx2
import msgspec
from msgspec import Struct

from .server import ClientCredentials

__all__ = ["AccessTokens", "TokenRefused"]

EARLY_SECONDS = 30.0
DEFAULT_LIFE_SECONDS = 3600.0
TOKEN_SECONDS = 15.0


class TokenRefused(httpx2.TransportError):
    """There is no token. A kind of transport error: then there is no answer of the server."""


class _Token(Struct):
    access_token: str
    expires_in: float | None = None


_token_of = msgspec.json.Decoder(_Token, strict=False).decode


class AccessTokens:
    """One token at a time, fetched when it is needed and shared by all sessions of a server."""

    def __init__(self, credentials: ClientCredentials) -> None:
        self._credentials = credentials
        self._token: str | None = None
        self._until = 0.0
        self._fetching = asyncio.Lock()

    async def token(self, client: httpx2.AsyncClient) -> str:
        """Raises :class:`TokenRefused`."""
        async with self._fetching:
            if self._token is None or time.monotonic() >= self._until:
                found = await self._fetch(client)
                life = DEFAULT_LIFE_SECONDS if found.expires_in is None else found.expires_in
                self._token = found.access_token
                self._until = time.monotonic() + max(life - EARLY_SECONDS, life / 2)
            return self._token

    def expire(self, token: str) -> None:
        """The server did not take it. It may be an old one, then the new one stays."""
        if token == self._token:
            self._token = None

    async def _fetch(self, client: httpx2.AsyncClient) -> _Token:
        ours = self._credentials
        pair = f"{quote(ours.client_id, safe='')}:{quote(ours.client_secret, safe='')}"
        form = {"grant_type": "client_credentials"}
        if ours.scope is not None:
            form["scope"] = ours.scope
        try:
            answer = await client.post(
                ours.token_url,
                content=urlencode(form),
                headers={
                    "authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
                    "content-type": "application/x-www-form-urlencoded",
                    "accept": "application/json",
                },
                timeout=TOKEN_SECONDS,
                follow_redirects=False,
            )
            if answer.status_code != 200:
                raise TokenRefused(f"the token endpoint answered with {answer.status_code}")
            return _token_of(answer.content)
        except httpx2.HTTPError as error:
            raise TokenRefused(f"no token: {error}") from error
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise TokenRefused("the token endpoint sent no token") from error
