"""``GET /v1/models``: OpenAI's list, and Codex's own when it says its version (CLIENTS §3)."""

from __future__ import annotations

import json

import aiohttp
import pytest

from ..support.streams import Json, refused
from ..support.upstream import ScriptedUpstream

pytestmark = pytest.mark.anyio
SERVED = {
    "object": "list",
    "data": [
        {"id": "org/big", "object": "model", "created": 1, "max_model_len": 131_072, "root": "x"},
        {"id": "small", "object": "model", "created": 2, "owned_by": "vllm"},
    ],
}
# Codex 0.169 throws the list away when one of these is missing, an older one also the last two
NEEDED = {
    "slug": str,
    "display_name": str,
    "supported_reasoning_levels": list,
    "shell_type": str,
    "visibility": str,
    "supported_in_api": bool,
    "priority": int,
    "base_instructions": str,
    "support_verbosity": bool,
    "truncation_policy": dict,
    "experimental_supported_tools": list,
    "supports_reasoning_summaries": bool,
    "supports_parallel_tool_calls": bool,
}


@pytest.fixture(autouse=True)
def served(upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "models", json.dumps(SERVED).encode())


async def got(http: aiohttp.ClientSession, query: str) -> Json:
    async with http.get(f"/v1/models{query}") as response:
        assert response.status == 200
        found: Json = await response.json()
        return found


@pytest.mark.parametrize("query", ["", "?", "?limit=1", "?xclient_version=1"])
async def test_openai_clients_get_openais_list(http: aiohttp.ClientSession, query: str) -> None:
    found = await got(http, query)
    assert set(found) == {"object", "data"}
    assert isinstance(found["data"], list)
    assert [model["id"] for model in found["data"]] == ["org/big", "small"]


@pytest.mark.parametrize(
    "query", ["?client_version=0.169.0", "?client_version=", "?a=b&client_version=1"]
)
async def test_codex_gets_what_it_needs(http: aiohttp.ClientSession, query: str) -> None:
    found = await got(http, query)
    assert set(found) == {"models"}
    assert isinstance(found["models"], list)
    big, small = found["models"]
    for model in (big, small):
        assert {name: type(model[name]) for name in NEEDED} == NEEDED
        assert model["apply_patch_tool_type"] == "freeform"
    assert [big["slug"], small["slug"]] == ["org/big", "small"]
    assert [big["context_window"], small["context_window"]] == [131_072, None]
    assert big["priority"] < small["priority"]


async def test_a_model_server_without_a_list_is_told_in_the_envelope(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "models", b"<html>")
    status, error, _ = await refused(http, "GET", "/v1/models?client_version=0.169.0")
    assert (status, error["type"]) == (502, "server_error")
