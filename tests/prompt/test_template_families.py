"""What each family of chat templates demands of its messages, and that it gets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby, pairwise
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_gw.prompt.profile import ModelProfile
from responses_gw.prompt.profile_lookup import ProfileLookup
from responses_gw.prompt.transcript import Transcript

from .test_transcript import (
    Json,
    answered,
    assistant,
    called,
    decoded_items,
    exchanges,
    pieces,
    said,
    texts,
    thought,
    tool_call,
    user,
)

PICTURE = {"type": "input_image", "image_url": "data:image/png;base64,AA"}
SHOWN_PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
profile_of = ProfileLookup(ModelProfile())


def system(text: str) -> Json:
    return {"role": "system", "content": text}


def developer(text: str) -> Json:
    return {"role": "developer", "content": text}


def rendered(
    items: list[Json], profile: ModelProfile, instructions: str | None = None
) -> list[Json]:
    transcript = Transcript(profile)
    transcript.add(decoded_items(items))
    found: list[Json] = json.loads(transcript.messages(instructions))
    return found


def tool(call_id: str, content: object = "ok") -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


RESULT = "Result of the call c:\nok"
A_TURN = [user("q"), thought("hm"), called("c"), answered("c"), said("a"), user("r")]
CASES: dict[str, tuple[str, list[Json], list[Json]]] = {
    "Qwen: system in the middle leads": (
        "Qwen/Qwen3.5-27B",
        [system("S"), user("q"), said("a"), system("T"), user("r")],
        [system("S\n\nT"), user("q"), assistant("a"), user("r")],
    ),
    "Qwen: developer is system": (
        "qwen3",
        [developer("D"), user("q"), developer("E")],
        [system("D\n\nE"), user("q")],
    ),
    "Qwen: consecutive users stay": (
        "qwen3",
        [user("a"), user("b")],
        [user("a"), user("b")],
    ),
    "Qwen: tool results": (
        "qwen3",
        A_TURN,
        [
            user("q"),
            assistant(None, tool_calls=[tool_call("c")]),
            tool("c"),
            assistant("a"),
            user("r"),
        ],
    ),
    "Qwen: pictures of tools follow": (
        "qwen2.5-vl",
        [called("c"), answered("c", [PICTURE]), said("a")],
        [
            assistant(None, tool_calls=[tool_call("c")]),
            tool("c", "[what the tool returned follows]"),
            user([SHOWN_PICTURE]),
            assistant("a"),
        ],
    ),
    "Llama 3: one call a message, followed by its output": (
        "meta-llama/Llama-3.1-8B-Instruct",
        [said("x"), called("c"), called("d"), answered("d"), answered("c", [PICTURE]), user("q")],
        [
            assistant("x", tool_calls=[tool_call("d")]),
            tool("d"),
            assistant(None, tool_calls=[tool_call("c")]),
            tool("c", "[what the tool returned follows]"),
            user([SHOWN_PICTURE]),
            user("q"),
        ],
    ),
    "Llama 3: calls without outputs": (
        "meta-llama/Llama-3.1-8B-Instruct",
        [called("c"), called("d"), user("q")],
        [
            assistant(None, tool_calls=[tool_call("c")]),
            assistant(None, tool_calls=[tool_call("d")]),
            user("q"),
        ],
    ),
    "Llama 3: developer and consecutive users": (
        "meta-llama/Llama-3.3-70B-Instruct",
        [developer("D"), user("q"), user("r"), called("c"), answered("c")],
        [
            system("D"),
            user("q"),
            user("r"),
            assistant(None, tool_calls=[tool_call("c")]),
            tool("c"),
        ],
    ),
    "Llama 2: turns, and no tool messages": (
        "meta-llama/Llama-2-7b-chat-hf",
        [user("q"), user("r"), said("x"), called("c"), answered("c"), user("s")],
        [
            user("q\n\nr"),
            assistant("x", tool_calls=[tool_call("c")]),
            user(f"{RESULT}\n\ns"),
        ],
    ),
    "Mistral: users merge, ids have nine characters": (
        "mistralai/Mistral-Small-3.2-24B",
        [
            user("a"),
            developer("D"),
            user([PICTURE]),
            called("call_1"),
            answered("call_1"),
            said("x"),
        ],
        [
            system("D"),
            user([{"type": "text", "text": "a"}, SHOWN_PICTURE]),
            assistant(None, tool_calls=[tool_call("vx9b58h2f")]),
            tool("vx9b58h2f"),
            assistant("x"),
        ],
    ),
    "Mistral: its own ids stay": (
        "Ministral-8B",
        [called("aB3dE6gH9"), answered("aB3dE6gH9")],
        [assistant(None, tool_calls=[tool_call("aB3dE6gH9")]), tool("aB3dE6gH9")],
    ),
    "Gemma 2: no system message": (
        "google/gemma-2-9b-it",
        [system("S"), user("q"), said("a"), system("T"), user("r")],
        [user("S\n\nT\n\nq"), assistant("a"), user("r")],
    ),
    "Gemma 2: a picture in the first message": (
        "gemma-2",
        [system("S"), user([PICTURE])],
        [user([{"type": "text", "text": "S"}, SHOWN_PICTURE])],
    ),
    "Gemma 3: tool results and their pictures are the user's": (
        "google/gemma-3-27b-it",
        [system("S"), user("q"), called("c"), answered("c", [PICTURE]), user("r")],
        [
            system("S"),
            user("q"),
            assistant(None, tool_calls=[tool_call("c")]),
            user(
                [
                    {
                        "type": "text",
                        "text": "Result of the call c:\n[what the tool returned follows]",
                    },
                    SHOWN_PICTURE,
                    {"type": "text", "text": "r"},
                ]
            ),
        ],
    ),
    "Gemma 4: tools of its own": (
        "google/gemma-4-31b",
        [user("q"), called("c"), answered("c")],
        [user("q"), assistant(None, tool_calls=[tool_call("c")]), tool("c")],
    ),
    "DeepSeek: thoughts of the turn that runs go along": (
        "deepseek-ai/DeepSeek-V3.2",
        A_TURN[:4],
        [user("q"), assistant(None, reasoning="hm", tool_calls=[tool_call("c")]), tool("c")],
    ),
    "GLM: thoughts of older turns do not": (
        "zai-org/GLM-4.7",
        [user("q"), thought("hm"), said("a"), user("r")],
        [user("q"), assistant("a"), user("r")],
    ),
    "Kimi: ids go up as they came": (
        "moonshotai/Kimi-K2.5",
        [called("functions.f:0"), answered("functions.f:0")],
        [assistant(None, tool_calls=[tool_call("functions.f:0")]), tool("functions.f:0")],
    ),
    "gpt-oss: commentary and its call are one message": (
        "openai/gpt-oss-120b",
        [developer("D"), user("q"), said("Let me look.") | {"phase": "commentary"}, called("c")],
        [system("D"), user("q"), assistant("Let me look.", tool_calls=[tool_call("c")])],
    ),
}


@pytest.mark.parametrize(("model", "items", "expected"), CASES.values(), ids=CASES.keys())
def test_a_family_gets(model: str, items: list[Json], expected: list[Json]) -> None:
    assert rendered(items, profile_of(model)) == expected


BY_SETTING: dict[str, tuple[dict[str, object], list[Json], list[Json]]] = {
    "late system in place": (
        {"late_system": "system"},
        [system("S"), user("q"), said("a"), developer("D"), user("r")],
        [system("S"), user("q"), assistant("a"), system("D"), user("r")],
    ),
    "late system as the user": (
        {"late_system": "user", "merge_user_messages": True},
        [system("S"), user("q"), said("a"), developer("D"), user("r")],
        [system("S"), user("q"), assistant("a"), user("D\n\nr")],
    ),
    "developer as user, wherever it stands": (
        {"developer": "user"},
        [developer("D"), user("q"), said("a"), developer("E"), system("S")],
        [system("S"), user("D"), user("q"), assistant("a"), user("E")],
    ),
    "a developer's word does not end the turn": (
        {"developer": "user"},
        [user("q"), thought("hm"), called("c"), answered("c"), developer("D")],
        [
            user("q"),
            assistant(None, reasoning="hm", tool_calls=[tool_call("c")]),
            tool("c"),
            user("D"),
        ],
    ),
    "pictures in the tool's message": (
        {"tool_images": "tool"},
        [called("c"), answered("c", [PICTURE])],
        [assistant(None, tool_calls=[tool_call("c")]), tool("c", [SHOWN_PICTURE])],
    ),
    "all results of a round are one message": (
        {"tool_results": "user", "merge_user_messages": True},
        [called("c"), called("d"), answered("c"), answered("d")],
        [
            assistant(None, tool_calls=[tool_call("c"), tool_call("d")]),
            user(f"{RESULT}\n\nResult of the call d:\nok"),
        ],
    ),
    "thoughts that led to nothing do not keep users apart": (
        {"merge_user_messages": True},
        [user("q"), thought("lost"), user("again")],
        [user("q\n\nagain")],
    ),
    "a leading system text as a user message of its own": (
        {"leading_system": "user"},
        [system("S"), user("q")],
        [user("S"), user("q")],
    ),
    "a leading system text before the assistant": (
        {"leading_system": "user", "merge_user_messages": True},
        [system("S"), said("a")],
        [user("S"), assistant("a")],
    ),
    "reasoning by its older name, of all turns": (
        {"reasoning_field": "reasoning_content", "reasoning_replay": "all"},
        [user("q"), thought("hm"), said("a"), user("r")],
        [user("q"), assistant("a", reasoning_content="hm"), user("r")],
    ),
}


@pytest.mark.parametrize(
    ("settings", "items", "expected"), BY_SETTING.values(), ids=BY_SETTING.keys()
)
def test_an_operator_gets(
    settings: dict[str, object], items: list[Json], expected: list[Json]
) -> None:
    assert rendered(items, msgspec.structs.replace(ModelProfile(), **settings)) == expected


# --- laws --------------------------------------------------------------------------------------

interjections = st.builds(system, texts) | st.builds(developer, texts)
anything = st.lists(pieces | interjections.map(lambda item: [item]), max_size=8).map(
    lambda found: [item for piece in found for item in piece]
)
answered_exchanges = st.builds(lambda calls, text: [*calls, said(text)], exchanges(), texts)
"""A model that has called tools speaks before the user does: Mistral's template raises else."""
orderly = st.lists(
    st.one_of(
        st.builds(user, texts).map(lambda item: [item]),
        st.builds(said, texts).map(lambda item: [item]),
        st.builds(thought, texts).map(lambda item: [item]),
        interjections.map(lambda item: [item]),
        answered_exchanges,
    ),
    max_size=8,
).map(lambda found: [user("first"), *(item for piece in found for item in piece)])


def roles_of(messages: list[Json]) -> list[str]:
    return [str(message["role"]) for message in messages]


def one_system_message_at_most(messages: list[Json]) -> bool:
    return "system" not in roles_of(messages)[1:] and "developer" not in roles_of(messages)


def turns_are_taken(messages: list[Json]) -> bool:
    """Gemma, Llama 2: user, assistant, user, … after the system message."""
    roles = [role for role in roles_of(messages) if role != "system"]
    return all(role == ("user", "assistant")[at % 2] for at, role in enumerate(roles))


def turns_are_taken_but_for_tools(messages: list[Json]) -> bool:
    """Mistral: calls and outputs do not count."""
    return turns_are_taken([m for m in messages if m["role"] != "tool" and "tool_calls" not in m])


def ids_are_short(messages: list[Json]) -> bool:
    ids = [str(m["tool_call_id"]) for m in messages if m["role"] == "tool"]
    for message in messages:
        calls = message.get("tool_calls", [])
        assert isinstance(calls, list)
        ids += [call["id"] for call in calls]
    return all(len(id) == 9 and id.isalnum() for id in ids)


def one_call_a_message(messages: list[Json]) -> bool:
    """Llama 3: and its output comes next."""
    nobody: Json = {"role": "nobody"}
    for message, then in pairwise([*messages, nobody]):
        calls = message.get("tool_calls", [])
        assert isinstance(calls, list)
        if len(calls) > 1 or (calls and then.get("tool_call_id") != calls[0]["id"]):
            return False
    return True


def no_system_message(messages: list[Json]) -> bool:
    return "system" not in roles_of(messages)


Demand = Callable[[list[Json]], bool]
DEMANDS: list[tuple[str, list[Demand]]] = [
    ("Qwen/Qwen3.5-27B", [one_system_message_at_most]),
    ("meta-llama/Llama-4-Scout", [one_system_message_at_most]),
    ("meta-llama/Llama-3.3-70B-Instruct", [one_system_message_at_most, one_call_a_message]),
    ("meta-llama/Llama-2-7b-chat-hf", [one_system_message_at_most, turns_are_taken]),
    (
        "mistralai/Mistral-7B-Instruct-v0.3",
        [one_system_message_at_most, turns_are_taken_but_for_tools, ids_are_short],
    ),
    ("google/gemma-2-9b-it", [no_system_message, turns_are_taken]),
    ("google/gemma-3-27b-it", [one_system_message_at_most, turns_are_taken]),
    ("openai/gpt-oss-20b", [one_system_message_at_most]),
]


@pytest.mark.parametrize(("model", "demands"), DEMANDS)
@given(history=orderly)
def test_every_history_is_what_its_template_takes(
    model: str, demands: list[Demand], history: list[Json]
) -> None:
    messages = rendered(history, profile_of(model), "be nice")
    for demand in demands:
        assert demand(messages), demand.__name__


profiles = st.builds(
    ModelProfile,
    reasoning_replay=st.sampled_from(["current_turn", "all", "none"]),
    late_system=st.sampled_from(["fold", "system", "user"]),
    developer=st.sampled_from(["system", "user"]),
    calls_per_message=st.sampled_from(["all", "one"]),
    tool_results=st.sampled_from(["tool", "user"]),
    tool_images=st.sampled_from(["user", "tool"]),
)


def merged(messages: list[Json]) -> list[Json]:
    """User messages in a row as one, the plain way."""
    found: list[Json] = []
    for role, run in groupby(messages, lambda message: message["role"]):
        if role != "user":
            found += run
            continue
        contents = [message["content"] for message in run]
        if all(isinstance(content, str) for content in contents):
            found.append(user("\n\n".join(map(str, contents))))
        else:
            found.append(user([part for content in contents for part in as_parts(content)]))
    return found


def as_parts(content: object) -> list[object]:
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


pictures = st.just([called("p"), answered("p", [PICTURE])]) | st.just([user([PICTURE])])
with_pictures = st.lists(st.one_of(pieces, pictures, interjections.map(lambda i: [i])), max_size=8)


@given(history=with_pictures, cut=st.integers(0, 9), profile=profiles)
def test_merging_changes_nothing_but_the_borders_of_user_messages(
    history: list[list[Json]], cut: int, profile: ModelProfile
) -> None:
    """Also for a history that is resumed anywhere."""
    items = decoded_items([item for piece in history for item in piece])
    plain = Transcript(profile)
    plain.add(items)
    merging = msgspec.structs.replace(profile, merge_user_messages=True)
    first = Transcript(merging)
    first.add(items[:cut])
    second = Transcript(merging, first.snapshot())
    second.add(items[cut:])
    messages = json.loads(second.messages("i"))
    assert messages == merged(json.loads(plain.messages("i")))
    assert all(pair != ("user", "user") for pair in pairwise(roles_of(messages)))


@given(
    history=anything, news=anything, profile=profiles, leading=st.sampled_from(["system", "user"])
)
def test_the_law_of_the_prefix_where_users_are_merged(
    history: list[Json],
    news: list[Json],
    profile: ModelProfile,
    leading: Literal["system", "user"],
) -> None:
    """It holds up to the last message, if that is the user's, as long as no text is folded into
    the leading one."""
    profile = msgspec.structs.replace(
        profile, merge_user_messages=True, leading_system=leading, reasoning_replay="all"
    )
    transcript = Transcript(profile)
    transcript.add(decoded_items(history))
    closed = transcript.snapshot()
    before = transcript.messages("be nice")
    resumed = Transcript(profile, closed)
    resumed.add(decoded_items(news))
    if resumed.snapshot().system != closed.system or not closed.draft.is_empty:
        return
    messages = [bytes(raw) for raw in msgspec.json.decode(before, type=list[msgspec.Raw])]
    if messages[-1].startswith(b'{"role":"user"'):
        messages.pop()
    assert resumed.messages("be nice").startswith(b"[" + b",".join(messages))
