"""Custom tools, namespaces, built-in tools and the rest of a request, over the running service."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest

from ..grammar import check_sdk
from ..support.streams import Answer, refused, streamed
from ..support.upstream import (
    DONE,
    Cut,
    ScriptedUpstream,
    Status,
    Wait,
    answer,
    arguments,
    call,
    error_body,
    finish,
    reasoning,
    role,
    text,
    usage,
)

pytestmark = pytest.mark.anyio
Json = dict[str, Any]
PATCH: Json = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
}
SPACE: Json = {
    "type": "namespace",
    "name": "mcp__mini",
    "description": "d",
    "tools": [{"type": "function", "name": "shout", "parameters": {"type": "object"}}],
}
TOOLS: list[Json] = [
    PATCH,
    SPACE,
    {"type": "local_shell"},
    {"type": "shell"},
    {"type": "computer"},
    {"type": "tool_search", "execution": "client"},
]
# the function that the model calls, what it writes, the item's type, and the item that answers it
ROUNDS: list[tuple[str, Json, str, Json]] = [
    (
        "apply_patch",
        {"input": '*** Begin Patch\n+"x" é😀'},
        "custom_tool_call",
        {"type": "custom_tool_call_output", "output": "done"},
    ),
    (
        "mcp__mini__shout",
        {"text": "hi"},
        "function_call",
        {"type": "function_call_output", "output": [{"type": "input_text", "text": "HI"}]},
    ),
    (
        "local_shell",
        {"command": ["ls", "-l"], "timeout_ms": 5},
        "local_shell_call",
        {"type": "local_shell_call_output", "output": "a b"},
    ),
    (
        "shell",
        {"commands": ["ls", "wc"]},
        "shell_call",
        {
            "type": "shell_call_output",
            "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 1}}],
        },
    ),
    (
        "computer",
        {"actions": [{"type": "screenshot"}]},
        "computer_call",
        {
            "type": "computer_call_output",
            "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,AA=="},
        },
    ),
    (
        "tool_search",
        {"query": "weather"},
        "tool_search_call",
        {
            "type": "tool_search_output",
            "execution": "client",
            "tools": [{"type": "function", "name": "found", "parameters": {}, "strict": False}],
        },
    ),
]


def calling(name: str, written: Json) -> bytes:
    """A turn that thinks and then calls, its arguments in pieces of three characters."""
    data = json.dumps(written)
    pieces = [arguments(0, data[at : at + 3]) for at in range(0, len(data), 3)]
    return (
        role() + reasoning("hm") + call(0, "call_1", name) + b"".join(pieces)
        + finish("tool_calls") + usage() + DONE
    )  # fmt: skip


def output_for(item: Json, fields: Json) -> Json:
    """Some outputs name the call by ``id``."""
    key = "id" if fields["type"] == "local_shell_call_output" else "call_id"
    return {**fields, key: item["call_id"]}


@pytest.mark.parametrize(("name", "written", "kind", "output"), ROUNDS, ids=[r[2] for r in ROUNDS])
async def test_a_call_comes_back_as_its_own_item_and_goes_up_again(
    http: aiohttp.ClientSession,
    upstream: ScriptedUpstream,
    name: str,
    written: Json,
    kind: str,
    output: Json,
) -> None:
    """By id and by replay the model is shown the same: what it wrote, and the answer."""
    upstream.play(calling(name, written))
    first = await streamed(http, tools=TOOLS, input="q")
    check_sdk(first.events)
    items: Any = first.terminal["output"]
    (item,) = [item for item in items if item["type"] == kind]
    answered = output_for(item, output)
    await streamed(http, tools=TOOLS, previous_response_id=first.terminal["id"], input=[answered])
    replay = [{"role": "user", "content": "q"}, *items, answered]
    await streamed(http, tools=TOOLS, store=False, input=replay)
    by_id, by_replay = upstream.requests[1], upstream.requests[2]
    assert by_id.body == by_replay.body
    assistant = by_id.messages[1]
    assert assistant["reasoning"] == "hm"
    made: Any = assistant["tool_calls"]
    assert made[0]["function"]["name"] == name
    assert json.loads(made[0]["function"]["arguments"]) == written
    assert by_id.messages[2]["role"] == "tool"
    assert by_id.messages[2]["tool_call_id"] == "call_1"
    offered: Any = by_id.json["tools"]
    found = "found" in [tool["function"]["name"] for tool in offered]
    assert found == (kind == "tool_search_call")


async def test_log_probabilities_are_asked_for_and_told(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    entry = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [entry]}}
    frame = b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"
    upstream.play(role(), frame, finish("stop"), usage(), DONE)
    found = await streamed(http, include=["message.output_text.logprobs"], top_logprobs=2)
    assert upstream.requests[0].json["logprobs"] is True
    assert upstream.requests[0].json["top_logprobs"] == 2
    output: Any = found.terminal["output"]
    assert output[0]["content"][0]["logprobs"] == [entry]
    await streamed(http, top_logprobs=2)
    assert "logprobs" not in upstream.requests[1].json, "nobody asked to see them"


def padded(found: Answer) -> list[bool]:
    deltas = [event for event in found.events if str(event["type"]).endswith(".delta")]
    assert deltas
    return ["obfuscation" in event for event in deltas]


async def test_deltas_are_padded_unless_a_client_declines(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    assert all(padded(await streamed(http)))
    plain = await streamed(http, stream_options={"include_obfuscation": False})
    assert not any(padded(plain))


async def test_a_summary_comes_beside_the_reasoning_when_it_is_asked_for(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    found = await streamed(http, reasoning={"summary": "auto"})
    check_sdk(found.events)
    output: Any = found.terminal["output"]
    assert output[0]["summary"][0]["text"] == output[0]["content"][0]["text"]
    without: Any = (await streamed(http)).terminal["output"]
    assert without[0]["summary"] == []


async def test_thoughts_are_replayed_in_a_tool_loop_and_not_after_it(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(calling("shell", {"commands": ["ls"]}))
    first = (await streamed(http, tools=TOOLS)).terminal
    items: Any = first["output"]
    output = {**ROUNDS[3][3], "call_id": items[-1]["call_id"]}
    second = (await streamed(http, previous_response_id=first["id"], input=[output])).terminal
    await streamed(http, previous_response_id=second["id"], input="next")
    assert "reasoning" in upstream.requests[1].messages[1]
    assert not any("reasoning" in message for message in upstream.requests[2].messages)


async def test_tools_can_stand_in_the_input(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    """As newer Codex sends them, and on every later turn of the chain."""
    item = {"type": "additional_tools", "role": "developer", "tools": [SPACE, PATCH]}
    upstream.play(calling("apply_patch", {"input": "x"}))
    first = (await streamed(http, input=[item, {"role": "user", "content": "q"}])).terminal
    output: Any = first["output"]
    assert output[-1]["type"] == "custom_tool_call"
    answered = {"type": "custom_tool_call_output", "call_id": "call_1", "output": "ok"}
    await streamed(http, previous_response_id=first["id"], input=[answered])
    for request in upstream.requests:
        offered: Any = request.json["tools"]
        assert {tool["function"]["name"] for tool in offered} == {"mcp__mini__shout", "apply_patch"}


async def test_an_output_that_answers_nothing_is_a_400(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    output = {"type": "function_call_output", "call_id": "call_9", "output": "x"}
    status, error, _ = await refused(http, input=[output])
    assert (status, error["param"]) == (400, "input")
    assert error["message"] == ("No tool call found for function call output with call_id call_9.")
    assert upstream.requests == []


async def test_a_call_must_be_answered_in_a_chain_and_may_be_left_in_a_replay(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(calling("shell", {"commands": ["ls"]}))
    first = (await streamed(http, tools=TOOLS, input="q")).terminal
    status, error, _ = await refused(http, previous_response_id=first["id"], input="never mind")
    assert (status, error["message"]) == (400, "No tool output found for function call call_1.")
    items: Any = first["output"]
    replay = [{"role": "user", "content": "q"}, *items, {"role": "user", "content": "never mind"}]
    assert (await streamed(http, input=replay)).terminal["status"] == "completed"


async def test_a_prompt_that_may_be_cut_loses_its_oldest_turns(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (
        "This model's maximum context length is 100 tokens. However, your prompt contains at least "
    )
    overflow = Status(400, error_body(400, f"{words}150 input tokens.", param="input_tokens"))
    turns = [{"role": "user", "content": f"{n} " + "x" * 400} for n in range(8)]
    upstream.play(overflow)
    upstream.play(answer("ok"))
    found = await streamed(http, input=turns, truncation="auto", instructions="be kind")
    assert found.terminal["status"] == "completed"
    sent = upstream.requests[1].messages
    assert sent[0]["content"] == "be kind"
    assert str(sent[-1]["content"]).startswith("7 ")
    assert 3 < len(sent) < 8
    upstream.play(overflow)
    status, error, _ = await refused(http, input=turns)
    assert (status, error["code"]) == (400, "context_length_exceeded")
    upstream.requests.clear()
    monkeypatch.setattr(upstream, "default", (overflow,))
    status, _, _ = await refused(http, input=turns, truncation="auto")
    assert status == 400
    assert 1 < len(upstream.requests) < 7, "not tried again, or for ever"


FORMAT: Json = {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True}
LOOSE: Json = {"type": "function", "name": "f", "parameters": {"type": "object"}}


@pytest.mark.parametrize("tools", [[{**LOOSE, "strict": True}], []], ids=["strict", "none"])
async def test_a_format_goes_up_with_strict_tools_and_without_tools(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, tools: list[Json]
) -> None:
    await streamed(http, tools=tools, text={"format": FORMAT})
    (request,) = upstream.requests
    assert "response_format" in request.json


async def test_a_format_with_loose_tools_waits_for_the_final_round(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    """Held to the format, the model could not call; its answer without it is a draft."""
    upstream.play(answer("a draft", "first thought"))
    upstream.play(answer('{"a":1}', "second thought"))
    found = await streamed(http, tools=[LOOSE], text={"format": FORMAT})
    check_sdk(found.events)
    first, final = upstream.requests
    assert "tools" in first.json and "response_format" not in first.json
    assert "tools" not in final.json and "response_format" in final.json
    assert first.messages == final.messages
    assert found.text == '{"a":1}'
    output: Any = found.terminal["output"]
    assert [item["type"] for item in output] == ["reasoning", "reasoning", "message"]
    spent: Any = found.terminal["usage"]
    assert (spent["input_tokens"], spent["output_tokens"], spent["total_tokens"]) == (24, 42, 66)


async def test_a_call_needs_no_final_round_and_keeps_the_text_before_it(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(
        role(), text("Let me "), text("see."), call(0, "call_1", "f"), arguments(0, "{}"),
        finish("tool_calls"), usage(), DONE,
    )  # fmt: skip
    found = await streamed(http, tools=[LOOSE], text={"format": FORMAT})
    output: Any = found.terminal["output"]
    assert [item["type"] for item in output] == ["message", "function_call"]
    assert found.text == "Let me see."
    assert len(upstream.requests) == 1


async def test_a_draft_that_is_an_object_is_one(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(answer('{"a": 1}'))
    found = await streamed(http, tools=[LOOSE], text={"format": {"type": "json_object"}})
    assert found.text == '{"a": 1}'
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ((role(), text("half"), finish("length"), usage(), DONE), "incomplete"),
        ((role(), text("half"), Wait(0.2), Cut()), "failed"),
    ],
)
async def test_a_draft_that_was_cut_is_kept(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, script: tuple[Any, ...], status: str
) -> None:
    upstream.play(*script)
    found = await streamed(http, tools=[LOOSE], text={"format": FORMAT})
    assert (found.terminal["status"], found.text) == (status, "half")
    assert len(upstream.requests) == 1


async def test_a_final_round_that_fails_is_the_end(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(answer("a draft"))
    upstream.play(Status(500, b"{}"))
    found = await streamed(http, tools=[LOOSE], text={"format": FORMAT})
    assert found.terminal["status"] == "failed"
    assert found.terminal["usage"] is not None


async def test_a_configuration_update_changes_the_request(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    update = {"type": "configuration_update", "reasoning": {"effort": "low"}}
    await streamed(
        http, reasoning={"effort": "high"}, input=[{"role": "user", "content": "q"}, update]
    )
    assert upstream.requests[0].json["reasoning_effort"] == "low"


async def test_a_model_s_probe_is_answered(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(role(), text("x"), finish("length"), usage(), DONE)
    found = await streamed(http, input="", max_output_tokens=1)
    assert found.terminal["status"] == "incomplete"
