"""What can go wrong between the gateway and a server, in the words that clients and models read.

No text here has an address, a secret or an exception of Python in it: those go to the log.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from ...api.items.hosted import McpHttpError, McpProtocolError

__all__ = [
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "ServerFault",
    "http_fault",
    "overloaded",
    "protocol_fault",
    "timed_out",
    "unreachable",
]

INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
MAX_MESSAGE_CHARACTERS = 2000


class ServerFault(Exception):
    """A server could not be used. ``is_unsent``: it is certain that it has not seen the request,
    because the session was no longer there, so that a new session may try again.
    """

    def __init__(self, error: McpHttpError | McpProtocolError, *, is_unsent: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.is_unsent = is_unsent

    @property
    def reason(self) -> str:
        """A sentence for the error of a list, in OpenAI's words (SURFACE §9)."""
        error = self.error
        if isinstance(error, McpProtocolError):
            return f"JSON-RPC error {error.code}: {error.message}"
        return error.message


def http_fault(status: int, *, is_unsent: bool = False) -> ServerFault:
    """The server answered with this status."""
    try:
        phrase = f" ({HTTPStatus(status).phrase})"
    except ValueError:
        phrase = ""
    message = f"Http status code: {status}{phrase}"
    return ServerFault(McpHttpError(status, message), is_unsent=is_unsent)


def unreachable(what: str = "cannot be reached", *, is_unsent: bool = False) -> ServerFault:
    """There is no connection, or it broke: 502, as a gateway would say it."""
    message = f"The MCP server {what}. Http status code: 502 (Bad Gateway)"
    return ServerFault(McpHttpError(502, message), is_unsent=is_unsent)


def timed_out(what: Literal["connection", "list", "call"], seconds: float) -> ServerFault:
    """504, as a gateway would say it: 408 would be the server's word about a slow client."""
    subject = {
        "connection": "The connection to the MCP server",
        "list": "The list of the MCP server's tools",
        "call": "The call of the MCP tool",
    }
    message = f"{subject[what]} timed out after {seconds:g} seconds."
    return ServerFault(McpHttpError(504, message))


def overloaded() -> ServerFault:
    message = "Too many MCP servers are in use at once. Http status code: 503 (Service Unavailable)"
    return ServerFault(McpHttpError(503, message))


def protocol_fault(code: int, message: str) -> ServerFault:
    """``message`` is the server's own, or ours."""
    if len(message) > MAX_MESSAGE_CHARACTERS:
        message = f"{message[:MAX_MESSAGE_CHARACTERS]}…"
    return ServerFault(McpProtocolError(code, message))
