"""A request that names a prompt template becomes one that does not need it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_gw.api.echo import response_settings
from responses_gw.api.errors import ApiError
from responses_gw.api.request import CreateResponse, RequestBody
from responses_gw.api.validate import decode_create_response
from responses_gw.prompt.template import PromptTemplate

Json = dict[str, Any]
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"}
FILE = {"type": "input_file", "file_url": "https://a/b.pdf", "filename": "b.pdf"}
WEATHER: Json = {
    "id": "weather",
    "version": "3",
    "model": "m",
    "instructions": "Be {{ mood }}.",
    "input": [
        {"role": "developer", "content": "Now: {{mood}}"},
        {"role": "user", "content": "Weather in {{city}}?"},
    ],
    "variables": {"city": {}, "mood": {"default": "brief"}},
}


def template(**changes: object) -> PromptTemplate:
    return msgspec.convert(WEATHER | changes, PromptTemplate)


def read(prompt: Json, using: PromptTemplate | None = None, **fields: object) -> CreateResponse:
    chosen = using or template()

    def fill(body: RequestBody) -> RequestBody:
        assert body.prompt is not None
        return chosen.fill(body, body.prompt)

    return decode_create_response(json.dumps({"prompt": prompt, **fields}).encode(), fill)


def said_in(request: CreateResponse) -> list[tuple[str, object]]:
    items = [json.loads(bytes(raw)) for raw in request.raw_items]
    return [(item["role"], item["content"]) for item in items]


def test_a_template_gives_what_the_request_has_not() -> None:
    request = read({"id": "weather", "variables": {"city": "Oslo"}})
    assert request.model == "m"
    assert request.body.instructions == "Be brief."
    assert said_in(request) == [("developer", "Now: brief"), ("user", "Weather in Oslo?")]


def test_what_the_request_has_stays() -> None:
    request = read(
        {"id": "weather", "variables": {"city": "Oslo"}}, model="n", instructions="I", input="q"
    )
    assert (request.model, request.body.instructions) == ("n", "I")
    assert said_in(request) == [("user", "q")]


def test_a_template_without_input_needs_none_from_the_request() -> None:
    using = template(input=[], variables={"mood": {"default": "brief"}})
    assert read({"id": "weather"}, using).items == ()


def test_the_response_says_which_prompt_it_was() -> None:
    request = read({"id": "weather", "variables": {"city": IMAGE}})
    echoed = json.loads(response_settings(request))
    assert echoed["prompt"] == {"id": "weather", "version": "3", "variables": {"city": IMAGE}}
    plain = decode_create_response(b'{"model":"m","input":"q","prompt":null}')
    assert "prompt" not in json.loads(response_settings(plain))


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("Oslo", "Weather in Oslo?"),
        ("", "Weather in ?"),
        ({"type": "input_text", "text": "Rome"}, "Weather in Rome?"),
        (
            IMAGE,
            [
                {"type": "input_text", "text": "Weather in "},
                IMAGE,
                {"type": "input_text", "text": "?"},
            ],
        ),
        (
            FILE,
            [
                {"type": "input_text", "text": "Weather in "},
                FILE,
                {"type": "input_text", "text": "?"},
            ],
        ),
    ],
)
def test_a_variable_in_a_users_message_can_be(value: object, content: object) -> None:
    request = read({"id": "weather", "variables": {"city": value}})
    assert said_in(request)[1] == ("user", content)


def test_a_place_that_is_a_whole_message_is_one_part() -> None:
    using = template(input=[{"role": "user", "content": "{{city}}"}])
    assert said_in(read({"id": "weather", "variables": {"city": IMAGE}}, using)) == [
        ("user", [IMAGE])
    ]


REFUSALS: list[tuple[Json, str | None, str]] = [
    ({"id": "weather"}, "missing_required_parameter", "prompt.variables.city"),
    ({"id": "weather", "variables": None}, "missing_required_parameter", "prompt.variables.city"),
    (
        {"id": "weather", "variables": {"city": "x", "town": "y"}},
        "unknown_parameter",
        "prompt.variables.town",
    ),
    ({"id": "weather", "variables": {"city": 7}}, "invalid_type", "prompt.variables.city"),
    ({"id": "weather", "variables": {"city": None}}, "invalid_type", "prompt.variables.city"),
    (
        {"id": "weather", "variables": {"city": {"type": "input_audio"}}},
        "invalid_value",
        "prompt.variables.city.type",
    ),
    (
        {"id": "weather", "variables": {"city": {"type": "input_text"}}},
        "missing_required_parameter",
        "prompt.variables.city.text",
    ),
    (
        {"id": "weather", "variables": {"city": "x", "mood": IMAGE}},  # not for instructions
        "invalid_type",
        "prompt.variables.mood",
    ),
    ({}, "missing_required_parameter", "prompt.id"),
    ({"id": 7}, "invalid_type", "prompt.id"),
    ({"id": "weather", "version": 3}, "invalid_type", "prompt.version"),
    ({"id": "weather", "variables": []}, "invalid_type", "prompt.variables"),
]


@pytest.mark.parametrize(("prompt", "code", "param"), REFUSALS)
def test_a_wrong_prompt_is_refused_with_its_path(
    prompt: Json, code: str | None, param: str
) -> None:
    with pytest.raises(ApiError) as caught:
        read(prompt)
    error = caught.value
    assert (error.status, error.code, error.param) == (400, code, param), error.message


def test_a_template_without_a_model_leaves_it_required() -> None:
    with pytest.raises(ApiError) as caught:
        read({"id": "weather", "variables": {"city": "x"}}, template(model=None))
    assert caught.value.param == "model"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"instructions": None, "input": []}, "it has neither instructions nor input"),
        ({"variables": {"city": {}}}, "the place {{mood}} is no variable: write [variables.mood]"),
        (
            {"variables": WEATHER["variables"] | {"town": {}}},
            "the variable town has no place {{town}}",
        ),
    ],
)
def test_a_template_is_wrong_when(changes: Json, fault: str) -> None:
    assert fault in list(template(**changes).faults())
    assert list(template().faults()) == []


names = st.sampled_from(["a", "b", "long_name"])
chunks = st.text(max_size=10).filter(lambda text: "{" not in text and "}" not in text)


@given(
    chunks=st.lists(chunks, min_size=1, max_size=5),
    places=st.lists(names, min_size=4, max_size=4),
    values=st.fixed_dictionaries(
        {name: st.text(max_size=10) | st.just("{{a}}{{ b }}") for name in ("a", "b", "long_name")}
    ),
)
def test_values_stand_in_their_places_and_are_never_filled_themselves(
    chunks: list[str], places: list[str], values: dict[str, str]
) -> None:
    used = places[: len(chunks) - 1]
    text, expected = chunks[0], chunks[0]
    for name, chunk in zip(used, chunks[1:], strict=True):
        text += f"{{{{{name}}}}}{chunk}"
        expected += values[name] + chunk
    using = msgspec.convert(
        {
            "id": "t",
            "version": "1",
            "input": [{"role": "developer", "content": text}],
            "variables": {name: {} for name in values},
        },
        PromptTemplate,
    )
    request = read({"id": "t", "variables": values}, using, model="m")
    assert said_in(request) == [("developer", expected)]
