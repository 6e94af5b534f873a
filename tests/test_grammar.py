"""The checker itself: it accepts what is right and names the rule that a wrong stream breaks."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.grammar import (
    RULES,
    GrammarError,
    check,
    check_open_responses,
    check_response_object,
    check_sdk,
    parse_sse,
)
from tests.grammar.examples import (
    CITATION,
    GOOD,
    HAND_MADE,
    OTHER_DIALECT,
    PUBLISHED,
    RESPONSE,
    TEXT,
    USAGE,
    Script,
    logprob,
)
from tests.recordings import derive

Json = dict[str, Any]
Events = list[Json]
Change = Callable[[Events], object]


# --- accepted ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD)
def test_a_good_stream_is_accepted(name: str) -> None:
    assert check(GOOD[name]) == GOOD[name][-1]["response"]
    check_response_object(GOOD[name][-1]["response"])


@pytest.mark.parametrize("name", HAND_MADE)
def test_the_sdk_accepts_a_good_stream(name: str) -> None:
    check_sdk(HAND_MADE[name])


def test_each_dialect_has_its_own_names_for_reasoning() -> None:
    check(OTHER_DIALECT, reasoning_dialect="open_responses")
    with pytest.raises(GrammarError, match=r"event\.type"):
        check(OTHER_DIALECT)
    with pytest.raises(GrammarError, match=r"event\.type"):
        check(HAND_MADE["reasoning"], reasoning_dialect="open_responses")


@pytest.mark.parametrize("name", GOOD)
def test_an_unfinished_stream_is_accepted_only_as_such(name: str) -> None:
    for length in range(len(GOOD[name])):
        check(GOOD[name][:length], complete=False)
        with pytest.raises(GrammarError, match=r"terminal\.missing|lifecycle\.first"):
            check(GOOD[name][:length])


# --- refused -------------------------------------------------------------------------------------


def find(events: Events, kind: str, nth: int = 0) -> int:
    """Where the nth event of this kind stands; ``response.`` may be left out."""
    return [n for n, event in enumerate(events) if event["type"].endswith(kind)][nth]


def put(path: str, value: object, kind: str, nth: int = 0) -> Change:
    """Set what is at the dotted path of the nth event of this kind."""
    *way, last = [int(step) if step.lstrip("-").isdigit() else step for step in path.split(".")]

    def change(events: Events) -> None:
        place: Any = events[find(events, kind, nth)]
        for step in way:
            place = place[step]
        place[last] = value

    return change


def lose(path: str, kind: str, nth: int = 0) -> Change:
    *way, last = path.split(".")

    def change(events: Events) -> None:
        place: Any = events[find(events, kind, nth)]
        for step in way:
            place = place[step]
        del place[last]

    return change


def drop(kind: str, nth: int = 0) -> Change:
    return lambda events: events.pop(find(events, kind, nth))


def twice(kind: str, nth: int = 0) -> Change:
    def change(events: Events) -> None:
        place = find(events, kind, nth)
        events.insert(place, copy.deepcopy(events[place]))

    return change


def move(kind: str, before: str, nth: int = 0) -> Change:
    def change(events: Events) -> None:
        event = events.pop(find(events, kind, nth))
        events.insert(find(events, before), event)

    return change


def add(event: Json, before: str) -> Change:
    return lambda events: events.insert(find(events, before), event)


def both(*changes: Change) -> Change:
    return lambda events: [change(events) for change in changes]


AT = {"item_id": "msg_0", "output_index": 0, "content_index": 0}
NOT_SEEN = {"type": "response.reasoning_part.added", "sequence_number": 0}
STRAY = {"type": "response.output_text.delta", **AT, "delta": "x", "logprobs": []}
WEB = {"type": "response.web_search_call.searching", "item_id": "msg_0", "output_index": 0}
SECOND = "response.output_item.added"
NUMBER = "sequence_number"

# what is broken, in which good stream, how, and the rule that has to say so
BROKEN: list[tuple[str, str, Change, str]] = [
    ("unknown event", "text", add(NOT_SEEN, "content_part.added"), "event.type"),
    ("no type", "text", lose("type", "output_text.done"), "event.type"),
    ("number from 1", "text", put(NUMBER, 1, "created"), "event.sequence"),
    ("number left out", "text", put(NUMBER, 9, "output_text.done"), "event.sequence"),
    ("number is a bool", "text", put(NUMBER, True, "in_progress"), "event.sequence"),
    ("empty delta", "text", put("delta", "", "text.delta"), "event.fields"),
    ("delta without logprobs", "text", lose("logprobs", "text.delta"), "event.fields"),
    ("done with null logprobs", "text", put("logprobs", None, "text.done"), "event.fields"),
    ("bad logprob", "text", put("logprobs", [{}], "text.delta"), "event.fields"),
    ("index is text", "text", put("content_index", "0", "text.delta"), "event.fields"),
    ("no item_id", "text", lose("item_id", "text.delta"), "event.fields"),
    ("padding on done", "text", put("obfuscation", "x" * 10, "text.done"), "event.obfuscation"),
    ("padding too short", "annotated", put("obfuscation", "x", "delta"), "event.obfuscation"),
    ("padding of spaces", "annotated", put("obfuscation", " " * 13, "delta"), "event.obfuscation"),
    ("no created", "text", drop("created"), "lifecycle.first"),
    ("created twice", "text", twice("created"), "lifecycle.first"),
    ("no in_progress", "text", drop("in_progress"), "lifecycle.second"),
    ("in_progress twice", "text", twice("in_progress"), "lifecycle.second"),
    ("queued twice", "queued", twice("queued"), "lifecycle.second"),
    (
        "queued in the foreground",
        "queued",
        put("response.background", False, "created"),
        "lifecycle.queued",
    ),
    ("no end", "text", drop("completed"), "terminal.missing"),
    ("two ends", "text", twice("completed"), "terminal.last"),
    ("delta after the end", "text", lambda events: events.append(STRAY), "terminal.last"),
    ("item never closed", "text", drop("output_item.done"), "terminal.open"),
    (
        "error with an open item",
        "failed midway",
        drop("output_item.done"),
        "terminal.open",
    ),
    ("failed without error", "failed at once", drop("error"), "error.failed"),
    (
        "error, then completed",
        "text",
        add(
            {
                "type": "error",
                "error": {**dict.fromkeys(["type", "code", "message"], "x"), "param": None},
            },
            "response.completed",
        ),
        "error.failed",
    ),
    ("error says else", "failed at once", put("error.code", "other", "error"), "error.same"),
    (
        "failed says else",
        "failed at once",
        put("response.error.message", "other", "failed"),
        "error.same",
    ),
    ("item opens in another", "text and call", drop("output_item.done"), "nesting.item"),
    ("delta outside an item", "text", add(STRAY, "output_item.added"), "nesting.item"),
    ("another item's event", "text", add(WEB, "content_part.added"), "nesting.item"),
    ("item closed twice", "text", twice("output_item.done"), "nesting.item"),
    ("part opens in another", "text then refusal", drop("part.done"), "nesting.part"),
    ("part never closed", "text", drop("part.done"), "nesting.part"),
    ("delta before its part", "text", move("text.delta", "part.added"), "nesting.part"),
    ("part never opened", "text", drop("part.added"), "nesting.part"),
    (
        "refusal delta in text",
        "text",
        add({"type": "response.refusal.delta", **AT, "delta": "x"}, "text.done"),
        "nesting.part",
    ),
    ("no text.done", "text", drop("text.done"), "nesting.order"),
    ("two text.done", "text", twice("text.done"), "nesting.order"),
    ("delta after text.done", "text", add(STRAY, "part.done"), "nesting.order"),
    ("no arguments.done", "two calls", drop("arguments.done"), "nesting.order"),
    (
        "arguments after done",
        "two calls",
        move("arguments.done", "arguments.delta"),
        "text.concat",
    ),
    ("two arguments.done", "two calls", twice("arguments.done"), "nesting.order"),
    ("search out of order", "web search", move("call.completed", "searching"), "nesting.order"),
    ("search skipped", "web search", drop("searching"), "nesting.order"),
    (
        "summary, then content",
        "reasoning, summarised",
        add(
            {
                "type": "response.content_part.added",
                "item_id": "rs_0",
                "output_index": 0,
                "content_index": 1,
                "part": {"type": "reasoning_text", "text": ""},
            },
            "output_item.done",
        ),
        "nesting.order",
    ),
    ("item index from 1", "text", put("output_index", 1, "item.added"), "index.output"),
    ("item index repeated", "two calls", put("output_index", 0, "item.added", 1), "index.output"),
    ("delta of another index", "text", put("output_index", 1, "text.delta"), "index.output"),
    ("content index from 1", "text", put("content_index", 1, "part.added"), "index.content"),
    (
        "content index repeated",
        "text then refusal",
        put("content_index", 0, "part.added", 1),
        "index.content",
    ),
    ("content index moves", "text", put("content_index", 1, "text.done"), "index.content"),
    (
        "summary index jumps",
        "reasoning, summarised",
        put("summary_index", 2, "summary_part.added", 1),
        "index.summary",
    ),
    (
        "annotation index from 1",
        "annotated",
        put("annotation_index", 1, "annotation.added"),
        "index.annotation",
    ),
    ("other item_id", "text", put("item_id", "msg_9", "text.delta"), "identity.item"),
    ("item gets a new id", "text", put("item.id", "msg_9", "item.done"), "identity.item"),
    (
        "call gets a new call_id",
        "two calls",
        put("item.call_id", "c", "item.done"),
        "identity.item",
    ),
    ("call gets a new name", "two calls", put("item.name", "g", "item.done"), "identity.item"),
    ("done with another name", "two calls", put("name", "g", "arguments.done"), "identity.item"),
    ("item gets a new type", "text", put("item.type", "reasoning", "item.done"), "identity.item"),
    ("id used twice", "two calls", put("item.id", "fc_0", "item.added", 1), "identity.unique"),
    ("call_id twice", "two calls", put("item.call_id", "call_0", SECOND, 1), "identity.unique"),
    ("unknown item", "text", put("item.type", "thought", "item.added"), "item.type"),
    ("no role", "text", lose("item.role", "item.added"), "item.fields"),
    ("a user's message", "text", put("item.role", "user", "item.added"), "item.fields"),
    ("phase is null", "text", put("item.phase", None, "item.done"), "item.fields"),
    ("no call_id", "two calls", lose("item.call_id", "item.added"), "item.fields"),
    ("no annotations", "text", lose("part.annotations", "part.added"), "item.fields"),
    (
        "text in a reasoning part",
        "text",
        put("part.type", "reasoning_text", "part.added"),
        "item.fields",
    ),
    ("call opens with arguments", "two calls", put("item.arguments", "{", SECOND), "item.zero"),
    ("part opens with text", "text", put("part.text", "Hel", "part.added"), "item.zero"),
    ("opens completed", "text", put("item.status", "completed", "item.added"), "item.status"),
    ("closes in_progress", "text", put("item.status", "in_progress", "item.done"), "item.status"),
    (
        "ends otherwise",
        "mcp call that fails",
        put("item.status", "completed", "item.done"),
        "item.status",
    ),
    ("starts late", "mcp call that fails", drop("mcp_call.in_progress"), "nesting.order"),
    ("closes failed", "text", put("item.status", "failed", "item.done"), "item.status"),
    (
        "incomplete, but not last",
        "two calls",
        both(
            put("item.status", "incomplete", "item.done"),
            put("response.output.0.status", "incomplete", "completed"),
        ),
        "item.incomplete",
    ),
    (
        "incomplete, but completed",
        "text",
        both(
            put("item.status", "incomplete", "item.done"),
            put("response.output.0.status", "incomplete", "completed"),
        ),
        "item.incomplete",
    ),
    ("a delta lost", "text", drop("text.delta"), "text.concat"),
    ("a delta doubled", "text", twice("text.delta"), "text.concat"),
    ("deltas swapped", "text", move("text.delta", "text.delta", 1), "text.concat"),
    ("an arguments delta lost", "two calls", drop("arguments.delta"), "text.concat"),
    ("a refusal delta lost", "text then refusal", drop("refusal.delta"), "text.concat"),
    ("a reasoning delta lost", "reasoning", drop("reasoning_text.delta"), "text.concat"),
    (
        "a summary delta lost",
        "reasoning, summarised",
        drop("summary_text.delta"),
        "text.concat",
    ),
    ("logprobs of done", "annotated", put("logprobs", [logprob("x")], "text.done"), "text.concat"),
    ("part says else", "text", put("part.text", "Hello", "part.done"), "text.part"),
    ("annotation lost", "annotated", drop("annotation.added"), "text.part"),
    (
        "annotation out of the blue",
        "text",
        put("part.annotations", [CITATION], "part.done"),
        "text.part",
    ),
    ("item says else", "text", put("item.content.0.text", "Hello", "item.done"), "text.item"),
    ("item without its part", "text", put("item.content", [], "item.done"), "text.item"),
    ("item's arguments", "two calls", put("item.arguments", "{}", "item.done"), "text.item"),
    ("item's summary", "reasoning, summarised", put("item.summary", [], "item.done"), "text.item"),
    ("output is empty", "text", put("response.output", [], "completed"), "output.final"),
    (
        "output says else",
        "text",
        put("response.output.0.content.0.text", "Hello", "completed"),
        "output.final",
    ),
    ("no completed_at key", "text", lose("response.completed_at", "created"), "response.keys"),
    ("temperature is null", "text", put("response.temperature", None, "created"), "response.keys"),
    ("float created_at", "text", put("response.created_at", 1.5, "created"), "response.keys"),
    ("half a reasoning", "text", put("response.reasoning", {}, "created"), "response.keys"),
    ("other response id", "text", put("response.id", "resp_2", "completed"), "response.id"),
    ("model changes", "text", put("response.model", "big", "completed"), "response.constant"),
    ("tools change", "text", put("response.tools", [{}], "in_progress"), "response.constant"),
    ("a key appears", "text", put("response.new", 1, "completed"), "response.constant"),
    ("created with usage", "text", put("response.usage", USAGE, "created"), "response.start"),
    ("created with an end", "text", put("response.completed_at", 1, "created"), "response.start"),
    ("output too early", "text", put("response.output", [{}], "in_progress"), "response.start"),
    (
        "completed, says failed",
        "text",
        put("response.status", "failed", "completed"),
        "response.status",
    ),
    (
        "created, says completed",
        "text",
        put("response.status", "completed", "created"),
        "response.status",
    ),
    (
        "completed, no time",
        "text",
        put("response.completed_at", None, "completed"),
        "response.details",
    ),
    (
        "ends before it starts",
        "text",
        put("response.completed_at", 99, "completed"),
        "response.details",
    ),
    (
        "cut, no reason",
        "cut text",
        put("response.incomplete_details", None, "incomplete"),
        "response.details",
    ),
    (
        "cut, odd reason",
        "cut text",
        put("response.incomplete_details.reason", "x", "incomplete"),
        "response.details",
    ),
    (
        "cut, completed_at",
        "cut text",
        put("response.completed_at", 102, "incomplete"),
        "response.details",
    ),
    (
        "completed with an error",
        "text",
        put("response.error", {"code": "a", "message": "b"}, "completed"),
        "response.details",
    ),
    (
        "failed, no code",
        "failed at once",
        lose("response.error.code", "failed"),
        "response.details",
    ),
    (
        "total is wrong",
        "text",
        put("response.usage.total_tokens", 13, "completed"),
        "response.usage",
    ),
    (
        "no cached_tokens",
        "text",
        lose("response.usage.input_tokens_details.cached_tokens", "completed"),
        "response.usage",
    ),
    (
        "too much reasoning",
        "text",
        put("response.usage.output_tokens_details.reasoning_tokens", 6, "completed"),
        "response.usage",
    ),
]
IN_STREAMS = {rule for rule in RULES if not rule.startswith(("sse.", "sdk.", "open_"))}


def renumbered(events: Events) -> Events:
    return [{**event, NUMBER: number} for number, event in enumerate(events)]


@pytest.mark.parametrize(("name", "stream", "change", "rule"), BROKEN, ids=[b[0] for b in BROKEN])
def test_a_broken_stream_is_refused_by_its_rule(
    name: str, stream: str, change: Change, rule: str
) -> None:
    events = copy.deepcopy(GOOD[stream])
    change(events)
    if rule != "event.sequence":
        events = renumbered(events)
    with pytest.raises(GrammarError) as caught:
        check(events)
    assert caught.value.rule == rule, f"{name}: {caught.value}"
    assert RULES[rule] in str(caught.value)


def test_every_rule_of_streams_is_broken_once() -> None:
    assert {rule for _, _, _, rule in BROKEN} == IN_STREAMS


# Single changes that leave a lawful stream: an optional `queued`; a repeated mark that a tool has
# started (recorded of OpenAI); an order of deltas that says the same; and an annotation on the
# other side of the delta beside it (recordings are abridged, so what it cites is not looked for).
def harmless(kind: str, first: Json, second: Json) -> bool:
    if kind == "swap":
        beside = abs(first["sequence_number"] - second["sequence_number"]) == 1
        kinds = {first["type"], second["type"]}
        if beside and kinds == {
            "response.output_text.delta",
            "response.output_text.annotation.added",
        }:
            return True
        same = {key for key in first if first[key] == second.get(key)}
        return (
            {"type", "item_id"} <= same
            and "delta" in first
            and _joined(first, second) == _joined(second, first)
        )
    if kind == "delete":
        return first["type"] == "response.queued"  # type: ignore[no-any-return]
    return first["type"] == "response.mcp_call.in_progress"  # type: ignore[no-any-return]


def _joined(first: Json, second: Json) -> tuple[object, object]:
    return first.get("delta", 0) + second.get("delta", 0), [
        *first.get("logprobs", []),
        *second.get("logprobs", []),
    ]


@given(
    name=st.sampled_from(sorted(GOOD)),
    kind=st.sampled_from(["delete", "duplicate", "swap"]),
    data=st.data(),
)
@settings(max_examples=400)
def test_one_event_lost_doubled_or_misplaced_is_noticed(
    name: str, kind: str, data: st.DataObject
) -> None:
    events = list(GOOD[name])
    first = data.draw(st.integers(0, len(events) - 1))
    second = data.draw(st.integers(0, len(events) - 1)) if kind == "swap" else first
    assume(kind != "swap" or events[first] != events[second])
    assume(not harmless(kind, events[first], events[second]))
    if kind == "delete":
        del events[first]
    elif kind == "duplicate":
        events.insert(first, events[first])
    else:
        events[first], events[second] = events[second], events[first]
    with pytest.raises(GrammarError):
        check(renumbered(events))


# --- bytes ---------------------------------------------------------------------------------------

PING = b": ping\n\n"
ALIVE = b'event: keepalive\ndata: {"type":"keepalive","sequence_number":1}\n\n'
END = b"data: [DONE]\n\n"
ONE = b'event: a\ndata: {"type":"a"}\n\n'


@pytest.mark.parametrize("name", GOOD)
def test_frames_become_events(name: str) -> None:
    frames = [
        f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
        for event in GOOD[name]
    ]
    assert parse_sse(PING + ALIVE.join(frames) + PING + END) == GOOD[name]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (ONE, "sse.done"),
        (b"", "sse.done"),
        (END + ONE, "sse.done"),
        (ONE + END + END, "sse.done"),
        (ONE + b"data: [DONE]\n", "sse.frame"),
        (b'event: a\r\ndata: {"type":"a"}\n\n' + END, "sse.frame"),
        (b"id: 1\n" + ONE + END, "sse.frame"),
        (b'data: {"type":"a"}\n\n' + END, "sse.frame"),
        (b'event: a\ndata:{"type":"a"}\n\n' + END, "sse.frame"),
        (b'event: a\ndata: ["a"]\n\n' + END, "sse.frame"),
        (b"\n\n" + ONE + END, "sse.frame"),
        (b": ping\n" + ONE + END, "sse.frame"),
        (b'event: b\ndata: {"type":"a"}\n\n' + END, "sse.type"),
        (b'event: a\ndata: {"type":"a","n":NaN}\n\n' + END, "sse.json"),
        (b'event: a\ndata: {"type":"a","type":"a"}\n\n' + END, "sse.json"),
        (b'event: a\ndata: {"type":"a","s":"\\ud83d"}\n\n' + END, "sse.json"),
        (b'event: a\ndata: {"type":"a","s":"\xff"}\n\n' + END, "sse.json"),
        (b'event: a\ndata: {"type":}\n\n' + END, "sse.json"),
        (ALIVE.replace(b"1", b"null") + END, "event.fields"),
    ],
)
def test_bytes_that_are_no_frames_are_refused(data: bytes, rule: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse_sse(data)
    assert caught.value.rule == rule


# --- one object ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        {**RESPONSE, "status": "queued", "background": True},
        {**RESPONSE, "status": "cancelled", "background": True},
        {**RESPONSE, "status": "completed", "completed_at": 100},
    ],
)
def test_a_response_that_is_not_streamed_is_accepted(response: Json) -> None:
    check_response_object(response)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"status": "done"}, "response.keys"),
        ({"object": "list"}, "response.keys"),
        ({"metadata": {"a": 1}}, "response.keys"),
        ({"completed_at": 101}, "response.details"),
        ({"usage": USAGE}, "response.details"),
        ({"output": [{"type": "message"}]}, "item.fields"),
    ],
)
def test_a_response_that_is_wrong_is_refused(change: Json, rule: str) -> None:
    with pytest.raises(GrammarError) as caught:
        check_response_object({**RESPONSE, **change})
    assert caught.value.rule == rule


# --- other authorities ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lose("logprobs", "text.done"), "sdk.type"),
        (lose("item.role", "item.done"), "sdk.type"),
        (lose("response.usage.total_tokens", "completed"), "sdk.type"),
        (put("type", "response.reasoning.delta", "text.delta"), "sdk.type"),
        (drop("created"), "sdk.stream"),
        (drop("item.added"), "sdk.stream"),
        (drop("part.added"), "sdk.stream"),
        (put("response.id", "resp_2", "completed"), "sdk.stream"),
        (put("item.id", "msg_2", "item.done"), "sdk.stream"),
    ],
)
def test_the_sdk_refuses_what_it_cannot_follow(change: Change, rule: str) -> None:
    events = copy.deepcopy(HAND_MADE["text"])
    change(events)
    with pytest.raises(GrammarError) as caught:
        check_sdk(events)
    assert caught.value.rule == rule


def test_open_responses_accepts_what_its_schema_knows() -> None:
    known = [check_open_responses(event) for event in OTHER_DIALECT]
    assert all(known), "every event of the dialect is in the schema"
    assert check_open_responses(OTHER_DIALECT[-1]["response"])
    for events in HAND_MADE.values():
        for event in events:
            check_open_responses(event)
    assert not check_open_responses(HAND_MADE["web search"][-1])
    assert not check_open_responses(HAND_MADE["reasoning"][4])


def test_open_responses_refuses_what_breaks_its_schema() -> None:
    response = Script().start().message(TEXT).complete()[-1]["response"]
    for broken in ({"temperature": None}, {"created_at": 1.5}, {"output": None}):
        with pytest.raises(GrammarError, match=r"open_responses\.schema"):
            check_open_responses({**response, **broken})


# --- the recordings ------------------------------------------------------------------------------


def test_the_summary_of_the_recordings_is_up_to_date() -> None:
    written = json.loads((derive.HERE / "EXPECTED.json").read_text(encoding="utf-8"))
    assert written == derive.derive_all(), "run: python -m tests.recordings.derive"


def test_there_are_recordings_of_every_kind() -> None:
    summaries = derive.derive_all().values()
    assert len(PUBLISHED) >= 12 and len(summaries) >= 50
    for key in ("text", "reasoning", "calls", "usage", "error"):
        assert any(summary[key] for summary in summaries), f"no recording has {key}"
