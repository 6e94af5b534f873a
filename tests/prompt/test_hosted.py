"""What the gateway has run is shown to the model as a call and its output, the same every time."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from responses_gw.api.errors import ApiError
from responses_gw.api.items import InputItem
from responses_gw.api.tools import CallTarget
from responses_gw.api.validate import decode_input_item
from responses_gw.prompt.hosted import GrantedCall
from responses_gw.prompt.profile import ModelProfile
from responses_gw.prompt.transcript import Transcript

Json = dict[str, object]
USER: Json = {"type": "message", "role": "user", "content": "Go."}
ASKS: Json = {
    "type": "mcp_approval_request",
    "id": "mcpr_1",
    "server_label": "files",
    "name": "remove",
    "arguments": '{"path":"/a"}',
}


def call(id: str = "mcp_1", **more: object) -> Json:
    item = {"type": "mcp_call", "id": id, "server_label": "files", "name": "read"}
    return item | {"arguments": "{}", "output": "text", "status": "completed"} | more


def answer(approve: bool, **more: object) -> Json:
    return {
        "type": "mcp_approval_response",
        "approval_request_id": "mcpr_1",
        "approve": approve,
    } | more


def decoded(items: Iterable[Json]) -> list[InputItem]:
    return [decode_input_item(json.dumps(item).encode(), "input[0]") for item in items]


def told(*items: Json) -> list[Json]:
    transcript = Transcript(ModelProfile())
    transcript.add(decoded(items))
    messages: list[Json] = json.loads(transcript.messages())
    return messages


def test_a_call_is_a_message_of_the_assistant_and_one_of_the_tool() -> None:
    _, assistant, tool = told(USER, call())
    assert assistant["tool_calls"] == [
        {
            "type": "function",
            "id": "mcp_1",
            "function": {"name": "mcp__files__read", "arguments": "{}"},
        }
    ]
    assert tool == {"role": "tool", "tool_call_id": "mcp_1", "content": "text"}


def test_each_call_has_messages_of_its_own() -> None:
    messages = told(USER, call("mcp_1"), call("mcp_2"))
    roles = [message["role"] for message in messages]
    assert roles == ["user", "assistant", "tool", "assistant", "tool"]


def test_one_more_call_changes_nothing_that_was_sent_before() -> None:
    before = told(USER, call("mcp_1"))
    assert told(USER, call("mcp_1"), call("mcp_2"))[: len(before)] == before


def test_the_turn_that_runs_says_the_same_as_the_one_that_is_read() -> None:
    running = Transcript(ModelProfile())
    for item in (USER, call("mcp_1"), call("mcp_2")):
        running.add(decoded([item]))
    assert json.loads(running.messages()) == told(USER, call("mcp_1"), call("mcp_2"))


IMAGE = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
OUTCOMES: dict[str, tuple[Json, object]] = {
    "text": ({"output": "text"}, "text"),
    "an error of the tool": (
        {
            "output": None,
            "error": {
                "type": "mcp_tool_execution_error",
                "content": [{"type": "text", "text": "no such file"}],
            },
        },
        "The tool reported an error:\nno such file",
    ),
    "an error of the protocol": (
        {"error": {"type": "mcp_protocol_error", "code": -32602, "message": "bad path"}},
        "Error: bad path",
    ),
    "an error of the way there": (
        {"error": {"type": "http_error", "code": 502, "message": "gone"}},
        "Error: gone",
    ),
    "an error as older clients have it": ({"error": "gone"}, "Error: gone"),
    "an error of no known kind": ({"error": {"type": "new"}}, 'Error: {"type": "new"}'),
    "no outcome": (
        {"output": None, "status": "incomplete"},
        "The call was stopped before it had finished.",
    ),
    "text that begins like blocks": (
        {"output": '[{"type":"text","text":"a"}]'},
        '[{"type":"text","text":"a"}]',
    ),
    "text that begins like blocks and is none": ({"output": '[{"type":"x'}, '[{"type":"x'),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_model_is_told_how_a_call_ended(name: str) -> None:
    more, expected = OUTCOMES[name]
    assert told(USER, call() | more)[2]["content"] == expected


def test_an_image_in_a_result_is_shown_as_an_image() -> None:
    output = json.dumps([{"type": "text", "text": "see"}, IMAGE], separators=(",", ":"))
    *_, tool, pictures = told(USER, call(output=output))
    assert tool["content"] == "see\n[what the tool returned follows]"
    assert pictures["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    ]


def test_a_denied_call_is_shown_with_the_users_reason() -> None:
    _, assistant, tool = told(USER, ASKS, answer(False, reason="Not that one."))
    assert assistant["tool_calls"][0]["id"] == "mcpr_1"  # type: ignore[index]
    assert tool["content"] == "The user did not approve this call. They said: Not that one."


def test_an_approved_call_may_run_once() -> None:
    transcript = Transcript(ModelProfile())
    transcript.add(decoded([USER, ASKS, answer(True)]))
    granted = GrantedCall(CallTarget("mcp", "remove", "files"), '{"path":"/a"}', "mcpr_1")
    assert transcript.granted == [granted]
    transcript.add(decoded([call(name="remove", approval_request_id="mcpr_1")]))
    assert transcript.granted == []


def test_a_grant_is_not_kept_for_a_later_turn() -> None:
    transcript = Transcript(ModelProfile())
    transcript.add(decoded([USER, ASKS, answer(True)]))
    later = Transcript(ModelProfile(), transcript.snapshot())
    assert later.granted == []
    with pytest.raises(ApiError, match="No MCP approval request found"):
        later.add(decoded([answer(True)]))


def test_a_request_can_be_answered_in_a_later_turn() -> None:
    transcript = Transcript(ModelProfile())
    transcript.add(decoded([USER, ASKS]))
    later = Transcript(ModelProfile(), transcript.snapshot())
    later.add(decoded([answer(True)]))
    assert [granted.request_id for granted in later.granted] == ["mcpr_1"]


def test_an_answer_to_nothing_is_refused() -> None:
    with pytest.raises(ApiError, match="mcpr_1") as caught:
        told(USER, answer(True))
    assert (caught.value.status, caught.value.param) == (400, "input")


def test_lists_of_tools_are_remembered_by_label() -> None:
    listing: Json = {"type": "mcp_list_tools", "server_label": "s", "tools": [{"name": "t"}]}
    failed: Json = {"type": "mcp_list_tools", "server_label": "f", "tools": [], "error": "gone"}
    transcript = Transcript(ModelProfile())
    transcript.add(decoded([listing, failed]))
    later = Transcript(ModelProfile(), transcript.snapshot())
    assert {label: len(tools) for label, tools in later.listed.items()} == {"s": 1}
