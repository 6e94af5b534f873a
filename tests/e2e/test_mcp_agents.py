"""openai-agents drives MCP tools over the running service: HostedMCPTool and its approvals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from agents import (
    Agent,
    HostedMCPTool,
    MCPToolApprovalFunctionResult,
    MCPToolApprovalRequest,
    ModelSettings,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    RunResult,
    RunResultStreaming,
    RunState,
    SQLiteSession,
    function_tool,
)
from agents.model_settings import MCPToolChoice
from openai import AsyncOpenAI

from ..support.mcp_servers import HttpMcpServer
from ..support.tool_loop import CAREFUL, LOCAL, calls, says
from ..support.upstream import ScriptedUpstream

pytestmark = pytest.mark.anyio
Json = dict[str, Any]
UNTRACED = RunConfig(tracing_disabled=True)
EVENTS = {
    "mcp_list_tools_item": "mcp_list_tools",
    "mcp_approval_request_item": "mcp_approval_requested",
    "mcp_approval_response_item": "mcp_approval_response",
    "tool_call_item": "tool_called",
    "tool_call_output_item": "tool_output",
    "message_output_item": "message_output_created",
}


@pytest.fixture(scope="module")
def service_env(mcp_env: dict[str, str]) -> dict[str, str]:
    return mcp_env


@pytest.fixture
def session() -> Iterator[SQLiteSession]:
    kept = SQLiteSession("one")
    yield kept
    kept.close()


class User:
    """Answers each request for approval, and remembers it."""

    def __init__(self, *, approve: bool, reason: str = "") -> None:
        self.approve = approve
        self.reason = reason
        self.asked: list[tuple[str, str, Json]] = []

    def __call__(self, request: MCPToolApprovalRequest) -> MCPToolApprovalFunctionResult:
        data = request.data
        self.asked.append((data.server_label, data.name, json.loads(data.arguments)))
        return {"approve": self.approve, "reason": self.reason}


@function_tool
def weather(at: str) -> str:
    """The weather of a town."""
    return f"rain in {at}"


def agent(client: AsyncOpenAI, *tools: Any, **settings: Any) -> Agent[None]:
    return Agent(
        "adder",
        instructions="Add.",
        model=OpenAIResponsesModel("tiny", client),
        tools=list(tools),
        model_settings=ModelSettings(**settings),
    )


async def run(of: Agent[None], said: Any, is_streamed: bool = False, **more: Any) -> Any:
    if not is_streamed:
        return await Runner.run(of, said, run_config=UNTRACED, **more)
    result = Runner.run_streamed(of, said, run_config=UNTRACED, **more)
    told = [
        event.name
        async for event in result.stream_events()
        if event.type == "run_item_stream_event"
    ]
    assert told == [EVENTS[item.type] for item in result.new_items]
    return result


def kinds(result: RunResult | RunResultStreaming) -> list[str]:
    return [item.type for item in result.new_items]


def roles(upstream: ScriptedUpstream) -> list[list[object]]:
    """Of the messages of each request, without the instructions."""
    return [[message["role"] for message in sent.messages[1:]] for sent in upstream.requests]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_a_hosted_tool_runs_without_the_client(
    async_client: AsyncOpenAI, upstream: ScriptedUpstream, is_streamed: bool
) -> None:
    upstream.play(*calls(("mcp__local__add", {"a": 20, "b": 22})))
    upstream.play(*says("It is 42."))
    result = await run(agent(async_client, HostedMCPTool(LOCAL)), "20 + 22?", is_streamed)
    assert result.final_output == "It is 42."
    assert kinds(result) == ["mcp_list_tools_item", "tool_call_item", "message_output_item"]
    assert result.new_items[1].raw_item.output == "42"
    assert result.context_wrapper.usage.output_tokens == 8


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("is_chained", [False, True], ids=["by_replay", "by_id"])
async def test_what_the_callback_approves_runs(
    async_client: AsyncOpenAI,
    upstream: ScriptedUpstream,
    remote: HttpMcpServer,
    is_streamed: bool,
    is_chained: bool,
) -> None:
    tool: Json = {"type": "mcp", "server_label": "remote", "server_url": remote.url}
    user = User(approve=True)
    adder = agent(async_client, HostedMCPTool(tool, on_approval_request=user))
    upstream.play(*calls(("mcp__remote__add", {"a": 20, "b": 22})))
    upstream.play(*says("It is 42."))
    result = await run(adder, "20 + 22?", is_streamed, auto_previous_response_id=is_chained)
    assert user.asked == [("remote", "add", {"a": 20, "b": 22})]
    assert result.final_output == "It is 42."
    assert kinds(result) == [
        "mcp_list_tools_item",
        "mcp_approval_request_item",
        "mcp_approval_response_item",
        "tool_call_item",
        "message_output_item",
    ]
    assert result.new_items[3].raw_item.output == "42"
    assert roles(upstream) == [["user"], ["user", "assistant", "tool"]]


@pytest.mark.parametrize("is_chained", [False, True], ids=["by_replay", "by_id"])
async def test_what_the_callback_denies_does_not_run(
    async_client: AsyncOpenAI, upstream: ScriptedUpstream, is_chained: bool
) -> None:
    """A server of the operator's, which is named by its label alone and wants approvals."""
    user = User(approve=False, reason="Too risky.")
    adder = agent(async_client, HostedMCPTool(CAREFUL, on_approval_request=user))
    upstream.play(*calls(("mcp__careful__add", {"a": 20, "b": 22})))
    upstream.play(*says("As you like."))
    result = await run(adder, "20 + 22?", auto_previous_response_id=is_chained)
    assert len(user.asked) == 1
    assert result.final_output == "As you like."
    assert "tool_call_item" not in kinds(result)
    assert "Too risky." in str(upstream.requests[1].messages[-1]["content"])


async def test_a_run_waits_for_an_approval_and_goes_on(
    async_client: AsyncOpenAI, upstream: ScriptedUpstream
) -> None:
    """Without a callback the run is interrupted; its state is written and read again."""
    adder = agent(async_client, HostedMCPTool(CAREFUL))
    upstream.play(*calls(*[("mcp__careful__add", {"a": n, "b": n}) for n in (1, 2)]))
    upstream.play(*says("2 and no more."))
    halted = await run(adder, "Add.")
    state = await RunState.from_string(adder, halted.to_state().to_string())
    granted, denied = state.get_interruptions()
    state.approve(granted)
    state.reject(denied)
    result = await run(adder, state)
    assert result.final_output == "2 and no more."
    ran = [item.raw_item.output for item in result.new_items if item.type == "tool_call_item"]
    assert ran == ["2"]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("is_chained", [False, True], ids=["by_replay", "by_id"])
async def test_a_function_of_the_client_beside_hosted_tools(
    async_client: AsyncOpenAI, upstream: ScriptedUpstream, is_streamed: bool, is_chained: bool
) -> None:
    """In one round: a call that runs here, one that has to be approved, and one of the client."""
    user = User(approve=True)
    tools = [HostedMCPTool(LOCAL), HostedMCPTool(CAREFUL, on_approval_request=user), weather]
    upstream.play(
        *calls(
            ("mcp__local__add", {"a": 1, "b": 1}),
            ("weather", {"at": "Bonn"}),
            ("mcp__careful__add", {"a": 2, "b": 2}),
        )
    )
    upstream.play(*calls(("mcp__local__add", {"a": 3, "b": 3}), ("weather", {"at": "Ulm"})))
    upstream.play(*says("2, 4, 6; rain."))
    result = await run(
        agent(async_client, *tools), "Go.", is_streamed, auto_previous_response_id=is_chained
    )
    assert result.final_output == "2, 4, 6; rain."
    outputs = [
        str(message["content"])
        for message in upstream.requests[-1].messages
        if message["role"] == "tool"
    ]
    assert sorted(outputs) == ["2", "4", "6", "rain in Bonn", "rain in Ulm"]


def check_prefixes(upstream: ScriptedUpstream) -> None:
    """What the model was shown once is shown again, byte for byte."""
    for before, after in pairwise(upstream.requests):
        assert after.messages[: len(before.messages)] == before.messages


async def test_a_session_continues(
    async_client: AsyncOpenAI, upstream: ScriptedUpstream, session: SQLiteSession
) -> None:
    user = User(approve=True)
    adder = agent(async_client, HostedMCPTool(CAREFUL, on_approval_request=user), weather)
    upstream.play(*calls(("mcp__careful__add", {"a": 20, "b": 22})))
    upstream.play(*calls(("weather", {"at": "Bonn"})))
    upstream.play(*says("42, rain."))
    await run(adder, "20 + 22?", session=session)
    upstream.play(*calls(("mcp__careful__add", {"a": 1, "b": 1})))
    upstream.play(*says("2."))
    result = await run(adder, "And 1 + 1?", session=session)
    assert result.final_output == "2."
    assert "mcp_list_tools_item" not in kinds(result), "the list is in the session"
    check_prefixes(upstream)


async def test_a_chain_continues(async_client: AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    adder = agent(async_client, HostedMCPTool(CAREFUL, on_approval_request=User(approve=True)))
    upstream.play(*calls(("mcp__careful__add", {"a": 20, "b": 22})))
    upstream.play(*says("42."))
    first = await run(adder, "20 + 22?", auto_previous_response_id=True)
    upstream.play(*calls(("mcp__careful__add", {"a": 1, "b": 1})))
    upstream.play(*says("2."))
    result = await run(adder, "And 1 + 1?", previous_response_id=first.last_response_id)
    assert result.final_output == "2."
    assert "mcp_list_tools_item" not in kinds(result)
    check_prefixes(upstream)


async def test_an_agent_without_the_server_takes_over(
    async_client: AsyncOpenAI, upstream: ScriptedUpstream
) -> None:
    """The items of a server reach an agent that does not declare it; nothing is stored."""
    other = Agent("other", model=OpenAIResponsesModel("tiny", async_client))
    user = User(approve=True)
    first = agent(
        async_client, HostedMCPTool(CAREFUL, on_approval_request=user), weather, store=False
    )
    first.handoffs = [other]
    upstream.play(*calls(("mcp__careful__add", {"a": 20, "b": 22})))
    upstream.play(*calls(("transfer_to_other", {})))
    upstream.play(*says("It was 42."))
    result = await run(first, "20 + 22?")
    assert (result.final_output, result.last_agent) == ("It was 42.", other)
    shown = [m["content"] for m in upstream.requests[-1].messages if m["role"] == "tool"]
    assert shown[0] == "42"


@pytest.mark.parametrize(
    ("choice", "offered"),
    [
        (MCPToolChoice("local", "add"), {"mcp__local__add"}),
        (MCPToolChoice("careful", "add"), {"mcp__careful__add"}),
        ("mcp", {"mcp__local__add", "mcp__local__seen", "mcp__careful__add"}),
    ],
    ids=["local", "careful", "any"],
)
async def test_a_choice_is_for_the_first_round(
    async_client: AsyncOpenAI, upstream: ScriptedUpstream, choice: Any, offered: set[str]
) -> None:
    tools = [
        HostedMCPTool(LOCAL | {"allowed_tools": ["add", "seen"]}),
        HostedMCPTool(CAREFUL | {"allowed_tools": ["add"]}, on_approval_request=User(approve=True)),
    ]
    upstream.play(*calls((min(offered), {"a": 1, "b": 1})))
    upstream.play(*says("2."))
    result = await run(agent(async_client, *tools, weather, tool_choice=choice), "Add.")
    assert result.final_output == "2."
    first = upstream.requests[0].json
    assert first["tool_choice"] == "required"
    assert {tool["function"]["name"] for tool in first["tools"]} == offered
