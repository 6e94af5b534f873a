"""The tool loop over the running service, with MCP servers that are real processes."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ..grammar import check_sdk
from ..support.mcp_servers import HttpMcpServer
from ..support.service import Service
from ..support.streams import Answer, connect, refused, streamed
from ..support.tool_loop import (
    CAREFUL,
    LOCAL,
    WEATHER,
    calls,
    kinds,
    output,
    response_to,
    says,
    tools_of,
)
from ..support.upstream import ScriptedUpstream, Status, error_body, reasoning, role

pytestmark = pytest.mark.anyio
Json = dict[str, Any]


@pytest.fixture(scope="module")
def service_env(mcp_env: dict[str, str]) -> dict[str, str]:
    return mcp_env


async def test_a_call_runs_inside_the_response(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__local__add", {"a": 1, "b": 2})))
    upstream.play(*says("It is 3."))
    answered = await streamed(http, input="1 + 2?", tools=[LOCAL])
    check_sdk(answered.events)
    assert kinds(answered) == ["mcp_list_tools", "mcp_call", "message"]
    listing, called, _ = output(answered)
    assert listing["server_label"] == "local"
    assert "add" in {tool["name"] for tool in listing["tools"]}
    assert (called["output"], called["error"], called["status"]) == ("3", None, "completed")
    assert json.loads(called["arguments"]) == {"a": 1, "b": 2}
    deltas = [event for event in answered.events if "mcp_call_arguments.delta" in str(event)]
    assert len(deltas) == 2, "the arguments stream while the model writes them"
    used: Json = answered.terminal["usage"]  # type: ignore[assignment]
    assert (used["input_tokens"], used["output_tokens"]) == (20, 8)
    first, second = (request.json for request in upstream.requests)
    assert "mcp__local__add" in tools_of(first) == tools_of(second)
    assert second["messages"][: len(first["messages"])] == first["messages"]
    assistant, tool = second["messages"][1:]
    assert assistant["tool_calls"][0]["function"]["name"] == "mcp__local__add"
    assert (tool["role"], tool["content"]) == ("tool", "3")
    assert tool["tool_call_id"] == assistant["tool_calls"][0]["id"]


async def test_two_servers_three_rounds_and_a_clients_call_chain_and_replay_alike(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, remote: HttpMcpServer
) -> None:
    declared = {"type": "mcp", "server_label": "remote", "server_url": remote.url}
    tools = [LOCAL, declared | {"require_approval": "never"}, WEATHER]
    upstream.play(*calls(("mcp__local__add", {"a": 1, "b": 2}), ("mcp__remote__structured", {})))
    upstream.play(*calls(("mcp__remote__add", {"a": 3, "b": 4})))
    upstream.play(*calls(("weather", {"at": "Bonn"}), ("mcp__local__add", {"a": 5, "b": 6})))
    question: Json = {"role": "user", "content": "Go."}
    answered = await streamed(http, input=[question], tools=tools)
    assert kinds(answered) == [
        "mcp_list_tools",
        "mcp_list_tools",
        "mcp_call",
        "mcp_call",
        "mcp_call",
        "function_call",
        "mcp_call",
    ]
    assert answered.terminal["status"] == "completed"
    assert [item.get("output") for item in output(answered) if item["type"] == "mcp_call"] == [
        "3",
        '{"n":1}',
        "7",
        "11",
    ]
    asked = next(item for item in output(answered) if item["type"] == "function_call")
    result = {"type": "function_call_output", "call_id": asked["call_id"], "output": "rain"}

    upstream.requests.clear()
    for _ in range(2):
        upstream.play(*says("Take an umbrella."))
    chained = await streamed(
        http, input=[result], tools=tools, previous_response_id=answered.terminal["id"]
    )
    replayed = await streamed(
        http, input=[question, *output(answered), result], tools=tools, store=False
    )
    assert kinds(chained) == kinds(replayed) == ["message"], "what is listed is not listed again"
    by_id, by_replay = upstream.requests
    assert by_id.messages == by_replay.messages
    assert tools_of(by_id.json) == tools_of(by_replay.json)
    assert [message["role"] for message in by_id.messages].count("tool") == 5


async def test_a_tool_that_fails_is_a_failed_item_and_no_failed_response(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__local__fail", {}), ("mcp__local__refuse", {})))
    upstream.play(*says("It failed."))
    answered = await streamed(http, tools=[LOCAL])
    assert answered.terminal["status"] == "completed"
    _, failed, refused_call, _ = output(answered)
    assert (failed["status"], failed["error"]["type"]) == ("failed", "mcp_tool_execution_error")
    assert (refused_call["status"], refused_call["error"]["code"]) == ("failed", -32042)
    assert "The tool reported an error" in str(upstream.requests[1].messages)


async def test_calls_of_one_round_run_at_once_and_are_told_in_order(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    made = [("mcp__local__hang", {"name": f"p{n}", "seconds": 1.2 - n * 0.2}) for n in range(4)]
    upstream.play(*calls(*made))
    upstream.play(*says("Done."))
    started = time.monotonic()
    answered = await streamed(http, tools=[LOCAL])
    assert time.monotonic() - started < 3, "four calls of about a second do not run in a row"
    outputs = [item["output"] for item in output(answered) if item["type"] == "mcp_call"]
    assert outputs == ["p0", "p1", "p2", "p3"]


async def test_calls_run_one_after_the_other_when_the_client_wants_it(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    made = [("mcp__local__hang", {"name": f"s{n}", "seconds": 0.5}) for n in range(3)]
    upstream.play(*calls(*made))
    upstream.play(*says("Done."))
    started = time.monotonic()
    await streamed(http, tools=[LOCAL], parallel_tool_calls=False)
    assert time.monotonic() - started >= 1.5
    assert upstream.requests[0].json["parallel_tool_calls"] is False


async def test_calls_beyond_max_tool_calls_are_answered_with_an_error(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(*[("mcp__local__add", {"a": n, "b": 0}) for n in range(3)]))
    upstream.play(*says("Enough."))
    answered = await streamed(http, tools=[LOCAL], max_tool_calls=2)
    assert [item.get("status") for item in output(answered)] == [
        None,
        "completed",
        "completed",
        "failed",
        "completed",
    ]
    assert tools_of(upstream.requests[1].json) == [], "the model finishes without tools"


async def test_after_too_many_rounds_the_model_gets_one_without_tools(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    for n in range(4):
        upstream.play(*calls(("mcp__local__add", {"a": n, "b": 0})))
    upstream.play(*says("I give up."))
    answered = await streamed(http, tools=[LOCAL])
    assert answered.terminal["status"] == "completed"
    assert answered.text == "I give up."
    assert [bool(tools_of(request.json)) for request in upstream.requests] == [True] * 4 + [False]


async def test_the_rounds_share_the_bound_of_output_tokens(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__local__add", {"a": 1, "b": 1}), tokens=5))
    upstream.play(*calls(("mcp__local__add", {"a": 2, "b": 2}), tokens=8))
    upstream.play(*says("4."))
    answered = await streamed(http, tools=[LOCAL], max_output_tokens=20)
    assert answered.terminal["status"] == "completed"
    bounds = [request.json["max_completion_tokens"] for request in upstream.requests]
    assert bounds == [20, 15, 7]


async def test_no_round_follows_when_the_output_tokens_are_used_up(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__local__add", {"a": 1, "b": 1}), tokens=16))
    answered = await streamed(http, tools=[LOCAL], max_output_tokens=16)
    assert answered.terminal["status"] == "incomplete"
    assert answered.terminal["incomplete_details"] == {"reason": "max_output_tokens"}
    assert output(answered)[-1]["output"] == "2", "what was called has run"
    assert len(upstream.requests) == 1
    upstream.play(*says("2."))
    chained = await streamed(
        http, input="Go on.", tools=[LOCAL], previous_response_id=answered.terminal["id"]
    )
    assert chained.text == "2."
    roles = [message["role"] for message in upstream.requests[1].messages]
    assert roles == ["user", "assistant", "tool", "user"]


async def test_a_last_round_that_fails_leaves_an_incomplete_response(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    for n in range(4):
        upstream.play(*calls(("mcp__local__add", {"a": n, "b": 0})))
    upstream.play(Status(500, error_body(500, "broken", "InternalServerError")))
    answered = await streamed(http, tools=[LOCAL])
    assert answered.terminal["status"] == "incomplete"
    assert answered.terminal["incomplete_details"] == {"reason": "max_messages"}
    assert kinds(answered).count("mcp_call") == 4


async def test_after_failures_in_a_row_the_model_gets_no_more_tools(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(*[("mcp__local__fail", {})] * 3))
    upstream.play(*says("Sorry."))
    await streamed(http, tools=[LOCAL])
    assert tools_of(upstream.requests[1].json) == []


async def test_a_later_round_that_fails_fails_the_response_and_keeps_what_was_run(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__local__add", {"a": 1, "b": 1})))
    upstream.play(Status(500, error_body(500, "broken", "InternalServerError")))
    answered = await streamed(http, tools=[LOCAL])
    assert answered.terminal["status"] == "failed"
    assert kinds(answered) == ["mcp_list_tools", "mcp_call"]


async def test_a_choice_of_a_server_holds_for_the_first_round(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__local__add", {"a": 1, "b": 1})))
    upstream.play(*says("2"))
    choice = {"type": "mcp", "server_label": "local", "name": "add"}
    await streamed(http, tools=[LOCAL, WEATHER], tool_choice=choice)
    first, second = (request.json for request in upstream.requests)
    assert (tools_of(first), first["tool_choice"]) == (["mcp__local__add"], "required")
    assert second["tool_choice"] == "auto"
    assert "weather" in tools_of(second)


@pytest.mark.parametrize(
    ("allowed", "offered"),
    [
        (["add", "seen"], {"add", "seen"}),
        ({"tool_names": ["add", "fail"]}, {"add", "fail"}),
        ({"read_only": True}, {"add"}),
        ({"tool_names": ["fail"], "read_only": True}, set()),
    ],
)
async def test_only_allowed_tools_are_offered(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, allowed: object, offered: set[str]
) -> None:
    await streamed(http, tools=[LOCAL | {"allowed_tools": allowed}])
    names = {name.removeprefix("mcp__local__") for name in tools_of(upstream.requests[0].json)}
    assert names == offered


# --- approvals ----------------------------------------------------------------------------------


async def asked_for_approval(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, tool: Json
) -> tuple[Answer, Json]:
    name = f"mcp__{tool['server_label']}__add"
    upstream.play(*calls((name, {"a": 20, "b": 22})))
    answered = await streamed(http, input=[{"role": "user", "content": "Add."}], tools=[tool])
    assert answered.terminal["status"] == "completed"
    request = output(answered)[-1]
    assert request["type"] == "mcp_approval_request"
    assert json.loads(request["arguments"]) == {"a": 20, "b": 22}
    check_sdk(answered.events)
    return answered, request


async def test_what_was_approved_runs_before_the_model_speaks(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, remote: HttpMcpServer
) -> None:
    tool = {"type": "mcp", "server_label": "remote", "server_url": remote.url}
    first, request = await asked_for_approval(http, upstream, tool)
    assert len(upstream.requests) == 1, "nothing runs without an approval"
    upstream.play(*says("42"))
    second = await streamed(
        http,
        input=[response_to(request, True)],
        tools=[tool],
        previous_response_id=first.terminal["id"],
    )
    called, said = output(second)
    assert (called["type"], called["output"]) == ("mcp_call", "42")
    assert called["approval_request_id"] == request["id"]
    assert said["type"] == "message"
    check_sdk(second.events)
    _, assistant, result = upstream.requests[1].messages
    assert assistant["tool_calls"][0]["function"]["name"] == "mcp__remote__add"
    assert result["content"] == "42"

    upstream.play(*says("Still 42."))
    third = await streamed(
        http, input="Sure?", tools=[tool], previous_response_id=second.terminal["id"]
    )
    assert kinds(third) == ["message"], "it does not run twice"


async def test_an_approval_can_be_replayed_without_any_state_and_in_another_process(
    upstream: ScriptedUpstream,
    http: aiohttp.ClientSession,
    mcp_env: dict[str, str],
    tmp_path: Path,
) -> None:
    tool = {"type": "mcp", "server_label": "careful"}
    first, request = await asked_for_approval(http, upstream, tool)
    answered = response_to(request, True)
    with Service(mcp_env, tmp_path / "other.log") as other:
        async with connect(other.url) as elsewhere:
            for _ in range(2):
                upstream.play(*says("42"))
            chained = await streamed(
                elsewhere, input=[answered], tools=[tool], previous_response_id=first.terminal["id"]
            )
            user = {"role": "user", "content": "Add."}
            replayed = await streamed(
                elsewhere, input=[user, *output(first), answered], tools=[tool], store=False
            )
    assert kinds(chained) == kinds(replayed) == ["mcp_call", "message"]
    shown = [without_ids(request.messages) for request in upstream.requests[1:]]
    assert shown[0] == shown[1]


def without_ids(messages: list[Json]) -> str:
    """A call that runs anew has an id of its own."""
    ids = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    said = json.dumps(messages)
    for number, id in enumerate(ids):
        said = said.replace(id, f"call-{number}")
    return said


async def test_a_denied_call_does_not_run_and_the_model_is_told_why(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    tool = CAREFUL | {"require_approval": "never"}
    first, request = await asked_for_approval(http, upstream, tool)
    upstream.play(*says("As you like."))
    second = await streamed(
        http,
        input=[response_to(request, False, reason="Too risky.")],
        tools=[tool],
        previous_response_id=first.terminal["id"],
    )
    assert kinds(second) == ["message"]
    assert "Too risky." in str(upstream.requests[1].messages[-1]["content"])


async def test_a_server_can_need_approval_for_some_of_its_tools(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    tool = LOCAL | {"require_approval": {"never": {"tool_names": ["seen"]}}}
    upstream.play(*calls(("mcp__local__seen", {}), ("mcp__local__add", {"a": 1, "b": 1})))
    answered = await streamed(http, tools=[tool])
    assert kinds(answered) == ["mcp_list_tools", "mcp_call", "mcp_approval_request"]


async def test_an_approval_of_nothing_is_refused(http: aiohttp.ClientSession) -> None:
    wrong = response_to({"id": "mcpr_nope"}, True)
    status, error, _ = await refused(http, input=[wrong], tools=[LOCAL])
    assert (status, error["param"]) == (400, "input")


async def test_an_approved_call_needs_its_server(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    first, request = await asked_for_approval(http, upstream, CAREFUL)
    status, error, _ = await refused(
        http, input=[response_to(request, True)], previous_response_id=first.terminal["id"]
    )
    assert (status, error["param"]) == (400, "tools")


# --- what goes wrong -----------------------------------------------------------------------------


WRONG: dict[str, tuple[list[Json], int, str | None]] = {
    "an unknown label": ([{"type": "mcp", "server_label": "nobody"}], 400, None),
    "an unknown connector": (
        [{"type": "mcp", "server_label": "x", "connector_id": "connector_gmail"}],
        400,
        None,
    ),
    "one label twice": ([LOCAL, LOCAL], 400, None),
    "a server that is not there": (
        [{"type": "mcp", "server_label": "x", "server_url": "http://127.0.0.1:9/mcp"}],
        424,
        "http_error",
    ),
    "a server that must not be reached": (
        [{"type": "mcp", "server_label": "x", "server_url": "https://169.254.169.254/mcp"}],
        400,
        None,
    ),
    "a server without TLS": (
        [{"type": "mcp", "server_label": "x", "server_url": "http://example.com/mcp"}],
        400,
        None,
    ),
}


@pytest.mark.parametrize("name", WRONG)
async def test_servers_that_cannot_be_served_are_refused_before_the_stream(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, name: str
) -> None:
    tools, status, code = WRONG[name]
    got, error, _ = await refused(http, tools=tools, stream=True)
    assert (got, error["code"], error["param"]) == (status, code, "tools")
    assert "127.0.0.1" not in str(error["message"])
    assert upstream.requests == []


async def test_a_client_that_leaves_stops_what_runs_for_it(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__local__hang", {"name": "left"})))
    body = {"model": "tiny", "input": "q", "stream": True, "tools": [LOCAL]}
    async with http.post("/v1/responses", json=body) as response:
        async for line in response.content:
            if b"response.mcp_call_arguments.done" in line:
                break
        await seen_in(http, upstream, 0, "left")
    await seen_in(http, upstream, 1, "left")


async def seen_in(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, which: int, name: str
) -> None:
    """Wait until the server says that a call has started (0) or was cancelled (1)."""
    async with asyncio.timeout(5):
        while True:
            upstream.play(*calls(("mcp__local__seen", {})))
            upstream.play(*says("So."))
            answered = await streamed(http, tools=[LOCAL], store=False)
            said = next(item for item in output(answered) if item["type"] == "mcp_call")
            if name in json.loads(said["output"])[which]:
                return


async def test_no_secret_of_a_server_is_kept(
    http: aiohttp.ClientSession,
    upstream: ScriptedUpstream,
    remote: HttpMcpServer,
    service: Service,
    mcp_env: dict[str, str],
) -> None:
    tool = {"type": "mcp", "server_label": "remote", "server_url": remote.url}
    secrets = {"authorization": "hush-hush-token", "headers": {"x-key": "hush-hush-header"}}
    upstream.play(*calls(("mcp__remote__add", {"a": 1, "b": 1})))
    answered = await streamed(http, tools=[tool | secrets | {"require_approval": "never"}])
    assert answered.terminal["status"] == "completed"
    assert "hush-hush" not in json.dumps(answered.events)
    assert "hush-hush" not in service.log_path.read_text()
    async with http.get(f"/v1/responses/{answered.terminal['id']}") as stored:
        assert "hush-hush" not in await stored.text()


async def test_a_format_waits_for_the_answer_after_the_calls(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    schema = {"type": "json_schema", "name": "sum", "schema": {"type": "object"}}
    upstream.play(*calls(("mcp__local__add", {"a": 1, "b": 1})))
    upstream.play(*says("It is two."))
    upstream.play(*says('{"sum": 2}'))
    answered = await streamed(http, tools=[LOCAL], text={"format": schema})
    assert kinds(answered) == ["mcp_list_tools", "mcp_call", "message"]
    assert answered.text == '{"sum": 2}'
    formats = ["response_format" in request.json for request in upstream.requests]
    assert formats == [False, False, True]


async def test_the_model_keeps_its_thoughts_while_it_works_with_tools(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(role(), reasoning("I must add."), *calls(("mcp__local__add", {"a": 1, "b": 1})))
    upstream.play(role(), reasoning("So it is two."), *says("2"))
    answered = await streamed(http, tools=[LOCAL])
    assert kinds(answered) == ["mcp_list_tools", "reasoning", "mcp_call", "reasoning", "message"]
    assert upstream.requests[1].messages[1]["reasoning"] == "I must add."


async def test_an_image_in_a_result_is_shown_to_the_model(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__local__picture", {"size": 30})))
    upstream.play(*says("Nice."))
    answered = await streamed(http, tools=[LOCAL])
    blocks = json.loads(output(answered)[1]["output"])
    assert [block["type"] for block in blocks] == ["text", "image"]
    shown = upstream.requests[1].messages[-1]["content"]
    assert isinstance(shown, list)
    assert shown[0]["image_url"]["url"] == f"data:image/png;base64,{blocks[1]['data']}"


async def test_a_result_can_be_as_large_as_the_bound_and_no_larger(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__local__big", {"size": 5_000_000, "character": "x"})))
    upstream.play(*says("Much."))
    answered = await streamed(http, tools=[LOCAL])
    called = output(answered)[1]
    assert called["status"] == "completed"
    assert 200_000 < len(called["output"]) <= 262_144


# --- what a review has found ---------------------------------------------------------------------


async def test_a_tool_that_the_model_makes_up_is_a_call_that_failed(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__local__nope", {})))
    upstream.play(*says("There is none."))
    answered = await streamed(http, tools=[LOCAL, WEATHER])
    assert kinds(answered) == ["mcp_list_tools", "mcp_call", "message"]
    assert output(answered)[1]["status"] == "failed"


async def test_what_needs_an_approval_is_not_run_where_it_was_not_offered(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__careful__add", {"a": 1, "b": 1})))
    upstream.play(*says("No."))
    careful = {"type": "mcp", "server_label": "careful"}
    choice = {"type": "mcp", "server_label": "local"}
    answered = await streamed(http, tools=[LOCAL, careful], tool_choice=choice)
    failed = next(item for item in output(answered) if item["type"] == "mcp_call")
    assert (failed["status"], failed["output"]) == ("failed", None)


async def test_a_request_that_has_run_something_is_not_answered_as_one_to_try_again(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__local__add", {"a": 1, "b": 1})))
    upstream.play(Status(500, error_body(500, "broken", "InternalServerError")))
    async with http.post(
        "/v1/responses", json={"model": "tiny", "input": "q", "tools": [LOCAL]}
    ) as response:
        assert response.status == 200
        body = await response.json()
    assert body["status"] == "failed"
    assert [item["type"] for item in body["output"]] == ["mcp_list_tools", "mcp_call"]


async def test_the_answers_of_all_rounds_share_max_output_tokens(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    upstream.play(*calls(("mcp__local__add", {"a": 1, "b": 1}), tokens=90))
    upstream.play(*calls(("mcp__local__add", {"a": 2, "b": 2}), tokens=10))
    answered = await streamed(http, tools=[LOCAL], max_output_tokens=100)
    asked = [request.json["max_completion_tokens"] for request in upstream.requests]
    assert asked == [100, 10]
    assert answered.terminal["status"] == "incomplete"
    assert answered.terminal["incomplete_details"] == {"reason": "max_output_tokens"}


async def test_an_old_approval_that_is_replayed_runs_nothing(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    tool = {"type": "mcp", "server_label": "careful"}
    first, request = await asked_for_approval(http, upstream, tool)
    old = [{"role": "user", "content": "Add."}, *output(first), response_to(request, True)]
    said = {"role": "assistant", "content": "Done."}
    again = {"role": "user", "content": "Thanks."}
    upstream.play(*says("Welcome."))
    answered = await streamed(http, input=[*old, said, again], tools=[tool], store=False)
    assert kinds(answered) == ["message"]


async def test_the_bounds_hold_for_calls_that_were_approved_too(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    tool = {"type": "mcp", "server_label": "careful"}
    made = [("mcp__careful__add", {"a": n, "b": 0}) for n in range(2)]
    upstream.play(*calls(*made))
    first = await streamed(http, input="Add.", tools=[tool])
    requests = [item for item in output(first) if item["type"] == "mcp_approval_request"]
    upstream.play(*says("One of two."))
    second = await streamed(
        http,
        input=[response_to(request, True) for request in requests],
        tools=[tool],
        previous_response_id=first.terminal["id"],
        max_tool_calls=1,
    )
    statuses = [item["status"] for item in output(second)]
    assert statuses == ["completed", "failed", "completed"]
    assert tools_of(upstream.requests[1].json) == []


async def test_calls_that_finished_before_the_client_left_are_kept(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    slow = ("mcp__local__hang", {"name": "slow"})
    upstream.play(*calls(slow, ("mcp__local__add", {"a": 1, "b": 1})))
    body = {"model": "tiny", "input": "q", "stream": True, "tools": [LOCAL]}
    id = ""
    async with http.post("/v1/responses", json=body) as response:
        async for line in response.content:
            if not id and b"resp_" in line:
                id = json.loads(line.removeprefix(b"data: "))["response"]["id"]
            if b"response.mcp_call_arguments.done" in line:
                break
        await asyncio.sleep(0.3)  # the second call needs no more
    async with asyncio.timeout(5):
        stored: Json = {}
        while stored.get("status") != "cancelled":
            async with http.get(f"/v1/responses/{id}") as found:
                stored = await found.json()
    _, stopped, finished = stored["output"]
    assert stopped["status"] == "failed"
    assert (finished["status"], finished["output"]) == ("completed", "2")


async def test_a_url_is_echoed_without_what_may_be_a_key(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, remote: HttpMcpServer
) -> None:
    tool = {"type": "mcp", "server_label": "remote", "server_url": f"{remote.url}?key=hush-hush"}
    answered = await streamed(http, tools=[tool])
    assert "hush-hush" not in json.dumps(answered.events)
    shown = answered.terminal["tools"]
    assert shown == [
        {
            "type": "mcp",
            "server_label": "remote",
            "server_url": f"http://127.0.0.1:{remote.port}/<redacted>",
        }
    ]


async def test_a_request_names_a_measured_number_of_servers(http: aiohttp.ClientSession) -> None:
    many = [{"type": "mcp", "server_label": "local"}] * 20_000
    started = time.monotonic()
    status, error, _ = await refused(http, tools=many)
    assert (status, error["param"]) == (400, "tools")
    assert time.monotonic() - started < 2
