"""Laws of the machine, held against a checker that shares no code with it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from responses_gw.api.echo import response_settings
from responses_gw.api.errors import server_error
from responses_gw.api.tools import CallTarget, HostedResult
from responses_gw.api.validate import decode_create_response
from responses_gw.machine.emitter import Emitter
from responses_gw.machine.framing import DONE, sse_bytes
from responses_gw.machine.reader import ChatReader, EndKind
from responses_gw.machine.style import EventStyle

from ..grammar import check, check_sdk, parse_sse

RECORDINGS = Path(__file__).parent.parent / "recordings"
STREAMS = sorted(path.stem for path in RECORDINGS.glob("*.sse"))
EXPECTED = json.loads((RECORDINGS / "EXPECTED.json").read_text(encoding="utf-8"))
SETTINGS = response_settings(decode_create_response(b'{"model":"tiny","input":"q"}'))
Json = dict[str, object]


@dataclass
class Run:
    events: list[Json]
    response: Json
    end: EndKind

    @property
    def output(self) -> list[Json]:
        output = self.response["output"]
        assert isinstance(output, list)
        return output


TARGETS = {
    "custom": CallTarget("custom", "patch"),
    "space__f": CallTarget("function", "f", "space"),
    "space__c": CallTarget("custom", "c", "space"),
    "tool_search": CallTarget("tool_search", "tool_search"),
    "local_shell": CallTarget("local_shell", "local_shell"),
    "shell": CallTarget("shell", "shell"),
    "apply_patch": CallTarget("apply_patch", "apply_patch"),
    "computer": CallTarget("computer", "computer"),
    "screen": CallTarget("computer_use_preview", "computer"),
    "mcp__s__t": CallTarget("mcp", "t", "s"),
    "mcp__s__u": CallTarget("mcp", "u", "s"),
    "mcp__s__ask": CallTarget("mcp_approval", "ask", "s"),
}
PLAIN = EventStyle()
FAILED = HostedResult(error=Raw(b'{"type":"http_error","code":502,"message":"gone"}'))


def run(reads: list[bytes], style: EventStyle = PLAIN) -> Run:
    """Play ``reads`` through the machine and hold what it sends against the grammar."""
    emitter = Emitter(id="resp_1", created_at=1, settings=SETTINGS, style=style)
    emitter.create()
    sent = [sse_bytes(emitter.take())]
    reader = ChatReader(emitter, TARGETS)
    for read in reads:
        reader.feed(read)
        sent.append(sse_bytes(emitter.take()))
    reader.eof()
    assert reader.end is not None
    for number, call in enumerate(reader.outstanding):
        sent.append(sse_bytes(emitter.take()))
        reader.resolve(FAILED if number % 2 else HostedResult(call.arguments))
    assert not reader.outstanding
    match reader.end.kind:
        case EndKind.STOPPED:
            emitter.complete(reader.end.usage, 2)
        case EndKind.OUT_OF_TOKENS:
            emitter.cut("max_output_tokens", reader.end.usage)
        case EndKind.FILTERED:
            emitter.cut("content_filter", reader.end.usage)
        case EndKind.BROKEN:
            assert reader.end.error is not None
            emitter.fail(reader.end.error, reader.end.usage)
    sent.append(sse_bytes(emitter.take()))
    events = parse_sse(b"".join(sent) + DONE)
    response = check(events, reasoning_dialect=style.dialect)
    assert response == json.loads(bytes(emitter.response))
    return Run(events, response, reader.end.kind)


def shape(events: list[Json]) -> str:
    """The events without what is random: ids."""
    text = json.dumps(events)
    names: dict[str, str] = {}
    for event in events:
        item = event.get("item")
        if isinstance(item, dict):
            names.setdefault(str(item["id"]), f"item-{len(names)}")
            if str(item.get("call_id", "")).startswith("call_"):
                names.setdefault(str(item["call_id"]), f"call-{len(names)}")
    for name, plain in names.items():
        text = text.replace(name, plain)
    return text


def random_cuts(data: bytes, seed: int) -> list[bytes]:
    """Pieces of one to seven bytes."""
    choose = random.Random(seed)
    places = [0]
    while places[-1] < len(data):
        places.append(min(len(data), places[-1] + choose.randint(1, 7)))
    return [data[start:end] for start, end in pairwise(places)]


@pytest.mark.parametrize("name", STREAMS)
def test_a_recording_gives_the_same_events_in_every_chunking(name: str) -> None:
    data = (RECORDINGS / f"{name}.sse").read_bytes()
    whole = run([data])
    lines = run(data.splitlines(keepends=True))
    bits = run(random_cuts(data, seed=len(data)))
    assert shape(lines.events) == shape(whole.events)
    assert shape(bits.events) == shape(whole.events)
    check_sdk(whole.events)


@pytest.mark.parametrize("name", STREAMS)
def test_a_recording_says_what_was_on_the_wire(name: str) -> None:
    found = run([(RECORDINGS / f"{name}.sse").read_bytes()])
    expected = EXPECTED[name]
    assert _text(found.output) == _visible(expected["text"])
    assert _reasoning(found.output) == _visible(expected["reasoning"])
    calls = [[item["name"], item["arguments"]] for item in found.output if "arguments" in item]
    assert calls == expected["calls"]
    broken = bool(expected["error"]) or expected["finish_reason"] is None
    assert (found.end is EndKind.BROKEN) == broken
    usage = found.response["usage"]
    assert (usage is None) == (expected["usage"] is None)
    if isinstance(usage, dict):
        assert usage["input_tokens"] == expected["usage"]["prompt_tokens"]
        assert usage["output_tokens"] == expected["usage"]["completion_tokens"]


def _visible(text: str) -> str:
    """White space alone makes no item."""
    return text if text.strip() else ""


def _parts(output: list[Json], kind: str) -> str:
    parts: list[Json] = []
    for item in output:
        content = item.get("content")
        if item["type"] == kind and isinstance(content, list):
            parts += content
    return "".join(str(part["text"]) for part in parts)


def _text(output: list[Json]) -> str:
    return _parts(output, "message")


def _reasoning(output: list[Json]) -> str:
    return _parts(output, "reasoning")


# --- arbitrary streams -------------------------------------------------------------------------

ARGUMENTS = [
    "", "{", "}", '{"a":1}', '"', "x", '{"input":"', '\\n', '\\ud83d', '{"commands":["ls"]}',
    '{"command":"ls"}', '{"type":"update_file","path":"a","diff":"+x"}', '{"actions":[]}',
    '{"type":"delete_file","path":"a"}', '{"action":{"type":"wait"}}',
]  # fmt: skip
styles = st.builds(
    EventStyle,
    dialect=st.sampled_from(["openai", "open_responses"]),
    summary=st.booleans(),
    seal=st.just(None) | st.just(lambda text: f"sealed {len(text)}"),
    logprobs=st.booleans(),
    obfuscation=st.booleans(),
)
logprobs = st.fixed_dictionaries(
    {
        "content": st.lists(
            st.fixed_dictionaries(
                {
                    "token": st.text(max_size=2),
                    "logprob": st.floats(-9, 0),
                    "bytes": st.just([65]),
                    "top_logprobs": st.just([]),
                }
            ),
            max_size=2,
        )
        | st.none()
    }
)
text_values = st.text(max_size=6) | st.sampled_from(["", " ", "\n\n", "Hello", " 😀"])
fragments = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(0, 3) | st.none(),
        "id": st.sampled_from(["A", "B", "C", ""]) | st.none(),
        "type": st.just("function"),
        "function": st.fixed_dictionaries(
            {},
            optional={
                "name": st.sampled_from(["f", "g", *TARGETS]) | st.none(),
                "arguments": st.sampled_from(ARGUMENTS) | st.none(),
            },
        )
        | st.none(),
    },
)
deltas = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"),
        "content": text_values | st.none(),
        "reasoning": text_values | st.none(),
        "reasoning_content": text_values | st.none(),
        "refusal": text_values | st.none(),
        "tool_calls": st.lists(fragments, max_size=3) | st.none(),
    },
)
finishes = st.sampled_from(
    ["stop", "length", "tool_calls", "content_filter", "abort", "error", "repetition", "odd"]
)
choices = st.fixed_dictionaries(
    {"delta": deltas | st.none()},
    optional={
        "index": st.integers(0, 1),
        "finish_reason": st.none() | finishes,
        "logprobs": st.none() | logprobs,
    },
)
usages = st.fixed_dictionaries(
    {}, optional={"prompt_tokens": st.integers(0, 99), "completion_tokens": st.integers(0, 99)}
)
chunks = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(choices, max_size=2) | st.none(),
        "usage": usages | st.none(),
        "model": st.text(max_size=3),
        "error": st.none(),
    },
)
frames = st.one_of(
    chunks.map(lambda chunk: b"data: " + json.dumps(chunk).encode() + b"\n\n"),
    chunks.map(lambda chunk: b"data: " + json.dumps(chunk).encode() + b"\n\n"),
    chunks.map(lambda chunk: b"data: " + json.dumps(chunk).encode() + b"\n\n"),
    st.sampled_from([b": ping\n\n", b"data: [DONE]\n\n", b'data: {"error": {"code": 400}}\n\n']),
    st.binary(max_size=20),
)


@settings(max_examples=300)
@given(
    stream=st.lists(frames, max_size=14),
    style=styles,
    seed=st.integers(),
)
def test_any_stream_gives_a_grammatical_response(
    stream: list[bytes], style: EventStyle, seed: int
) -> None:
    """Exactly one terminal event, the same for every cut of the bytes."""
    data = b"".join(stream)
    whole = run([data], style)
    assert shape(run(random_cuts(data, seed), style).events) == shape(whole.events)
    if style.dialect == "openai":
        check_sdk(whole.events)


@given(said=st.lists(st.text(min_size=1).filter(lambda text: not text.isspace()), min_size=1))
def test_text_arrives_whole(said: list[str]) -> None:
    stream = [_frame({"content": text}) for text in said] + [_frame({}, "stop")]
    assert _text(run(stream).output) == "".join(said)


@given(
    value=st.recursive(st.none() | st.text(), lambda v: st.dictionaries(st.text(), v)),
    cut=st.integers(1, 9),
)
def test_arguments_arrive_whole(value: object, cut: int) -> None:
    arguments = json.dumps({"value": value})
    pieces = [arguments[at : at + cut] for at in range(0, len(arguments), cut)]
    stream = [_frame({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]})]
    stream += [_frame({"tool_calls": [{"index": 0, "function": {"arguments": p}}]}) for p in pieces]
    found = run([*stream, _frame({}, "tool_calls")])
    assert [item["arguments"] for item in found.output] == [arguments]


def test_both_names_of_reasoning_are_never_summed() -> None:
    stream = [
        _frame({"reasoning": "hm", "reasoning_content": "hm"}),
        _frame({"content": "a"}, "stop"),
    ]
    assert _reasoning(run(stream).output) == "hm"


def test_white_space_alone_makes_no_item() -> None:
    blank = [_frame({"reasoning": "\n"}), _frame({"content": "\n\n"})]
    call = _frame(
        {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}, "tool_calls"
    )
    assert [item["type"] for item in run([*blank, call]).output] == ["function_call"]


def test_white_space_before_text_is_kept() -> None:
    stream = [_frame({"content": "\n"}), _frame({"content": "\n a"}, "stop")]
    assert _text(run(stream).output) == "\n\n a"


def test_reasoning_between_texts_is_an_item_of_its_own() -> None:
    stream = [
        _frame({"content": "a"}),
        _frame({"reasoning": "b"}),
        _frame({"content": "c"}, "stop"),
    ]
    kinds = [item["type"] for item in run(stream).output]
    assert kinds == ["message", "reasoning", "message"]


def test_a_refusal_follows_text_in_the_same_message() -> None:
    found = run([_frame({"content": "Well, "}), _frame({"refusal": "no."}, "stop")])
    assert [part["type"] for part in found.output[0]["content"]] == ["output_text", "refusal"]  # type: ignore[attr-defined]


def _frame(delta: Json, finish_reason: str | None = None) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _pieces(*fragments: tuple[int, str]) -> bytes:
    """One chunk; a call's first fragment has its name."""
    calls = [{"index": i, "id": f"c{i}", "function": {"name": "f", "arguments": a}}
             for i, a in fragments]  # fmt: skip
    return _frame({"tool_calls": calls})


def test_what_interrupts_a_call_waits_for_its_end() -> None:
    found = run(
        [
            _pieces((0, '{"a"')),
            _frame({"content": "x"}),
            _frame({"reasoning": "y"}),
            _pieces((0, ":1}")),
            _frame({}, "tool_calls"),
        ]
    )
    assert [item["type"] for item in found.output] == ["function_call", "message", "reasoning"]
    assert found.output[0]["arguments"] == '{"a":1}'
    assert found.output[0]["status"] == "completed"


@pytest.mark.parametrize("middle", [_frame({"content": "x"}), _pieces((1, '{"b":2}'))])
def test_a_call_that_was_cut_is_the_last_item_and_incomplete(middle: bytes) -> None:
    found = run([_pieces((0, '{"a"')), middle, _frame({}, "length")])
    assert [item["status"] for item in found.output] == ["incomplete"]
    assert found.output[0]["arguments"] == '{"a"'


def test_deep_arguments_are_no_fault() -> None:
    deep = '{"a":' * 3000 + "1" + "}" * 3000
    found = run([_pieces((0, deep)), _pieces((1, "{}")), _frame({}, "tool_calls")])
    assert [item["arguments"] for item in found.output] == [deep, "{}"]


def test_a_broken_connection_after_the_end_changes_nothing() -> None:
    emitter = Emitter(id="resp_1", created_at=1, settings=SETTINGS)
    emitter.create()
    reader = ChatReader(emitter)
    reader.feed(_frame({"content": "whole"}, "stop"))
    reader.fail(server_error())
    assert reader.end is not None
    assert reader.end.kind is EndKind.STOPPED


def test_usage_is_a_sum() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 99}
    found = run(
        [_frame({"content": "a"}, "stop"), b"data: " + json.dumps({"usage": usage}).encode()]
    )
    assert found.response["usage"] == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 7,
    }


def _made(name: str, arguments: str, cut: int = 3) -> Run:
    """A response with one call, its arguments in pieces of ``cut`` characters."""
    call = {"index": 0, "id": "c", "function": {"name": name}}
    pieces = [arguments[at : at + cut] for at in range(0, len(arguments), cut)]
    stream = [_frame({"tool_calls": [call]})]
    stream += [_frame({"tool_calls": [{"index": 0, "function": {"arguments": p}}]}) for p in pieces]
    found = run([*stream, _frame({}, "tool_calls")])
    check_sdk(found.events)
    return found


@given(text=st.text(), cut=st.integers(1, 9), ascii=st.booleans())
def test_the_input_of_a_custom_call_streams_unescaped(text: str, cut: int, ascii: bool) -> None:
    found = _made("custom", json.dumps({"input": text}, ensure_ascii=ascii), cut)
    (item,) = found.output
    assert (item["type"], item["name"], item["input"]) == ("custom_tool_call", "patch", text)
    kind = "response.custom_tool_call_input.delta"
    deltas = [str(event["delta"]) for event in found.events if event["type"] == kind]
    assert "".join(deltas) == text
    assert len(deltas) <= 1 or max(map(len, deltas)) <= cut, "text was held back"


CALLS: list[tuple[str, str, Json]] = [
    ("space__f", '{"a":1}', {"type": "function_call", "name": "f", "namespace": "space"}),
    ("space__c", '{"input":"x"}', {"type": "custom_tool_call", "input": "x", "namespace": "space"}),
    ("tool_search", '{"query":"x"}', {"type": "tool_search_call", "arguments": {"query": "x"}}),
    (
        "local_shell",
        '{"command":["ls","-l"],"timeout_ms":5}',
        {
            "type": "local_shell_call",
            "action": {
                "type": "exec",
                "command": ["ls", "-l"],
                "env": {},
                "timeout_ms": 5,
                "user": None,
                "working_directory": None,
            },
        },
    ),
    (
        "shell",
        '{"commands":"ls | wc"}',
        {
            "type": "shell_call",
            "action": {"commands": ["ls | wc"], "timeout_ms": None, "max_output_length": None},
        },
    ),
    (
        "apply_patch",
        '{"type":"update_file","path":"a","diff":"+x"}',
        {
            "type": "apply_patch_call",
            "operation": {"type": "update_file", "path": "a", "diff": "+x"},
        },
    ),
    (
        "apply_patch",
        '{"type":"delete_file","path":"a"}',
        {"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}},
    ),
    (
        "computer",
        '{"actions":[{"type":"click","button":"left","x":1,"y":2}]}',
        {"type": "computer_call", "actions": [{"type": "click", "button": "left", "x": 1, "y": 2}]},
    ),
    ("screen", '{"action":{"type":"wait"}}', {"type": "computer_call", "action": {"type": "wait"}}),
]


@pytest.mark.parametrize(("name", "arguments", "expected"), CALLS)
def test_a_call_becomes_an_item_of_its_own_type(name: str, arguments: str, expected: Json) -> None:
    (item,) = _made(name, arguments).output
    assert {key: item[key] for key in expected} == expected
    assert item["status"] == "completed"
    assert item["call_id"] == "c"


@pytest.mark.parametrize("name", sorted({name for name, _, _ in CALLS} - {"space__c", "space__f"}))
def test_arguments_that_the_tool_cannot_take_are_shown_as_they_are(name: str) -> None:
    (item,) = _made(name, '{"odd": 1').output
    kind = TARGETS[name].name
    assert (item["type"], item["name"], item["arguments"]) == ("function_call", kind, '{"odd": 1')


@pytest.mark.parametrize("arguments", ["", "{}", "*** Begin Patch\n+x", '["x"]'])
def test_custom_input_that_is_no_json_is_the_input(arguments: str) -> None:
    (item,) = _made("custom", arguments).output
    assert item["input"] == ("" if arguments == "{}" else arguments)


def test_a_summary_repeats_the_reasoning() -> None:
    found = run([_frame({"reasoning": "hm"}), _frame({"content": "a"}, "stop")],
                EventStyle(summary=True, seal=str.upper))  # fmt: skip
    assert found.output[0]["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert found.output[0]["encrypted_content"] == "HM"
    check_sdk(found.events)


def test_log_probabilities_are_told_with_the_text_that_they_belong_to() -> None:
    entry = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    choice = {"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [entry]}}
    data = b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"
    stream = [_frame({"content": "\n"}), data, data, _frame({}, "stop")]
    found = run(stream, EventStyle(logprobs=True))
    assert found.output[0]["content"][0]["logprobs"] == [entry, entry]  # type: ignore[index]
    deltas = [event for event in found.events if event["type"] == "response.output_text.delta"]
    assert [event["logprobs"] for event in deltas] == [[entry], [entry]]
    without = run(stream)
    assert without.output[0]["content"][0]["logprobs"] == []  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("tool_search", '{\n  "query": "mail"\n}'),
        ("computer", '{"actions": [\n{"type":\n"wait"}]}'),
        ("screen", '{"action":\r\n{"type":\n"wait"}}'),
    ],
)
def test_what_a_model_has_indented_stays_on_one_line(name: str, arguments: str) -> None:
    (item,) = _made(name, arguments).output
    assert item["status"] == "completed"


def _call(index: int, name: str, arguments: str) -> Json:
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]}


def test_calls_of_the_gateway_and_of_the_client_keep_the_order_of_the_model() -> None:
    stream = [
        _frame({"content": "Let me see."}),
        _frame(_call(0, "mcp__s__t", '{"a":1}')),
        _frame(_call(1, "f", '{"b":2}')),
        _frame(_call(2, "mcp__s__u", '{"c":3}')),
        _frame(_call(3, "mcp__s__ask", '{"d":4}'), "tool_calls"),
    ]
    found = run(stream)
    assert [(item["type"], item.get("status")) for item in found.output] == [
        ("message", "completed"),
        ("mcp_call", "completed"),
        ("function_call", "completed"),
        ("mcp_call", "failed"),
        ("mcp_approval_request", None),
    ]
    assert found.output[1]["output"] == '{"a":1}'
    check_sdk(found.events)


def test_a_call_of_the_gateway_streams_its_arguments_while_the_model_writes() -> None:
    emitter = Emitter(id="resp_1", created_at=1, settings=SETTINGS)
    emitter.create()
    reader = ChatReader(emitter, TARGETS)
    emitter.take()
    reader.feed(_frame(_call(0, "mcp__s__t", '{"a"')))
    names = [event.__struct_config__.tag for event in emitter.take()]
    assert names == [
        "response.output_item.added",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
    ]


def test_a_stream_that_was_cut_runs_no_call() -> None:
    stream = [_frame(_call(0, "mcp__s__t", '{"a":1}')), _frame(_call(1, "f", "{}"), "length")]
    found = run(stream)
    assert [(item["type"], item["status"]) for item in found.output] == [("mcp_call", "incomplete")]
