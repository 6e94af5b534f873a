"""Every type of item that the SDK knows is decoded and kept; one table says what it becomes."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from msgspec import Raw
from openai.types.responses import response_input_item_param, tool_param

from responses_gw.api.items import ITEM_KINDS, UnknownItem
from responses_gw.api.stored import record_of
from responses_gw.api.tools import TOOLS, UnknownTool
from responses_gw.api.validate import decode_create_response, decode_input_item, decode_tool
from responses_gw.prompt.profile import ModelProfile
from responses_gw.prompt.transcript import Transcript

Json = dict[str, Any]
CALLER = {"type": "direct"}
FUNCTION = {"type": "function", "name": "found", "parameters": {"type": "object"}, "strict": True}
ITEMS: dict[str, Json] = {
    "message": {"role": "user", "content": [{"type": "input_text", "text": "q"}]},
    "reasoning": {"id": "rs_1", "summary": [], "content": None, "encrypted_content": None},
    "item_reference": {"id": "msg_1"},
    "compaction": {"encrypted_content": "x"},
    "compaction_trigger": {},
    "configuration_update": {"reasoning": {"effort": "low"}},
    "function_call": {"call_id": "c", "name": "f", "arguments": "{}", "caller": CALLER},
    "function_call_output": {"call_id": "c", "output": [{"type": "input_text", "text": "r"}]},
    "custom_tool_call": {"call_id": "c", "name": "f", "input": "x", "namespace": "n"},
    "custom_tool_call_output": {"call_id": "c", "output": "r"},
    "tool_search_call": {"call_id": "c", "arguments": {"query": "x"}, "execution": "client"},
    "tool_search_output": {"call_id": "c", "tools": [FUNCTION], "execution": "client"},
    "additional_tools": {"role": "developer", "tools": [FUNCTION]},
    "local_shell_call": {
        "id": "lsh_1",
        "call_id": "c",
        "action": {"type": "exec", "command": ["ls"], "env": {}},
    },
    "local_shell_call_output": {"id": "c", "output": "r"},
    "shell_call": {"call_id": "c", "action": {"commands": ["ls"]}, "environment": None},
    "shell_call_output": {
        "call_id": "c",
        "output": [{"stdout": "r", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
    },
    "apply_patch_call": {
        "call_id": "c",
        "operation": {"type": "update_file", "path": "a", "diff": "+x"},
        "status": "completed",
    },
    "apply_patch_call_output": {"call_id": "c", "status": "completed", "output": "r"},
    "computer_call": {
        "call_id": "c",
        "actions": [{"type": "wait"}],
        "pending_safety_checks": [],
    },
    "computer_call_output": {
        "call_id": "c",
        "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,AA=="},
    },
    "file_search_call": {"id": "fs_1", "queries": ["q"], "results": None},
    "web_search_call": {"id": "ws_1", "action": {"type": "search", "query": "q"}},
    "code_interpreter_call": {"id": "ci_1", "code": "1", "container_id": "cntr_1", "outputs": None},
    "image_generation_call": {"id": "ig_1", "result": None},
    "mcp_list_tools": {"id": "mcpl_1", "server_label": "s", "tools": []},
    "mcp_approval_request": {"id": "m", "server_label": "s", "name": "n", "arguments": "{}"},
    "mcp_approval_response": {"approval_request_id": "m", "approve": True},
    "mcp_call": {"id": "mcp_1", "server_label": "s", "name": "n", "arguments": "{}"},
    "program": {"id": "cm_1", "call_id": "c", "code": "1", "fingerprint": "f"},
    "program_output": {"id": "cmo_1", "call_id": "c", "result": "r", "status": "completed"},
}
CALLS = {kind for kind, what in ITEM_KINDS.items() if what.shown == "call"}


def of(kind: str) -> Json:
    return {"type": kind, **ITEMS[kind]}


def types_in(union: object) -> set[str]:
    found = set()
    for member in get_args(union):
        annotation = member.__annotations__["type"]
        text = str(getattr(annotation, "__forward_arg__", annotation))
        found |= {word.strip("'\"] ") for word in text.partition("Literal[")[2].split(",")}
    return found - {""}


def test_the_sdk_knows_nothing_that_we_do_not() -> None:
    sdk = types_in(response_input_item_param.ResponseInputItemParam)
    tools = types_in(tool_param.ToolParam)
    assert len(sdk) > 25 and len(tools) > 12, "the SDK's types could not be read"
    assert sdk - set(ITEM_KINDS) == set(), "new item types"
    assert tools - set(TOOLS) == set(), "new tool types"


def test_every_kind_of_item_has_an_example() -> None:
    assert set(ITEMS) == set(ITEM_KINDS)


@pytest.mark.parametrize("kind", ITEMS)
def test_an_item_is_decoded_and_kept_with_all_that_it_says(kind: str) -> None:
    request = decode_create_response(
        json.dumps({"model": "m", "input": [of(kind) | {"surprise": [1.50]}]}).encode()
    )
    assert not isinstance(request.items[0], UnknownItem)
    record = record_of(request.items[0], request.raw_items[0])
    kept = json.loads(record.body)
    assert kept.pop("id") == record.id
    if "id" in ITEMS[kind]:
        assert record.id == ITEMS[kind]["id"]
    else:
        assert record.id.startswith(f"{ITEM_KINDS[kind].prefix}_")
    assert kept.pop("surprise") == [1.5]
    if ITEM_KINDS[kind].has_status:
        assert kept.pop("status") == "completed"
    assert kept == {k: v for k, v in of(kind).items() if k not in ("id", "status")}


@pytest.mark.parametrize("kind", ITEMS)
def test_an_item_is_shown_where_the_table_says(kind: str) -> None:
    what = ITEM_KINDS[kind].shown
    before = []
    if what == "output":
        partner = kind.removesuffix("_output")
        before = [of(partner if partner in CALLS else f"{partner}_call")]
    if what == "answer":
        before = [of("mcp_approval_request") | {"id": of(kind)["approval_request_id"]}]
    items = [
        decode_input_item(json.dumps(item).encode(), "input[0]") for item in (*before, of(kind))
    ]
    transcript = Transcript(ModelProfile())
    transcript.add(items)
    sent = json.loads(transcript.messages())
    roles = [message["role"] for message in sent]
    match what:
        case "message":
            assert roles == ([] if kind == "reasoning" else ["user"])
        case "call":
            assert roles == ["assistant"]
            assert sent[0]["tool_calls"][0]["id"] == "c"
        case "output":
            assert roles[:2] == ["assistant", "tool"]
            assert sent[1]["tool_call_id"] == "c"
        case "run":
            assert roles == ["assistant", "tool"]
            assert sent[1]["tool_call_id"] == sent[0]["tool_calls"][0]["id"] == of(kind)["id"]
        case "answer":
            approved = of(kind)["approve"]
            assert roles == ([] if approved else ["assistant", "tool"])
            assert len(transcript.granted) == approved
        case "tools" | "request" | "nowhere":
            assert roles == []
    tools = kind in ("additional_tools", "tool_search_output")
    assert len(transcript.snapshot().tools) == tools


@pytest.mark.parametrize("kind", ["additional_tools", "tool_search_output"])
def test_tools_in_items_are_checked_and_keep_no_secret(kind: str) -> None:
    mcp = {"type": "mcp", "server_label": "s", "authorization": "hush", "headers": {"k": "hush"}}
    item = of(kind) | {"tools": [mcp, {"type": "teleport"}]}
    request = decode_create_response(json.dumps({"model": "m", "input": [item]}).encode())
    assert b"hush" not in record_of(request.items[0], request.raw_items[0]).body


def test_an_unknown_tool_in_an_item_is_no_fault() -> None:
    assert isinstance(decode_tool(Raw(b'{"type":"teleport"}'), "t"), UnknownTool)
