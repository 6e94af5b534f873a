"""Settings of a model and prompt templates, through the running service."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from ..grammar import check_response_object
from ..support.fixtures import ServiceFactory
from ..support.streams import refused, stored, streamed
from ..support.upstream import DONE, ScriptedUpstream, call, finish, reasoning, role, text

pytestmark = pytest.mark.anyio

CONFIG = """
[responses]
prompts_dir = "{folder}"

[[models]]
match = "*STRICT*"
merge_user_messages = true
effort = {{ none = {{ enable_thinking = false }}, high = "medium" }}
reasoning_summary = "off"
cache_salt = "prompt_cache_key"
"""
PROMPT = """
id = "weather"
version = "1"
model = "my-strict-model"
instructions = "Be {{mood}}."
[[input]]
role = "user"
content = "Weather in {{city}}?"
[variables.mood]
default = "brief"
[variables.city]
"""


@pytest.fixture(scope="module")
def service_env(
    base_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    (folder / "weather.toml").write_text(PROMPT)
    config = folder / "gateway.conf"
    config.write_text(CONFIG.format(folder=folder))
    return base_env | {"RESPONSES_GW_CONFIG": str(config)}


async def test_a_models_table_shapes_what_goes_up(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    first = {"role": "user", "content": "a"}
    second = {"role": "user", "content": "b"}
    await streamed(
        http,
        model="a-strict-model",
        input=[first, second],
        reasoning={"effort": "none"},
        chat_template_kwargs={"x": 1},
        prompt_cache_key="k",
    )
    await streamed(http, model="tiny", input=[first, second], reasoning={"effort": "none"})
    strict, plain = (request.json for request in upstream.requests)
    assert strict["messages"] == [{"role": "user", "content": "a\n\nb"}]
    assert strict["chat_template_kwargs"] == {"enable_thinking": False, "x": 1}
    assert "reasoning_effort" not in strict
    assert strict["cache_salt"] == "k"
    assert plain["messages"] == [first, second]
    assert plain["reasoning_effort"] == "none"
    assert "cache_salt" not in plain


async def test_a_chain_is_rendered_for_the_model_of_each_turn(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    upstream.play(role(), call(0, "call_abc", "f"), finish("tool_calls"), DONE)
    answer = await streamed(http, model="Mistral-Small", tools=[tool])
    output = {"type": "function_call_output", "call_id": "call_abc", "output": "1"}
    for model in ("Mistral-Small", "tiny"):
        await streamed(
            http, model=model, input=[output], previous_response_id=answer.terminal["id"]
        )
    mistral, tiny = (request.messages for request in list(upstream.requests)[1:])
    assert len(mistral[2]["tool_call_id"]) == 9
    assert mistral[1]["tool_calls"][0]["id"] == mistral[2]["tool_call_id"]
    assert tiny[2]["tool_call_id"] == "call_abc"


@pytest.mark.parametrize(("model", "summaries"), [("tiny", 1), ("strict", 0)])
async def test_a_summary_is_given_unless_the_model_has_none(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream, model: str, summaries: int
) -> None:
    upstream.play(role(), reasoning("hm"), text("a"), finish("stop"), DONE)
    answer = await streamed(http, model=model, reasoning={"summary": "auto"})
    assert answer.kinds.count("response.reasoning_summary_text.done") == summaries


async def test_gpt_oss_says_what_was_commentary(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    upstream.play(role(), text("Let me look."), call(0, "c1", "f"), finish("tool_calls"), DONE)
    first = await streamed(http, model="openai/gpt-oss-20b", tools=[tool])
    assert first.terminal["output"][0]["phase"] == "commentary"
    upstream.play(role(), text("Done."), finish("stop"), DONE)
    second = await streamed(
        http,
        model="openai/gpt-oss-20b",
        previous_response_id=first.terminal["id"],
        input=[{"type": "function_call_output", "call_id": "c1", "output": "1"}],
    )
    assert second.terminal["output"][0]["phase"] == "final_answer"
    replayed = upstream.requests[1].messages[1]
    assert (replayed["content"], replayed["tool_calls"][0]["id"]) == ("Let me look.", "c1")


async def test_other_models_say_no_phase(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    answer = await streamed(http, model="tiny")
    assert "phase" not in answer.terminal["output"][0]


async def test_a_prompt_gives_model_instructions_and_input(
    http: aiohttp.ClientSession, upstream: ScriptedUpstream
) -> None:
    body = {"prompt": {"id": "weather", "variables": {"city": "Oslo"}}}
    async with http.post("/v1/responses", json=body) as response:
        answer = await response.json()
    assert response.status == 200, answer
    check_response_object(answer)
    assert answer["model"] == "my-strict-model"
    assert answer["instructions"] == "Be brief."
    assert answer["prompt"] == {**body["prompt"], "version": "1"}
    assert (await stored(http, answer["id"]))["prompt"] == answer["prompt"]
    assert upstream.requests[0].json["model"] == "my-strict-model"
    assert upstream.requests[0].messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather in Oslo?"},
    ]
    async with http.get(f"/v1/responses/{answer['id']}/input_items") as response:
        (item,) = (await response.json())["data"]
    assert (item["role"], item["content"][0]["text"]) == ("user", "Weather in Oslo?")


@pytest.mark.parametrize(
    ("prompt", "status", "param"),
    [
        ({"id": "nothing"}, 404, "prompt.id"),
        ({"id": "weather", "version": "9"}, 400, "prompt.version"),
        ({"id": "weather"}, 400, "prompt.variables.city"),
        ({"id": "weather", "variables": {"city": "a", "b": "c"}}, 400, "prompt.variables.b"),
    ],
)
async def test_a_wrong_prompt_is_refused(
    http: aiohttp.ClientSession,
    upstream: ScriptedUpstream,
    prompt: dict[str, object],
    status: int,
    param: str,
) -> None:
    found, error, _ = await refused(http, prompt=prompt)
    assert (found, error["param"]) == (status, param)
    assert not upstream.requests


async def test_a_wrong_template_stops_the_start_and_is_named(
    service_factory: ServiceFactory, module_database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "broken.toml").write_text('id = "p"\nversion = "1"\ninstructions = "{{x}}"')
    env = {
        "RESPONSES_GW_RESPONSES_PROMPTS_DIR": str(tmp_path),
        "RESPONSES_GW_DATABASE_URL": module_database_url,
    }
    with pytest.raises(AssertionError, match=r"broken\.toml: the place {{x}} is no variable"):
        service_factory(env)
