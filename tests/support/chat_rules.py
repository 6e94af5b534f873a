"""What vLLM takes as a chat request (VLLM_CHAT, "Rejected with 400"), as a checker of its own."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

__all__ = ["check_chat_request"]

Json = dict[str, Any]
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
PARTS = {"text": str, "image_url": dict, "input_audio": dict, "video_url": dict}
FORMATS = {"json_object", "json_schema"}


def check_chat_request(data: bytes, *, is_vllm: bool = True) -> Json:
    """The request. Raises ``AssertionError`` that says what a model server would refuse."""
    chat: Json = json.loads(data.decode(), parse_constant=_no_json)
    data.decode().encode()
    assert isinstance(chat["model"], str) and chat["model"]
    assert chat["stream"] is True and chat["stream_options"] == {"include_usage": True}
    assert chat["messages"], "no messages"
    _check_messages(chat["messages"])
    _check_tools(chat)
    if "top_logprobs" in chat:
        assert chat["logprobs"] is True and 0 <= chat["top_logprobs"] <= 20
    assert chat.get("max_completion_tokens", 1) >= 1
    assert 0 <= chat.get("top_p", 1) <= 1 and 0 <= chat.get("temperature", 1) <= 2
    assert chat.get("top_p") != 0 or not is_vllm, "vLLM takes no top_p of 0"
    if "response_format" in chat:
        assert chat["response_format"]["type"] in FORMATS
        if chat["response_format"]["type"] == "json_schema":
            schema = chat["response_format"]["json_schema"]
            assert isinstance(schema["name"], str) and isinstance(schema["schema"], dict)
    return chat


def _no_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


def _check_messages(messages: list[Json]) -> None:
    called: set[str] = set()
    for at, message in enumerate(messages):
        assert message["role"] in ("system", "user", "assistant", "tool"), message
        content = message["content"]
        if isinstance(content, list):
            assert content, f"message {at} has no parts"
            for part in content:
                assert isinstance(part[part["type"]], PARTS[part["type"]]), part
        else:
            assert isinstance(content, str) or message["role"] == "assistant"
        if message["role"] == "assistant":
            calls = message.get("tool_calls", [None])
            assert calls, "an empty list of calls"
            assert content is not None or calls != [None], f"message {at} says nothing"
            for call in calls:
                if call is not None:
                    called.add(call["id"])
                    assert call["type"] == "function" and isinstance(call["function"]["name"], str)
                    arguments = json.loads(call["function"]["arguments"])
                    assert isinstance(arguments, dict)
        if message["role"] == "tool":
            assert message["tool_call_id"] in called, f"message {at} answers nothing"


def _check_tools(chat: Json) -> None:
    if "tools" not in chat:
        assert "tool_choice" not in chat and "parallel_tool_calls" not in chat
        return
    assert chat["tools"], "tools: []"
    names = [tool["function"]["name"] for tool in chat["tools"]]
    assert len(set(names)) == len(names), f"a name stands for two tools: {names}"
    assert all(_NAME.fullmatch(name) for name in names), names
    for tool in chat["tools"]:
        assert tool["type"] == "function"
        assert isinstance(tool["function"].get("parameters", {}), dict), tool
        assert isinstance(tool["function"].get("description", ""), str), tool
    choice = chat["tool_choice"]
    if isinstance(choice, dict):
        assert choice["type"] == "function" and choice["function"]["name"] in names
    else:
        assert choice in ("none", "auto", "required")
