"""Requests that Codex has really sent (``bin/test --codex`` records them) get what it needs back.

Each one goes to the service with a model that calls every function it is offered, so that every
tool comes back as an item of the kind that it was declared as.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ..support.streams import Answer, streamed
from ..support.upstream import (
    DONE,
    ScriptedUpstream,
    answer,
    arguments,
    call,
    finish,
    reasoning,
    role,
    text,
    usage,
)

pytestmark = pytest.mark.anyio
Json = dict[str, Any]
Called = tuple[str, str, str | None]  # the item's type, name and namespace

RECORDINGS = Path(__file__).parent.parent / "recordings" / "codex"
LONGEST_NAME = 64
SESSION = {
    "exec_command", "write_stdin", "list_mcp_resources", "list_mcp_resource_templates",
    "read_mcp_resource", "request_user_input", "view_image", "get_goal", "create_goal",
    "update_goal",
}  # fmt: skip
AGENTS = {"close_agent", "resume_agent", "send_input", "spawn_agent", "wait_agent"}
UNKNOWN = SESSION | {f"multi_agent_v1__{name}" for name in AGENTS} | {"mcp__mini__shout"}
SEARCHING = SESSION | {"apply_patch", "tool_search"}
OFFERED: dict[str, set[str]] = {
    "shell": UNKNOWN,
    "mcp": UNKNOWN,
    "parallel": UNKNOWN,
    "resumed": UNKNOWN,
    "reasoning_unknown": UNKNOWN,
    "schema": UNKNOWN,
    "view_image": UNKNOWN,
    "compacted": UNKNOWN,
    "compaction": set(),
    "apply_patch": SEARCHING,
    "reasoning_gpt-5.5": SEARCHING,
    "tool_search": SEARCHING | {"mcp__mini__shout"},
    "code_mode": {
        "functions__exec",
        "functions__wait",
        "functions__request_user_input",
        "functions__request_user_input_async",
        "clock__sleep",
        *(
            f"collaboration__{name}"
            for name in (
                "followup_task", "interrupt_agent", "list_agents", "send_message", "spawn_agent",
                "wait_agent",
            )
        ),
    },
    "version_0.125": (SESSION - {"get_goal", "create_goal", "update_goal"})
    | AGENTS
    | {"update_plan", "mcp__mini__shout"},
}  # fmt: skip
KINDS = {
    "function": "function_call",
    "custom": "custom_tool_call",
    "tool_search": "tool_search_call",
}


def recorded(name: str) -> Json:
    body: Json = json.loads((RECORDINGS / f"{name}.json").read_text())
    return body


def declared(tools: list[Json], namespace: str | None = None) -> Iterator[Called]:
    """The items that calls to these tools have to be."""
    for tool in tools:
        if tool["type"] == "namespace":
            yield from declared(tool["tools"], tool["name"])
        elif tool["type"] in KINDS:
            yield KINDS[tool["type"]], str(tool.get("name", "")), namespace


def callable_in(body: Json) -> set[Called]:
    found = list(declared(body.get("tools") or []))
    for item in body["input"]:
        if item["type"] in ("additional_tools", "tool_search_output"):
            found += declared(item["tools"])
    return set(found)


def calls_to(names: list[str]) -> bytes:
    """A stream with a call to each function, whose arguments fit them all."""
    data = role() + reasoning("I call everything.") + text("Now: ")
    for index, name in enumerate(names):
        data += call(index, f"chatcmpl-tool-{index}", name)
        data += arguments(index, '{"input": "a\\') + arguments(index, 'nb", "query": "q"}')
    return data + finish("tool_calls") + usage() + DONE


async def posted(http: aiohttp.ClientSession, body: Json) -> Answer:
    assert body["stream"] is True
    return await streamed(http, **{k: v for k, v in body.items() if k != "stream"})


def test_every_recording_is_here() -> None:
    assert {path.stem for path in RECORDINGS.glob("*.json")} == set(OFFERED)


@pytest.mark.parametrize("name", OFFERED)
async def test_the_model_is_offered_what_codex_declares(
    http: aiohttp.ClientSession,
    upstream: ScriptedUpstream,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream, "default", (answer("Done."),))  # a schema takes two rounds
    done = await posted(http, recorded(name))
    assert done.text == "Done."
    shown = [tool["function"]["name"] for tool in upstream.requests[0].json.get("tools", [])]
    assert len(shown) == len(set(shown))
    assert set(shown) == OFFERED[name]
    assert max(map(len, shown), default=0) <= LONGEST_NAME


@pytest.mark.parametrize("name", [name for name, offered in OFFERED.items() if offered])
async def test_every_call_comes_back_as_the_kind_that_was_declared(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, name: str
) -> None:
    body = recorded(name)
    upstream.play(calls_to(sorted(OFFERED[name])))
    done = await posted(http, body)
    output: Any = done.terminal["output"]
    items = [item for item in output if str(item["type"]).endswith("_call")]
    seen = {(item["type"], item.get("name", ""), item.get("namespace")) for item in items}
    assert len(items) == len(OFFERED[name])
    assert seen <= callable_in(body)
    for item in items:
        assert item["status"] == "completed"
        assert item["call_id"]
        match item["type"]:
            case "custom_tool_call":
                assert item["input"] == "a\nb"
            case "tool_search_call":
                assert item["arguments"]["query"] == "q"
                assert item["execution"] == "client"
            case _:
                assert json.loads(item["arguments"]) == {"input": "a\nb", "query": "q"}


@pytest.mark.parametrize("name", OFFERED)
async def test_what_came_back_can_be_sent_again(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, name: str
) -> None:
    """Codex keeps the conversation itself: every output item verbatim, then the results."""
    body = recorded(name)
    upstream.play(calls_to(sorted(OFFERED[name])) if OFFERED[name] else answer("Done."))
    output: Any = (await posted(http, body)).terminal["output"]
    results = [result_of(item) for item in output if str(item["type"]).endswith("_call")]
    upstream.play(answer("Done."))
    await posted(http, body | {"input": [*body["input"], *output, *results]})
    before, after, *_ = (request.messages for request in upstream.requests)
    told = [message for message in after[len(before) :] if message["role"] == "tool"]
    assert after[: len(before)] == before
    assert len(told) == len(results)
    made = [call for message in after[len(before) :] for call in message.get("tool_calls", [])]
    assert {one["function"]["name"] for one in made} == OFFERED[name]


@pytest.mark.parametrize("name", ["reasoning_unknown", "reasoning_gpt-5.5"])
async def test_reasoning_is_read_although_its_seal_is_foreign(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, name: str
) -> None:
    upstream.play(answer("Done."))
    await posted(http, recorded(name))
    thoughts = [message.get("reasoning") for message in upstream.requests[0].messages]
    assert [one for one in thoughts if one] == ["I need a shell.", "And again."]


def result_of(item: Json) -> Json:
    kind = {
        "custom_tool_call": "custom_tool_call_output",
        "tool_search_call": "tool_search_output",
    }.get(item["type"], "function_call_output")
    result: Json = {"type": kind, "call_id": item["call_id"]}
    if kind == "tool_search_output":
        return result | {"execution": "client", "status": "completed", "tools": []}
    return result | {"output": "ok"}
