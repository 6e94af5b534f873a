"""Items become the chat messages that a model server takes, and the same items the same bytes."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_gw.api.items import InputItem
from responses_gw.api.stored import record_of
from responses_gw.api.validate import decode_create_response, decode_input_item
from responses_gw.prompt.profile import ModelProfile
from responses_gw.prompt.transcript import Transcript

Json = dict[str, object]


def user(content: object) -> Json:
    return {"role": "user", "content": content}


def said(text: str) -> Json:
    return {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def thought(text: str) -> Json:
    return {
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": text}],
    }


def called(call_id: str, arguments: str = "{}", **more: object) -> Json:
    return {
        "type": "function_call",
        "call_id": call_id,
        "name": "f",
        "arguments": arguments,
        **more,
    }


def answered(call_id: str, output: object = "ok") -> Json:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def tool_call(call_id: str, arguments: str = "{}") -> Json:
    return {"type": "function", "id": call_id, "function": {"name": "f", "arguments": arguments}}


def messages(*items: Json, instructions: str | None = None, dialect: str = "vllm") -> list[Json]:
    transcript = Transcript(ModelProfile("vllm" if dialect == "vllm" else "openai"))
    transcript.add(decode_input_item(json.dumps(item).encode(), "input") for item in items)
    found: list[Json] = json.loads(transcript.messages(instructions))
    return found


def assistant(content: str | None, **more: object) -> Json:
    return {"role": "assistant", "content": content, **more}


CASES: dict[str, tuple[list[Json], list[Json]]] = {
    "a string": ([user("hi")], [user("hi")]),
    "one text part is a string": ([user([{"type": "input_text", "text": "hi"}])], [user("hi")]),
    "several text parts stay parts": (
        [user([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}])],
        [user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])],
    ),
    "an image beside text": (
        [
            user(
                [
                    {"type": "input_text", "text": "what?"},
                    {
                        "type": "input_image",
                        "image_url": "data:image/png;base64,AA",
                        "detail": "low",
                    },
                ]
            )
        ],
        [
            user(
                [
                    {"type": "text", "text": "what?"},
                    {
                        "type": "image_url",
                        "image_url": {"url": "data:image/png;base64,AA", "detail": "low"},
                    },
                ]
            )
        ],
    ),
    "reasoning, text and calls of one turn are one message": (
        [
            user("q"),
            thought("hm"),
            said("Let me look."),
            called("c1"),
            called("c2"),
            answered("c1"),
            answered("c2"),
            said("Done."),
        ],
        [
            user("q"),
            assistant(
                "Let me look.", reasoning="hm", tool_calls=[tool_call("c1"), tool_call("c2")]
            ),
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
            {"role": "tool", "tool_call_id": "c2", "content": "ok"},
            assistant("Done."),
        ],
    ),
    "calls one after the other are turns of their own": (
        [called("c1"), answered("c1"), thought("more"), called("c2"), answered("c2")],
        [
            assistant(None, tool_calls=[tool_call("c1")]),
            {"role": "tool", "tool_call_id": "c1", "content": "ok"},
            assistant(None, reasoning="more", tool_calls=[tool_call("c2")]),
            {"role": "tool", "tool_call_id": "c2", "content": "ok"},
        ],
    ),
    "consecutive assistant messages are joined": (
        [user("q"), said("One."), {"role": "assistant", "content": "Two."}],
        [user("q"), assistant("One.\nTwo.")],
    ),
    "reasoning that led to nothing is left out": (
        [user("q"), thought("lost"), user("again")],
        [user("q"), user("again")],
    ),
    "a summary stands in for reasoning without content": (
        [
            {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": "s"}],
                "content": None,
            },
            said("a"),
        ],
        [assistant("a", reasoning="s")],
    ),
    "arguments that are no JSON are shown as text": (
        [called("c", '{"city": "Par'), answered("c")],
        [
            assistant(None, tool_calls=[tool_call("c", '{"invalid_json":"{\\"city\\": \\"Par"}')]),
            {"role": "tool", "tool_call_id": "c", "content": "ok"},
        ],
    ),
    "arguments that are no object are shown as text": (
        [called("c", "[1]")],
        [assistant(None, tool_calls=[tool_call("c", '{"invalid_json":"[1]"}')])],
    ),
    "no arguments are an empty object": (
        [called("c", "")],
        [assistant(None, tool_calls=[tool_call("c", "{}")])],
    ),
    "a call that was cut is left out": (
        [user("q"), called("c", '{"a', status="incomplete")],
        [user("q")],
    ),
    "tool output in parts": (
        [called("c"), answered("c", [{"type": "input_text", "text": "42"}])],
        [
            assistant(None, tool_calls=[tool_call("c")]),
            {"role": "tool", "tool_call_id": "c", "content": "42"},
        ],
    ),
    "system and developer texts lead, wherever they stood": (
        [{"role": "developer", "content": "D"}, user("q"), {"role": "system", "content": "S"}],
        [{"role": "system", "content": "D\n\nS"}, user("q")],
    ),
    "a refusal is what the assistant said": (
        [
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "refusal", "refusal": "No."}],
            }
        ],
        [assistant("No.")],
    ),
    "unknown items are not for the model": (
        [user("q"), {"type": "hologram"}, said("a")],
        [user("q"), assistant("a")],
    ),
}


@pytest.mark.parametrize(("items", "expected"), CASES.values(), ids=CASES.keys())
def test_items_become_messages(items: list[Json], expected: list[Json]) -> None:
    assert messages(*items) == expected


SUMMARY = [{"type": "summary_text", "text": "in short"}]
CONTENT = [{"type": "reasoning_text", "text": "in full"}]
REASONING: dict[str, tuple[Json, str | None]] = {
    "as the AI SDK replays it": (
        {"id": "rs_1", "summary": [], "encrypted_content": "ours:hm"},
        "hm",
    ),
    "as Codex replays it": (
        {"summary": SUMMARY, "content": None, "encrypted_content": "ours:hm"},
        "hm",
    ),
    "its content goes before what is sealed": (
        {"summary": [], "content": CONTENT, "encrypted_content": "ours:hm"},
        "in full",
    ),
    "a foreign seal beside a summary": (
        {"summary": SUMMARY, "content": None, "encrypted_content": "gAAAAAB"},
        "in short",
    ),
    "a foreign seal alone": ({"summary": [], "encrypted_content": "gAAAAAB"}, None),
    "nulls": ({"summary": [], "content": None, "encrypted_content": None, "status": None}, None),
    "content null beside a summary": ({"summary": SUMMARY, "content": None}, "in short"),
    "nothing at all": ({}, None),
}


@pytest.mark.parametrize(("fields", "shown"), REASONING.values(), ids=REASONING.keys())
def test_replayed_reasoning_is_shown_in_the_best_form_that_can_be_read(
    fields: Json, shown: str | None
) -> None:
    def unseal(sealed: str) -> str | None:
        return sealed.removeprefix("ours:") if sealed.startswith("ours:") else None

    transcript = Transcript(ModelProfile(), unseal=unseal)
    items = [user("q"), {"type": "reasoning", **fields}, called("c1"), answered("c1")]
    transcript.add(decode_input_item(json.dumps(item).encode(), "input") for item in items)
    said = json.loads(transcript.messages())[1]
    assert said == assistant(
        None, tool_calls=[tool_call("c1")], **({} if shown is None else {"reasoning": shown})
    )


def test_instructions_lead_the_system_message() -> None:
    found = messages({"role": "system", "content": "S"}, user("q"), instructions="I")
    assert found[0] == {"role": "system", "content": "I\n\nS"}


def test_another_dialect_gets_no_reasoning_field() -> None:
    assert messages(thought("hm"), said("a"), dialect="openai") == [assistant("a")]


@pytest.mark.parametrize(
    "part", [{"type": "input_file", "file_id": "f"}, {"type": "input_image", "file_id": "f"}]
)
def test_what_cannot_be_shown_does_not_end_a_chain(part: Json) -> None:
    text = {"type": "text", "text": "[something that cannot be shown]"}
    assert messages(user([part])) == [{"role": "user", "content": [text]}]


texts = st.text(min_size=1, max_size=8)
arguments = st.sampled_from(["{}", '{"a": 1}', "{", ""])
outputs = texts | st.just([{"type": "input_text", "text": "x"}])


@st.composite
def exchanges(draw: st.DrawFn) -> list[Json]:
    """Calls and their outputs, calls first."""
    ids = [f"call_{draw(st.uuids())}" for _ in range(draw(st.integers(1, 3)))]
    calls = [called(id, draw(arguments)) for id in ids]
    return [*calls, *(answered(id, draw(outputs)) for id in ids)]


pieces = st.one_of(
    st.builds(user, texts).map(lambda item: [item]),
    st.builds(said, texts).map(lambda item: [item]),
    st.builds(thought, texts).map(lambda item: [item]),
    exchanges(),
    st.just([{"type": "hologram"}]),
)
histories = st.lists(pieces, max_size=8).map(lambda found: [item for p in found for item in p])


def decoded_items(items: list[Json]) -> list[InputItem]:
    return [decode_input_item(json.dumps(item).encode(), "input") for item in items]


@given(history=histories, news=histories, replay=st.sampled_from(["current_turn", "all", "none"]))
def test_the_law_of_the_prefix(
    history: list[Json], news: list[Json], replay: Literal["current_turn", "all", "none"]
) -> None:
    """What was sent before is sent again, byte for byte: the settled turns always; the turn that
    ran too, unless a new one begins and its thoughts are left out."""
    profile = ModelProfile(reasoning_replay=replay)
    transcript = Transcript(profile)
    transcript.add(decoded_items(history))
    closed = transcript.snapshot()
    before = transcript.messages("be nice")
    resumed = Transcript(profile, closed)
    resumed.add(decoded_items(news))
    after = resumed.messages("be nice")
    settled = b'[{"role":"system","content":"be nice"}' + b"".join(
        b",%b" % turn for turn in closed.settled
    )
    assert before.startswith(settled)
    assert after.startswith(settled)
    begins = any(item.get("role") == "user" for item in news)
    if closed.draft.is_empty and (replay != "current_turn" or not begins):
        assert after.startswith(before[:-1])


@given(history=histories, cut=st.integers(0, 12))
def test_resuming_from_a_snapshot_changes_nothing(history: list[Json], cut: int) -> None:
    decoded = decoded_items(history)
    whole = Transcript(ModelProfile())
    whole.add(decoded)
    first = Transcript(ModelProfile())
    first.add(decoded[:cut])
    second = Transcript(ModelProfile(), first.snapshot())
    second.add(decoded[cut:])
    assert second.messages("i") == whole.messages("i")


@given(history=histories.filter(bool))
def test_stored_items_render_like_the_ones_that_came(history: list[Json]) -> None:
    request = decode_create_response(json.dumps({"model": "m", "input": history}).encode())
    fresh, reread = Transcript(ModelProfile()), Transcript(ModelProfile())
    fresh.add(request.items)
    records = [record_of(i, raw) for i, raw in zip(request.items, request.raw_items, strict=True)]
    reread.add(decode_input_item(record.body, "input") for record in records)
    assert reread.messages() == fresh.messages()


def test_a_cut_call_is_shown_only_when_it_was_answered() -> None:
    cut = called("c", '{"a"', status="incomplete")
    assert messages(said("x"), cut) == [{"role": "assistant", "content": "x"}]
    sent = messages(said("x"), cut, answered("c"))
    assert [message["role"] for message in sent] == ["assistant", "tool"]
    assert sent[0]["tool_calls"] == [tool_call("c", '{"invalid_json":"{\\"a\\""}')]


def test_the_parts_of_one_assistant_message_are_one_text() -> None:
    parts = [{"type": "output_text", "text": "Well, "}, {"type": "refusal", "refusal": "no."}]
    assert messages({"role": "assistant", "content": parts})[0]["content"] == "Well, no."


def test_a_cut_call_that_is_answered_after_the_user_has_spoken_is_shown() -> None:
    sent = messages(user("q"), called("c", '{"a', status="incomplete"), user("w"), answered("c"))
    assert [message["role"] for message in sent] == ["user", "assistant", "user", "tool"]
    assert sent[3]["tool_call_id"] == "c"


def test_a_cut_call_among_others_is_shown_with_its_own_output() -> None:
    """Two parallel calls, the second broken off; the client answers both."""
    items = [user("q"), called("a"), called("b", '{"x"', status="incomplete")]
    for outputs in ([answered("a"), answered("b")], [answered("b"), answered("a")]):
        sent = messages(*items, *outputs)
        shown: list[str] = []
        for message in sent:
            calls: Any = message.get("tool_calls", [])
            shown += [call["id"] for call in calls]
            if message["role"] == "tool":
                assert message["tool_call_id"] in shown, f"an orphan output: {sent}"
        assert sorted(shown) == ["a", "b"]


def test_a_cut_call_can_be_answered_in_the_next_turn_of_a_chain() -> None:
    first = Transcript(ModelProfile())
    first.add(decoded_items([user("q"), called("a"), called("b", "{", status="incomplete")]))
    second = Transcript(ModelProfile(), first.snapshot())
    second.add(decoded_items([answered("a"), answered("b")]))
    second.check_answered()


def test_a_turn_with_an_open_call_is_not_parted_from_its_output() -> None:
    transcript = Transcript(ModelProfile())
    transcript.add(decoded_items([user("q"), called("a"), user("and?"), answered("a"), user("r")]))
    left = json.loads(transcript.messages(skip_turns=transcript.turns))
    assert [message["role"] for message in left] == ["user"]


def test_tools_in_items_are_copies_without_secrets_and_not_repeated() -> None:
    mcp: Json = {"type": "mcp", "server_label": "s", "authorization": "hush"}
    item: Json = {"type": "additional_tools", "role": "developer", "tools": [mcp]}
    transcript = Transcript(ModelProfile())
    transcript.add(decoded_items([item, item]))
    (kept,) = transcript.snapshot().tools
    assert json.loads(bytes(kept)) == {"type": "mcp", "server_label": "s"}


def test_found_tools_of_any_shape_are_no_fault() -> None:
    tools = [{"type": "web_search", "description": 5}, {"type": "x", "name": {"a": 1}}]
    call: Json = {
        "type": "tool_search_call",
        "call_id": "c",
        "arguments": {},
        "execution": "client",
    }
    found: Json = {
        "type": "tool_search_output",
        "call_id": "c",
        "tools": tools,
        "execution": "client",
    }
    assert messages(call, found)[1]["content"] == "No tool was found."


@pytest.mark.parametrize(
    ("fields", "name", "arguments"),
    [
        ({"action": {"type": "wait"}}, "computer", {"action": {"type": "wait"}}),
        ({"action": None, "actions": []}, "computer", {"actions": []}),
        ({"actions": [{"type": "wait"}]}, "computer", {"actions": [{"type": "wait"}]}),
        ({}, "computer", {"actions": []}),
    ],
)
def test_both_forms_of_a_computer_call_are_shown(fields: Json, name: str, arguments: Json) -> None:
    (message,) = messages({"type": "computer_call", "call_id": "c", **fields})
    calls: Any = message["tool_calls"]
    assert calls[0]["function"]["name"] == name
    assert json.loads(calls[0]["function"]["arguments"]) == arguments
