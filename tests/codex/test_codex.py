"""Codex works against the running service: tools of every kind, sessions, faults (CLIENTS §3)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import get_args

import pytest

from ..support.fixtures import ServiceFactory
from ..support.service import Service
from ..support.upstream import (
    DONE,
    Cut,
    ScriptedUpstream,
    Status,
    Step,
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
from .client import Metadata, Run
from .conftest import CodexFactory
from .relay import Relay
from .shapes import Json

Keep = Callable[[str, Json], None]
PATCH = """\
*** Begin Patch
*** Update File: greeting.txt
@@
-Hello
+Hello "wörld" \\o/
*** End Patch
"""
DOT = (
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    b"rkJggg=="
)  # a PNG of one pixel
SCRIPT = """\
const done = await tools.exec_command({cmd: "echo made > made.txt && echo said"});
text(done.output);
"""


def calling(name: str, thought: str = "", **given: object) -> bytes:
    """A whole stream: one call, its arguments in pieces."""
    data = role() + (reasoning(thought) if thought else b"") + call(0, "chatcmpl-tool-1", name)
    whole = json.dumps(given, ensure_ascii=False)
    for start in range(0, len(whole), 9):
        data += arguments(0, whole[start : start + 9])
    return data + finish("tool_calls") + usage() + DONE


def functions(chat: Json) -> dict[str, Json]:
    """The functions that the model was offered, by name."""
    return {tool["function"]["name"]: tool["function"] for tool in chat.get("tools", [])}


def of_type(body: Json, kind: str) -> list[Json]:
    return [item for item in body["input"] if item["type"] == kind]


def succeeded(run: Run) -> None:
    assert run.code == 0, f"{run.events}\n{run.stderr}"
    assert run.message == "Done."


def test_a_shell_call_creates_a_file(
    upstream: ScriptedUpstream, relay: Relay, codex: CodexFactory, keep: Keep
) -> None:
    upstream.play(calling("exec_command", cmd="echo made > made.txt && echo said"))
    upstream.play(answer("Done."))
    user = codex()
    succeeded(user.exec("make a file"))
    assert (user.work / "made.txt").read_text() == "made\n"
    first, second = upstream.requests
    assert "exec_command" in functions(first.json)
    assert [message["role"] for message in first.messages] == ["system", "user", "user"]
    assert second.messages[: len(first.messages)] == first.messages
    assert second.messages[-1]["role"] == "tool"
    assert "said" in str(second.messages[-1]["content"])
    keep("shell", relay.bodies[-1])


def test_a_patch_is_a_custom_call_with_a_grammar(
    upstream: ScriptedUpstream, relay: Relay, codex: CodexFactory, keep: Keep
) -> None:
    upstream.play(calling("apply_patch", input=PATCH))
    upstream.play(answer("Done."))
    user = codex("gpt-5.5")
    (user.work / "greeting.txt").write_text("Hello\n")
    succeeded(user.exec("greet the world"))
    assert (user.work / "greeting.txt").read_text() == 'Hello "wörld" \\o/\n'
    shown = functions(upstream.requests[0].json)["apply_patch"]
    assert 'begin_patch: "*** Begin Patch" LF' in shown["description"]
    (made,) = of_type(relay.bodies[-1], "custom_tool_call")
    assert (made["name"], made["input"]) == ("apply_patch", PATCH)
    assert of_type(relay.bodies[-1], "custom_tool_call_output")[0]["call_id"] == made["call_id"]
    keep("apply_patch", relay.bodies[-1])


def test_a_tool_of_an_mcp_server_comes_in_a_namespace(
    upstream: ScriptedUpstream, relay: Relay, codex: CodexFactory, keep: Keep
) -> None:
    upstream.play(calling("mcp__mini__shout", text="hello"))
    upstream.play(answer("Done."))
    run = codex().exec("shout hello")
    succeeded(run)
    (shouted,) = [item for item in run.items if item["type"] == "mcp_tool_call"]
    assert (shouted["server"], shouted["tool"]) == ("mini", "shout")
    assert "HELLO" in json.dumps(shouted["result"])
    (made,) = of_type(relay.bodies[-1], "function_call")
    assert (made["name"], made["namespace"]) == ("shout", "mcp__mini")
    assert "HELLO" in json.dumps(upstream.requests[1].messages[-1])
    keep("mcp", relay.bodies[-1])


def test_a_tool_that_a_search_has_found_can_be_called(
    upstream: ScriptedUpstream, relay: Relay, codex: CodexFactory, keep: Keep
) -> None:
    upstream.play(calling("tool_search", query="shout a text loudly"))
    upstream.play(calling("mcp__mini__shout", text="hello"))
    upstream.play(answer("Done."))
    run = codex("gpt-5.5").exec("shout hello")
    succeeded(run)
    before, after, _ = (functions(request.json) for request in upstream.requests)
    assert "mcp__mini__shout" not in before
    assert "mcp__mini__shout" in after
    assert "HELLO" in json.dumps(upstream.requests[2].messages[-1])
    (searched,) = of_type(relay.bodies[-1], "tool_search_call")
    assert (searched["execution"], searched["status"]) == ("client", "completed")
    keep("tool_search", relay.bodies[-1])


def test_the_newest_models_declare_all_tools_in_the_input(
    upstream: ScriptedUpstream, relay: Relay, codex: CodexFactory, keep: Keep
) -> None:
    upstream.play(calling("functions__exec", input=SCRIPT))
    upstream.play(answer("Done."))
    user = codex("gpt-6-astra")
    succeeded(user.exec("make a file"))
    assert (user.work / "made.txt").read_text() == "made\n"
    assert not relay.bodies[0].get("tools")
    assert relay.bodies[0]["input"][0]["type"] == "additional_tools"
    assert {"functions__exec", "functions__wait"} <= set(functions(upstream.requests[0].json))
    (made,) = of_type(relay.bodies[-1], "custom_tool_call")
    assert (made["name"], made["namespace"], made["input"]) == ("exec", "functions", SCRIPT)
    assert "said" in json.dumps(upstream.requests[1].messages[-1])
    keep("code_mode", relay.bodies[-1])


def test_a_session_is_resumed(
    upstream: ScriptedUpstream, relay: Relay, codex: CodexFactory, keep: Keep
) -> None:
    user = codex()
    upstream.play(calling("exec_command", cmd="echo said"))
    upstream.play(answer("Done."))
    succeeded(user.exec("say something"))
    upstream.play(answer("Done."))
    succeeded(user.exec("and now?", "resume", "--last"))
    *_, before, after = upstream.requests
    assert after.messages[-1] == {"role": "user", "content": "and now?"}
    assert {"role": "assistant", "content": "Done."} in after.messages
    assert after.messages[: len(before.messages)] == before.messages
    keep("resumed", relay.bodies[-1])


@pytest.mark.parametrize(
    "fault",
    [
        (Status(500, error_body(500, "Internal Server Error", "InternalServerError")),),
        (Status(503, error_body(503, "no capacity", "ServiceUnavailable")),),
        (Cut(),),
        (role(), text("Do"), Cut()),
        (role(), text("Do"), DONE),
    ],
    ids=["500", "503", "cut before it began", "cut", "no end"],
)
def test_a_failing_model_server_is_tried_again(
    upstream: ScriptedUpstream, codex: CodexFactory, fault: tuple[Step, ...]
) -> None:
    for _ in range(2):
        upstream.play(*fault)
    upstream.play(answer("Done."))
    succeeded(codex().exec("hello"))


@pytest.mark.parametrize("said", [b"", role() + text("Do")], ids=["before", "within"])
def test_a_silent_model_server_is_waited_for(
    upstream: ScriptedUpstream, codex: CodexFactory, said: bytes
) -> None:
    rest = text("ne.") if said else role() + text("Done.")
    upstream.play(*([said] if said else []), Wait(4.0), rest, finish("stop"), usage(), DONE)
    succeeded(codex(stream_idle_timeout_ms="1500").exec("hello"))
    assert len(upstream.requests) == 1


def test_parallel_calls_are_all_made(
    upstream: ScriptedUpstream, relay: Relay, codex: CodexFactory, keep: Keep
) -> None:
    data = role() + text("Both at once.")
    for index, name in enumerate(("one", "two")):
        data += call(index, f"chatcmpl-tool-{name}", "exec_command")
        data += arguments(index, json.dumps({"cmd": f"echo {name} > {name}.txt"}))
    upstream.play(data + finish("tool_calls") + usage() + DONE)
    upstream.play(answer("Done."))
    user = codex()
    succeeded(user.exec("make two files"))
    assert {path.name for path in user.work.iterdir()} == {"one.txt", "two.txt"}
    results = [m for m in upstream.requests[1].messages if m["role"] == "tool"]
    assert [m["tool_call_id"] for m in results] == ["chatcmpl-tool-one", "chatcmpl-tool-two"]
    keep("parallel", relay.bodies[-1])


def test_a_full_context_is_told_and_not_tried_again(
    upstream: ScriptedUpstream, codex: CodexFactory
) -> None:
    full = "This model's maximum context length is 10 tokens. However, your request has 20 tokens."
    upstream.play(Status(400, error_body(400, full)))
    run = codex().exec("hello")
    assert run.code == 1
    assert "ran out of room in the model's context window" in json.dumps(run.events)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("metadata", get_args(Metadata)[:2])
def test_a_tool_loop_keeps_its_reasoning(
    upstream: ScriptedUpstream, relay: Relay, codex: CodexFactory, keep: Keep, metadata: Metadata
) -> None:
    upstream.play(calling("exec_command", thought="I need a shell.", cmd="echo one"))
    upstream.play(calling("exec_command", thought="And again.", cmd="echo two"))
    upstream.play(answer("Done.", "That is all."))
    run = codex(metadata).exec("think")
    succeeded(run)
    assert all(body["store"] is False for body in relay.bodies)
    assert all("reasoning.encrypted_content" in body["include"] for body in relay.bodies)
    assert len(of_type(relay.bodies[-1], "reasoning")) == 2
    thoughts = [message.get("reasoning") for message in upstream.requests[-1].messages]
    assert [thought for thought in thoughts if thought] == ["I need a shell.", "And again."]
    shown = [item["text"] for item in run.items if item["type"] == "reasoning"]
    asks = metadata == "unknown"  # the other one's metadata wants no summary
    assert shown == (["I need a shell.", "And again.", "That is all."] if asks else [])
    keep(f"reasoning_{metadata}", relay.bodies[-1])


def test_an_answer_keeps_to_a_schema(
    upstream: ScriptedUpstream, relay: Relay, codex: CodexFactory, keep: Keep
) -> None:
    user = codex()
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = user.folder / "schema.json"
    wanted.write_text(json.dumps(schema | {"additionalProperties": False}))
    upstream.play(answer("There is one."))  # with Codex's tools, which are not strict
    upstream.play(answer('{"n": 1}'))
    run = user.exec("count", "--output-schema", str(wanted))
    assert (run.code, run.message) == (0, '{"n": 1}')
    assert "response_format" in upstream.requests[1].json
    keep("schema", relay.bodies[-1])


def test_an_image_is_the_result_of_a_call(
    upstream: ScriptedUpstream, relay: Relay, codex: CodexFactory, keep: Keep
) -> None:
    user = codex()
    (user.work / "dot.png").write_bytes(base64.b64decode(DOT))
    upstream.play(calling("view_image", path=str(user.work / "dot.png")))
    upstream.play(answer("Done."))
    succeeded(user.exec("look at dot.png"))
    (shown,) = of_type(relay.bodies[-1], "function_call_output")
    assert [part["type"] for part in shown["output"]] == ["input_image"]
    assert "data:image/png;base64," in json.dumps(upstream.requests[1].messages[-1])
    keep("view_image", relay.bodies[-1])


def test_a_long_session_is_compacted(
    upstream: ScriptedUpstream, relay: Relay, codex: CodexFactory, keep: Keep
) -> None:
    upstream.play(calling("exec_command", cmd="echo said").replace(usage(), usage(200_000, 21)))
    upstream.play(answer("What happened so far."))
    upstream.play(answer("Done."))
    succeeded(codex().exec("work long", "-c", "model_auto_compact_token_limit=100000"))
    compaction, after = relay.bodies[1:]
    assert "CONTEXT CHECKPOINT COMPACTION" in json.dumps(compaction["input"][-1])
    assert "What happened so far." in json.dumps(after["input"][-1])
    keep("compaction", compaction)
    keep("compacted", after)


def test_without_websockets_codex_goes_on_over_http(
    upstream: ScriptedUpstream, service: Service, codex: CodexFactory
) -> None:
    upstream.play(answer("Done."))
    run = codex(url=f"{service.url}/v1", supports_websockets="true").exec("hello")
    succeeded(run)
    assert "econnecting" not in json.dumps(run.events)


def test_the_demo_model_runs_a_command(
    codex: CodexFactory, service_factory: ServiceFactory, module_database_url: str
) -> None:
    pace = {"RESPONSES_DEMO_TOKENS_PER_SECOND": "0"}
    demo = service_factory(pace, app="responses_gw.demo:app", ready_path="/health")
    service = service_factory(
        {
            "RESPONSES_GW_UPSTREAM": f"{demo.url}/v1",
            "RESPONSES_GW_DATABASE_URL": module_database_url,
        }
    )
    user = codex(url=f"{service.url}/v1", model="demo")
    run = user.exec("Please run `echo made > made.txt && echo said`.")
    assert run.code == 0, run.events
    assert (user.work / "made.txt").read_text() == "made\n"
    assert run.message.startswith("exec_command(echo made > made.txt && echo said) says:")


def test_the_list_of_models_is_one_that_codex_takes(
    upstream: ScriptedUpstream, relay: Relay, codex: CodexFactory, service: Service
) -> None:
    user = codex()
    user.authorize_by_command()
    upstream.play(answer("Done."))
    run = user.exec("hello")
    succeeded(run)
    assert relay.paths[0] == "GET /v1/models?client_version=0.169.0"
    assert "metadata" not in json.dumps(run.events), "the model is not known to Codex"
    assert "apply_patch" in functions(upstream.requests[-1].json)
    assert "mcp__mini__shout" in functions(upstream.requests[-1].json)
