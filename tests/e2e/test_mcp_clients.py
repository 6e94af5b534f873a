"""The openai SDK drives MCP tools over the running service: typed items, approvals, the chain."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import Response
from openai.types.responses.response_output_item import McpApprovalRequest, McpCall, McpListTools

from ..support.mcp_servers import HttpMcpServer
from ..support.tool_loop import CAREFUL, LOCAL, WEATHER, calls, response_to, says
from ..support.upstream import ScriptedUpstream

Json = dict[str, Any]
USER: Json = {"role": "user", "content": "Go."}


@pytest.fixture(scope="module")
def service_env(mcp_env: dict[str, str]) -> dict[str, str]:
    return mcp_env


def kinds(response: Response) -> list[str]:
    return [item.type for item in response.output]


def dumped(response: Response) -> list[Json]:
    """The output as the SDK's users replay it."""
    return [item.model_dump(exclude_unset=True) for item in response.output]


def declared(remote: HttpMcpServer, **more: object) -> Json:
    return {"type": "mcp", "server_label": "remote", "server_url": remote.url} | more


def check_stored(client: OpenAI, final: Response) -> None:
    """What a stream ended with can be had again; only what the SDK has parsed is its own."""
    stored = client.responses.retrieve(final.id)
    assert stored.output[:-1] == final.output[:-1]
    assert (stored.output_text, stored.usage) == (final.output_text, final.usage)


def script_a_call(upstream: ScriptedUpstream, label: str = "local") -> None:
    upstream.play(*calls((f"mcp__{label}__add", {"a": 20, "b": 22})))
    upstream.play(*says("It is 42."))


def check_a_call(response: Response, label: str = "local") -> None:
    assert response.status == "completed"
    assert response.output_text == "It is 42."
    listing, called, _ = response.output
    assert isinstance(listing, McpListTools)
    assert (listing.server_label, listing.error) == (label, None)
    (add,) = [tool for tool in listing.tools if tool.name == "add"]
    assert add.description == "Add two numbers."
    assert set(add.input_schema["properties"]) == {"a", "b"}
    assert isinstance(called, McpCall)
    assert (called.name, called.server_label, called.output) == ("add", label, "42")
    assert (called.status, called.error, called.approval_request_id) == ("completed", None, None)
    assert json.loads(called.arguments) == {"a": 20, "b": 22}
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (20, 8)


def test_create_gives_typed_items(
    client: OpenAI, upstream: ScriptedUpstream, remote: HttpMcpServer
) -> None:
    script_a_call(upstream, "remote")
    tool = declared(remote, require_approval="never", headers={"x-key": "hush"})
    response = client.responses.create(model="tiny", input="20 + 22?", tools=[tool])
    check_a_call(response, "remote")
    (echoed,) = response.tools
    shown = f"http://127.0.0.1:{remote.port}/<redacted>"
    assert (echoed.type, echoed.server_url) == ("mcp", shown)
    assert "hush" not in response.model_dump_json()
    assert client.responses.retrieve(response.id).model_dump() == response.model_dump()


def test_stream_shows_the_life_of_a_call(client: OpenAI, upstream: ScriptedUpstream) -> None:
    script_a_call(upstream)
    with client.responses.stream(model="tiny", input="20 + 22?", tools=[LOCAL]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    check_a_call(final)
    seen = [event.type.removeprefix("response.") for event in events if ".mcp_" in event.type]
    assert seen == [
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "mcp_call.in_progress",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
        "mcp_call.completed",
    ]
    deltas = [event.delta for event in events if event.type == "response.mcp_call_arguments.delta"]
    (done,) = [event for event in events if event.type == "response.mcp_call_arguments.done"]
    assert "".join(deltas) == done.arguments == final.output[1].arguments
    check_stored(client, final)


@pytest.mark.anyio
async def test_the_async_client(async_client: AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    script_a_call(upstream)
    check_a_call(await async_client.responses.create(model="tiny", input="q", tools=[LOCAL]))
    script_a_call(upstream)
    async with async_client.responses.stream(model="tiny", input="q", tools=[LOCAL]) as stream:
        check_a_call(await stream.get_final_response())


def asked_for_approval(client: OpenAI, upstream: ScriptedUpstream, tool: Json) -> Response:
    upstream.play(*calls((f"mcp__{tool['server_label']}__add", {"a": 20, "b": 22})))
    response = client.responses.create(model="tiny", input=[USER], tools=[tool])
    assert kinds(response) == ["mcp_list_tools", "mcp_approval_request"]
    assert response.status == "completed"
    request = response.output[-1]
    assert isinstance(request, McpApprovalRequest)
    assert (request.name, request.server_label) == ("add", tool["server_label"])
    assert json.loads(request.arguments) == {"a": 20, "b": 22}
    return response


@pytest.mark.parametrize("is_chained", [True, False], ids=["by_id", "by_replay"])
def test_an_approved_call_runs(
    client: OpenAI, upstream: ScriptedUpstream, remote: HttpMcpServer, is_chained: bool
) -> None:
    tool = declared(remote)
    first = asked_for_approval(client, upstream, tool)
    answer = response_to(dumped(first)[-1], True)
    upstream.play(*says("It is 42."))
    if is_chained:
        second = client.responses.create(
            model="tiny", input=[answer], tools=[tool], previous_response_id=first.id
        )
    else:
        replay = [USER, *dumped(first), answer]
        second = client.responses.create(model="tiny", input=replay, tools=[tool], store=False)
    called, said = second.output
    assert isinstance(called, McpCall)
    assert (called.output, called.approval_request_id) == ("42", first.output[-1].id)
    assert (said.type, second.output_text) == ("message", "It is 42.")
    assert [message["role"] for message in upstream.requests[1].messages] == [
        "user",
        "assistant",
        "tool",
    ]


def test_an_approval_streams_the_call_first(client: OpenAI, upstream: ScriptedUpstream) -> None:
    first = asked_for_approval(client, upstream, CAREFUL)
    upstream.play(*says("It is 42."))
    with client.responses.stream(
        model="tiny",
        input=[response_to(dumped(first)[-1], True)],
        tools=[CAREFUL],
        previous_response_id=first.id,
    ) as stream:
        added = [e.item.type for e in stream if e.type == "response.output_item.added"]
        final = stream.get_final_response()
    assert added == kinds(final) == ["mcp_call", "message"]
    check_stored(client, final)


def test_a_denied_call_does_not_run(client: OpenAI, upstream: ScriptedUpstream) -> None:
    first = asked_for_approval(client, upstream, CAREFUL)
    denial = response_to(dumped(first)[-1], False, reason="Too risky.")
    for _ in range(2):
        upstream.play(*says("As you like."))
    chained = client.responses.create(
        model="tiny", input=[denial], tools=[CAREFUL], previous_response_id=first.id
    )
    replayed = client.responses.create(
        model="tiny", input=[USER, *dumped(first), denial], tools=[CAREFUL]
    )
    assert kinds(chained) == kinds(replayed) == ["message"]
    assert "Too risky." in str(upstream.requests[1].messages[-1]["content"])
    roles = [[message["role"] for message in sent.messages] for sent in upstream.requests[1:]]
    assert roles[0] == roles[1] == ["user", "assistant", "tool"]
    (kept,) = client.responses.input_items.list(chained.id).data
    assert kept.type == "mcp_approval_response"
    assert (kept.approval_request_id, kept.approve, kept.reason) == (
        first.output[-1].id,
        False,
        "Too risky.",
    )


def test_a_dialogue_with_approvals_continues_alike_by_id_and_by_replay(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    """Three turns, one call approved and one denied; what the model is shown is the same."""
    history: list[Json] = [USER]
    tools = [CAREFUL, WEATHER]
    asks = [("mcp__careful__add", {"a": n, "b": n}) for n in (1, 2)]
    upstream.play(*calls(*asks, ("weather", {"at": "Bonn"})))
    first = client.responses.create(model="tiny", input=history, tools=tools)
    assert kinds(first) == [
        "mcp_list_tools",
        "mcp_approval_request",
        "mcp_approval_request",
        "function_call",
    ]
    _, granted, denied, asked = first.output
    answers = [
        response_to({"id": denied.id}, False, reason="Once is enough."),
        {"type": "function_call_output", "call_id": asked.call_id, "output": "rain"},
        response_to({"id": granted.id}, True),
    ]
    upstream.play(*says("2, and it rains."))
    second = client.responses.create(
        model="tiny", input=answers, tools=tools, previous_response_id=first.id
    )
    assert kinds(second) == ["mcp_call", "message"]
    assert second.output[0].output == "2"

    last = {"role": "user", "content": "And now?"}
    history += [*dumped(first), *answers, *dumped(second), last]
    client.responses.create(model="tiny", input=[last], tools=tools, previous_response_id=second.id)
    client.responses.create(model="tiny", input=history, tools=tools, store=False)
    by_id, by_replay = upstream.requests[-2:]
    assert by_id.messages == by_replay.messages
    assert by_id.json["tools"] == by_replay.json["tools"]
    before = upstream.requests[-3].messages
    assert by_id.messages[: len(before)] == before, "what was said once never changes"


def test_a_request_that_nobody_answers_holds_up_nothing(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    first = asked_for_approval(client, upstream, CAREFUL)
    other = {"role": "user", "content": "Never mind."}
    for text in ("Fine.", "Fine.", "It is 42."):
        upstream.play(*says(text))
    chained = client.responses.create(
        model="tiny", input=[other], tools=[CAREFUL], previous_response_id=first.id
    )
    replay = [USER, *dumped(first), other]
    client.responses.create(model="tiny", input=replay, tools=[CAREFUL])
    by_id, by_replay = upstream.requests[1:]
    assert by_id.messages == by_replay.messages == [USER, other]
    late = client.responses.create(
        model="tiny",
        input=[response_to(dumped(first)[-1], True)],
        tools=[CAREFUL],
        previous_response_id=chained.id,
    )
    assert kinds(late) == ["mcp_call", "message"], "it can be answered later"


def test_every_way_of_replaying_items_is_the_same(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    script_a_call(upstream)
    first = client.responses.create(model="tiny", input=[USER], tools=[LOCAL])
    ways: list[list[Any]] = [
        list(first.output),
        [item.to_dict() for item in first.output],
        [item.model_dump() for item in first.output],
        [item.model_dump(exclude_none=True) for item in first.output],
        [{"type": "item_reference", "id": item.id} for item in first.output],
    ]
    for way in ways:
        upstream.play(*says("Yes."))
        second = client.responses.create(model="tiny", input=[USER, *way, USER], tools=[LOCAL])
        assert kinds(second) == ["message"]
    wanted, *others = [sent.messages for sent in upstream.requests[2:]]
    assert [message["role"] for message in wanted] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert all(messages == wanted for messages in others)


def test_input_items_show_what_was_given(client: OpenAI, upstream: ScriptedUpstream) -> None:
    script_a_call(upstream)
    first = client.responses.create(model="tiny", input=[USER], tools=[LOCAL])
    upstream.play(*says("Yes."))
    second = client.responses.create(
        model="tiny", input=[USER, *dumped(first), USER], tools=[LOCAL]
    )
    assert kinds(second) == ["message"], "the list is in the history"
    listed = list(client.responses.input_items.list(second.id, order="asc"))
    assert [item.type for item in listed] == [
        "message",
        "mcp_list_tools",
        "mcp_call",
        "message",
        "message",
    ]
    assert [tool.name for tool in listed[1].tools] == [t.name for t in first.output[0].tools]
    assert (listed[2].id, listed[2].output) == (first.output[1].id, "42")


def test_failures_of_tools_are_typed(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.play(*calls(("mcp__local__fail", {}), ("mcp__local__refuse", {})))
    upstream.play(*says("It failed."))
    response = client.responses.create(model="tiny", input=[USER], tools=[LOCAL])
    _, failed, refused, _ = response.output
    assert (failed.status, failed.error.type) == ("failed", "mcp_tool_execution_error")
    assert (refused.error.type, refused.error.code) == ("mcp_protocol_error", -32042)
    replay = [USER, *dumped(response), USER]
    client.responses.create(model="tiny", input=replay, tools=[LOCAL])
    first, second = (sent.messages for sent in upstream.requests[1:])
    assert second[: len(first)] == first, "what the model was told of a failure is told again"


def test_a_server_that_is_not_there_is_an_error_of_the_sdk(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    gone = {"type": "mcp", "server_label": "x", "server_url": "http://127.0.0.1:9/mcp"}
    with pytest.raises(openai.APIStatusError) as caught:
        client.responses.create(model="tiny", input="q", tools=[gone])
    assert caught.value.status_code == 424
    assert (caught.value.code, caught.value.param) == ("http_error", "tools")
    assert caught.value.type == "external_connector_error"
    with pytest.raises(openai.BadRequestError):
        client.responses.create(
            model="tiny", input="q", tools=[{"type": "mcp", "server_label": "nobody"}]
        )
