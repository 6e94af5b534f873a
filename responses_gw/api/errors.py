"""The error a client sees, with OpenAI's types, codes and messages (SURFACE §9).

An :class:`ApiError` is raised where the fault is known and becomes an HTTP answer or a stream event
in one place each (``http.errors``, ``machine.emitter``). The functions below hold OpenAI's exact
wording.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

__all__ = [
    "ApiError",
    "ContextOverflow",
    "ErrorEnvelope",
    "ErrorObject",
    "ErrorType",
    "invalid_type",
    "invalid_value",
    "mcp_list_failed",
    "missing_required_parameter",
    "not_found",
    "out_of_bounds",
    "previous_response_not_found",
    "prompt_not_found",
    "server_error",
    "unavailable",
    "unsupported_parameter",
]

MAX_SHOWN_CHARACTERS = 200
ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "rate_limit_error",
    "server_error",
    "external_connector_error",
]


class ErrorObject(Struct, frozen=True):
    """The inner object of every error body: all four keys are always sent."""

    message: str
    type: ErrorType
    param: str | None
    code: str | None


class ErrorEnvelope(Struct, frozen=True):
    """``{"error": {…}}``, the body of every HTTP answer that is not a success."""

    error: ErrorObject


class ApiError(Exception):
    """A fault that the client is told about.

    ``status`` and ``headers`` are those of the HTTP answer while nothing has been sent;
    ``retry_after``, in seconds, is one of them.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: ErrorType = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.type: ErrorType = type
        self.code = code
        self.param = param
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["retry-after"] = str(retry_after)

    @property
    def body(self) -> ErrorObject:
        return ErrorObject(self.message, self.type, self.param, self.code)

    @property
    def failure_code(self) -> str:
        """The code of ``response.error``, which clients need as a string (CLIENTS §2)."""
        if self.code is not None:
            return self.code
        return {
            "rate_limit_error": "rate_limit_exceeded",
            "invalid_request_error": "invalid_prompt",
        }.get(self.type, "server_error")


class ContextOverflow(ApiError):
    """The prompt does not fit the model; ``limit`` and ``needed`` are in tokens, when known."""

    def __init__(self, limit: int | None = None, needed: int | None = None) -> None:
        super().__init__(
            "Your input exceeds the context window of this model. Please adjust your input and try "
            "again.",
            code="context_length_exceeded",
            param="input",
        )
        self.limit = limit
        self.needed = needed


def missing_required_parameter(param: str) -> ApiError:
    return ApiError(
        f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param
    )


def invalid_type(param: str, expected: str, got: str) -> ApiError:
    """``expected`` and ``got`` are phrases: "a string", "one of an integer or null"."""
    return ApiError(
        f"Invalid type for '{param}': expected {expected}, but got {got} instead.",
        code="invalid_type",
        param=param,
    )


def invalid_value(param: str, value: object, supported: Iterable[object] = ()) -> ApiError:
    shown = str(value)
    if len(shown) > MAX_SHOWN_CHARACTERS:
        shown = f"{shown[:MAX_SHOWN_CHARACTERS]}…"
    values = [f"'{one}'" for one in supported]
    tail = ""
    if values:
        listed = (
            " and ".join(values)
            if len(values) < 3
            else f"{', '.join(values[:-1])}, and {values[-1]}"
        )
        tail = f" Supported values are: {listed}."
    return ApiError(f"Invalid value: '{shown}'.{tail}", code="invalid_value", param=param)


def out_of_bounds(
    param: str, kind: Literal["integer", "decimal"], bound: str, value: object
) -> ApiError:
    """``bound`` is what holds for good values: ">= 16", "<= 2"."""
    side, label = ("below", "min") if bound.startswith(">") else ("above", "max")
    return ApiError(
        f"Invalid '{param}': {kind} {side} {label}imum value. Expected a value {bound}, but got "
        f"{value} instead.",
        code=f"{kind}_{side}_{label}_value",
        param=param,
    )


def unsupported_parameter(param: str, why: str) -> ApiError:
    return ApiError(
        f"Unsupported parameter: '{param}' {why}", code="unsupported_parameter", param=param
    )


def previous_response_not_found(response_id: str) -> ApiError:
    return ApiError(
        f"Previous response with id '{response_id}' not found.",
        code="previous_response_not_found",
        param="previous_response_id",
    )


def prompt_not_found(id: str) -> ApiError:
    return ApiError(f"Prompt with id '{id}' not found.", status=404, param="prompt.id")


def not_found(kind: str, id: str) -> ApiError:
    """An id in a path that this tenant does not have: ``kind`` is "Response", "Item", …"""
    return ApiError(f"{kind} with id '{id}' not found.", status=404)


def mcp_list_failed(label: str, reason: str) -> ApiError:
    """The tools of a server cannot be listed. ``reason`` is a sentence without a full stop."""
    return ApiError(
        f"Error retrieving tool list from MCP server: '{label}'. {reason}",
        status=424,
        type="external_connector_error",
        code="http_error",
        param="tools",
    )


def server_error(
    message: str = "The server had an error while processing your request. Sorry about that!",
    *,
    status: int = 500,
) -> ApiError:
    return ApiError(message, status=status, type="server_error", code="server_error")


def unavailable(message: str, *, code: str = "server_error", retry_after: int = 2) -> ApiError:
    """A part of the service is away for now: 503 with ``Retry-After``, which SDKs obey."""
    return ApiError(message, status=503, type="server_error", code=code, retry_after=retry_after)
