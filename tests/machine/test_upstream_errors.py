"""What a model server answers instead of a stream, as the client's error (DESIGN §10)."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from responses_gw.api.errors import ContextOverflow
from responses_gw.machine.upstream_errors import http_error, stream_error


def vllm(message: str, code: int, param: str | None = None, type: str = "BadRequestError") -> bytes:
    error = {"message": message, "type": type, "param": param, "code": code}
    return json.dumps({"error": error}).encode()


OVERFLOW = (
    "This model's maximum context length is 2048 tokens. However, your prompt contains 36050."
)
CASES: list[tuple[int, bytes, int, str | None, str | None]] = [
    (400, vllm(OVERFLOW, 400, "input_text"), 400, "context_length_exceeded", "input"),
    (400, vllm("too long", 400, "input_tokens"), 400, "context_length_exceeded", "input"),
    (404, vllm("The model `x` does not exist.", 404, "model"), 404, "model_not_found", "model"),
    (400, vllm("top_p must be in (0, 1], got 2.0.", 400, "top_p"), 400, "invalid_value", "top_p"),
    (400, vllm("dump\n  {'loc'", 400, "body.stop", "Bad Request"), 400, "invalid_value", "stop"),
    (400, vllm("too many", 400, "max_tokens"), 400, "invalid_value", "max_output_tokens"),
    (401, b'{"error":"Unauthorized"}', 502, "server_error", None),
    (403, b"<html>", 502, "server_error", None),
    (404, b'{"detail":"Not Found"}', 502, "server_error", None),
    (405, b'{"detail":"Method Not Allowed"}', 502, "server_error", None),
    (301, b"", 502, "server_error", None),
    (400, b"", 502, "server_error", None),
    (429, vllm("slow down", 429), 429, "rate_limit_exceeded", None),
    (500, vllm("Traceback: secret", 500), 500, "server_error", None),
    (503, vllm("queue full", 503), 503, "server_error", None),
]


@pytest.mark.parametrize(("status", "body", "seen", "code", "param"), CASES)
def test_an_answer_is_mapped(
    status: int, body: bytes, seen: int, code: str | None, param: str | None
) -> None:
    error = http_error(status, body)
    assert (error.status, error.code, error.param) == (seen, code, param)


@pytest.mark.parametrize(
    ("text", "limit", "needed"),
    [
        (
            "This model's maximum context length is 2048 tokens. However, your prompt contains at "
            "least 2049 input tokens.",
            2048,
            2049,
        ),
        (
            "This model's maximum context length is 2048 tokens. However, your prompt contains "
            "36050 characters (more than 32768 characters, which is the upper bound for 2048 input "
            "tokens).",
            2048,
            12016,
        ),
        ("This model's maximum context length was passed.", None, None),
    ],
)
def test_an_overflow_tells_how_much_there_is_too_much(
    text: str, limit: int | None, needed: int | None
) -> None:
    error = http_error(400, vllm(text, 400, param="input_tokens"))
    assert isinstance(error, ContextOverflow)
    assert (error.limit, error.needed) == (limit, needed)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept(status: int) -> None:
    assert http_error(status, b"{}", 17).headers["retry-after"] == "17"
    assert http_error(status, b"{}").headers["retry-after"]


@pytest.mark.parametrize(
    "body",
    [
        vllm("Traceback (most recent call last):\n File x", 500),
        vllm("see http://10.0.0.7:8000/secret", 400),
        vllm(
            "1 validation error:\n {'loc': 'body.temperature'}",
            400,
            "body.temperature",
            "Bad Request",
        ),
    ],
)
def test_nothing_of_the_servers_inside_reaches_a_client(body: bytes) -> None:
    message = http_error(json.loads(body)["error"]["code"], body).message
    assert not any(word in message for word in ("Traceback", "10.0.0.7", "validation", "loc"))


def test_an_error_frame_is_mapped_by_its_code() -> None:
    frame = json.loads(vllm("Grammar error: Invalid type: nonsense", 400))["error"]
    assert stream_error(Raw(json.dumps(frame).encode())).status == 400
    assert stream_error(Raw(b'"just text"')).status == 500
