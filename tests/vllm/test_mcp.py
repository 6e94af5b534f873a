"""The tool loop with a real model server and a real MCP server.

The net has not learned these tools: ``tool_choice`` makes it call one, which goes up as
``required`` with one function. vLLM holds only the envelope of such a call to a grammar, so the
arguments are an object of any kind: ``structured`` does not look at them, ``add`` fails over them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI

from ..grammar import check, check_sdk, parse_sse
from ..support.tool_loop import CAREFUL, LOCAL, response_to, write_settings

Json = dict[str, Any]
STILL = {"chat_template_kwargs": {"enable_thinking": False}}
BUDGET = 200
RESULT = '{"n":1}'


@pytest.fixture(scope="module")
def service_env(
    vllm_url: str, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    return {
        "RESPONSES_GW_UPSTREAM": vllm_url,
        "RESPONSES_GW_DATABASE_URL": module_database_url,
        **write_settings(tmp_path_factory.mktemp("mcp")),
    }


def streamed(client: OpenAI, **fields: Any) -> Json:
    """A streamed response that kept to the grammar and to the SDK's types, and did not fail."""
    fields = {"model": "tiny", "temperature": 0, "max_output_tokens": BUDGET, **fields}
    create = client.responses.with_streaming_response.create
    with create(stream=True, extra_body=STILL, **fields) as answer:
        events = parse_sse(answer.read())
    check_sdk(events)
    response: Json = check(events)
    assert response["status"] in ("completed", "incomplete"), response["error"]
    assert response["usage"]["output_tokens"] <= BUDGET
    return response


def forced(client: OpenAI, tool: Json, name: str) -> Json:
    choice = {"type": "mcp", "server_label": tool["server_label"], "name": name}
    return streamed(client, input="Hello", tools=[tool], tool_choice=choice)


def answers_to(response: Json) -> list[Json]:
    """What a client would say to calls that are not ours; the net makes some up."""
    return [
        {"type": "function_call_output", "call_id": item["call_id"], "output": "sunny"}
        for item in response["output"]
        if item["type"] == "function_call"
    ]


def test_a_call_runs_and_the_model_goes_on_with_its_result(client: OpenAI) -> None:
    response = forced(client, LOCAL, "structured")
    listing, called, *rest = response["output"]
    assert (listing["type"], called["type"]) == ("mcp_list_tools", "mcp_call")
    assert (called["name"], called["status"], called["output"]) == (
        "structured",
        "completed",
        RESULT,
    )
    assert isinstance(json.loads(called["arguments"]), dict)
    assert rest, "the model went on"
    asked = forced(client, CAREFUL, "structured")
    assert asked["output"][-1]["type"] == "mcp_approval_request"
    one_round = asked["usage"]["input_tokens"]
    assert response["usage"]["input_tokens"] > 2 * one_round, "the result was in the second round"


def test_a_call_that_fails_is_told_to_the_model(client: OpenAI) -> None:
    response = forced(client, LOCAL, "add")
    called = response["output"][1]
    assert (called["type"], called["name"]) == ("mcp_call", "add")
    if called["status"] == "failed":
        assert called["error"]["type"] == "mcp_tool_execution_error"
    assert len(response["output"]) > 2 or response["status"] == "incomplete"


def test_the_dialogue_goes_on(client: OpenAI) -> None:
    first = forced(client, LOCAL, "structured")
    second = streamed(
        client,
        previous_response_id=first["id"],
        input=[*answers_to(first), {"role": "user", "content": "Hello"}],
        tools=[LOCAL],
        tool_choice="none",
    )
    assert "mcp_list_tools" not in [item["type"] for item in second["output"]]
    assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"] / 2


def test_an_approved_call_runs_before_the_model_speaks(client: OpenAI) -> None:
    asked = forced(client, CAREFUL, "structured")
    request = asked["output"][-1]
    second = streamed(
        client,
        previous_response_id=asked["id"],
        input=[response_to(request, True)],
        tools=[CAREFUL],
        tool_choice="none",
    )
    called = second["output"][0]
    assert (called["type"], called["approval_request_id"]) == ("mcp_call", request["id"])
    assert (called["status"], called["output"]) == ("completed", RESULT)
    assert second["usage"]["input_tokens"] > asked["usage"]["input_tokens"]
