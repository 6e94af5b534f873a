"""The demo model as a server: its routes, and what vLLM refuses."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from .sample import UnknownType
from .script import ChatRequest, NamedTool, answer
from .wire import MODEL, Generation, Json, chunks, completion, generate

CONTEXT = 131_072  # tokens, what GET /v1/models reports
RATE_VARIABLE = "RESPONSES_DEMO_TOKENS_PER_SECOND"


class Refusal(Exception):
    """A request that vLLM would refuse: HTTP status, type, message and param of its error body."""

    def __init__(self, status: int, kind: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.param = status, kind, message, param


def create_app(tokens_per_second: float = 30.0) -> Starlette:
    """The model as an ASGI app that streams at `tokens_per_second`; 0 streams without a pause."""
    pause = 1 / tokens_per_second if tokens_per_second > 0 else 0.0

    async def complete(request: Request) -> Response:
        try:
            wanted, made = await _generate(request)
        except Refusal as refusal:
            return _json(_error(refusal), refusal.status)
        if not wanted.stream:
            await asyncio.sleep(pause * len(made.tokens))
            return _json(completion(wanted, made))
        frames = _paced(chunks(wanted, made), pause)
        return StreamingResponse(frames, media_type="text/event-stream")

    return Starlette(
        routes=[
            Route("/v1/chat/completions", complete, methods=["POST"]),
            Route("/v1/models", _models, methods=["GET"]),
            Route("/health", _health, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _unknown_path},
    )


async def _generate(request: Request) -> tuple[ChatRequest, Generation]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        text = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed"
        raise Refusal(400, "Bad Request", text)
    body = await request.body()
    wanted = _decode(body)
    _refuse(wanted)
    try:
        said = answer(wanted)
    except UnknownType as error:
        raise Refusal(400, "BadRequestError", f"Grammar error: {error}") from error
    name = request.headers.get("x-request-id") or hashlib.sha256(body).hexdigest()[:16]
    limit = wanted.max_completion_tokens or wanted.max_tokens or CONTEXT
    return wanted, generate(f"chatcmpl-{name}", wanted, said, limit)


def _decode(body: bytes) -> ChatRequest:
    try:
        return msgspec.json.decode(body, type=ChatRequest)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$.")
        param = "body." + (where.rstrip("`") or "messages")
        text = f"1 validation error:\n  {{'loc': '{param}', 'msg': '{text}'}}"
        raise Refusal(400, "Bad Request", text, param) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text = "{'type': 'json_invalid', 'loc': 'body.0', 'msg': 'JSON decode error'}"
        raise Refusal(400, "Bad Request", f"1 validation error:\n  {text}", "body.0") from error


def _refuse(wanted: ChatRequest) -> None:
    """Raises `Refusal` for what decodes but vLLM does not accept."""
    choice, fmt = wanted.tool_choice, wanted.response_format
    if wanted.model not in (None, MODEL):
        text = f"The model `{wanted.model}` does not exist. Valid aliases: {MODEL}."
        raise Refusal(404, "NotFoundError", text, "model")
    if not wanted.messages:
        text = "Cannot apply chat template to an empty conversation. Provide at least one message."
        raise Refusal(400, "BadRequestError", text)
    if wanted.tools == []:
        text = "`tools` must not be an empty array. Either provide at least one tool or omit the"
        raise _bad("tools", f"{text} field entirely.")
    if choice not in (None, "none") and not wanted.tools:
        raise _bad("tool_choice", "When using `tool_choice`, `tools` must be set.")
    if isinstance(choice, NamedTool):
        if choice.function is None:
            text = "Invalid value for `function`: `None` in `tool_choice`!"
            raise _bad("tool_choice.function", text)
        if choice.function.name not in [tool.function.name for tool in wanted.tools or ()]:
            text = "The tool specified in `tool_choice` does not match any of the specified `tools`"
            raise _bad("tool_choice", text)
    if wanted.stream_options is not None and not wanted.stream:
        raise _bad("stream_options", "Stream options can only be defined when `stream=True`.")
    if fmt is not None and fmt.type == "json_schema" and fmt.json_schema is None:
        text = (
            "When response_format type is 'json_schema', the 'json_schema' field must be provided."
        )
        raise _bad("response_format", text)
    if wanted.temperature is not None and wanted.temperature < 0:
        raise _bad("temperature", f"temperature must be non-negative, got {wanted.temperature}.")
    for limit in (wanted.max_completion_tokens, wanted.max_tokens):
        if limit is not None and limit < 1:
            raise _bad("max_tokens", f"max_tokens must be at least 1, got {limit}.")


def _bad(param: str, message: str) -> Refusal:
    return Refusal(400, "BadRequestError", f"{message} (parameter={param})", param)


async def _paced(frames: Iterator[bytes], pause: float) -> AsyncIterator[bytes]:
    for frame in frames:
        yield frame
        await asyncio.sleep(pause)


async def _models(request: Request) -> Response:
    model: Json = {"id": MODEL, "object": "model", "created": int(time.time()), "owned_by": "vllm"}
    model |= {"root": MODEL, "parent": None, "max_model_len": CONTEXT, "permission": []}
    return _json({"object": "list", "data": [model]})


async def _health(request: Request) -> Response:
    return Response(status_code=200)


async def _unknown_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _json({"detail": error.detail}, error.status_code)


def _error(refusal: Refusal) -> Json:
    body = {"message": refusal.message, "type": refusal.kind, "param": refusal.param}
    return {"error": body | {"code": refusal.status}}


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


app = create_app(float(os.environ.get(RATE_VARIABLE, "30")))
