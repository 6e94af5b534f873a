"""Reasoning that the client keeps, sealed: what the model thought in the tool loop comes back to
it, over any process with the same keys, and nothing that is not ours does.
"""

from __future__ import annotations

import asyncio
import os

import pytest
from openai import OpenAI
from openai.types.responses import Response

from ..support.database import opened
from ..support.fixtures import ServiceFactory
from ..support.service import Service, ServiceFailed
from ..support.upstream import (
    DONE,
    ScriptedUpstream,
    answer,
    arguments,
    call,
    finish,
    reasoning,
    role,
    usage,
)

Json = dict[str, object]
ENCRYPTED = "reasoning.encrypted_content"
THOUGHT = "The tool get_weather knows it; ask for Paris."
WEATHER: Json = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
QUESTION: Json = {"role": "user", "content": "Weather?"}


def thinks_and_calls() -> bytes:
    made = call(0, "chatcmpl-tool-1", "get_weather") + arguments(0, '{"city":"Paris"}')
    return role() + reasoning(THOUGHT) + made + finish("tool_calls") + usage() + DONE


def sdk(service: Service) -> OpenAI:
    return OpenAI(base_url=f"{service.url}/v1", api_key="any", max_retries=0)


def think(client: OpenAI, upstream: ScriptedUpstream, **options: object) -> Response:
    upstream.play(thinks_and_calls())
    wanted = {"store": False, "include": [ENCRYPTED], **options}
    made: Response = client.responses.create(
        model="tiny", input=[QUESTION], tools=[WEATHER], **wanted
    )
    return made


def sealed_in(response: Response) -> str:
    sealed = response.output[0].encrypted_content
    assert sealed, response.output[0]
    return sealed


def going_on(response: Response, **reasoning: object) -> list[Json]:
    """The loop so far as the AI SDK sends it without a store: the reasoning is its id, its summary
    and its seal.
    """
    thought, made = response.output
    return [
        QUESTION,
        {"type": "reasoning", "id": thought.id, "summary": [], **reasoning},
        made.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": made.call_id, "output": "sunny"},
    ]


def replay(client: OpenAI, response: Response, **reasoning: object) -> None:
    items = going_on(response, **reasoning)
    client.responses.create(
        model="tiny", store=False, include=[ENCRYPTED], tools=[WEATHER], input=items
    )


def shown(upstream: ScriptedUpstream) -> object:
    """The reasoning that the newest request showed to the model."""
    messages = upstream.requests[-1].messages
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[1]["tool_calls"]
    return messages[1].get("reasoning")


def tampered(sealed: str) -> str:
    middle = len(sealed) // 2
    return sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :]


def test_a_replayed_seal_becomes_the_models_reasoning_again(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    response = think(client, upstream)
    replay(client, response, encrypted_content=sealed_in(response))
    assert shown(upstream) == THOUGHT


def test_a_replayed_seal_gives_the_messages_that_the_whole_item_gives(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    response = think(client, upstream)
    replay(client, response, encrypted_content=sealed_in(response))
    replay(client, response, content=response.output[0].model_dump()["content"])
    replay(client, response, content=None, encrypted_content=sealed_in(response))
    bodies = {str(request.messages) for request in upstream.requests[1:]}
    assert len(upstream.requests) == 4
    assert len(bodies) == 1


def test_a_stream_seals_the_item_once_it_is_done(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.play(answer("Hello there.", THOUGHT))
    with client.responses.stream(
        model="tiny", input="Hello", store=False, include=[ENCRYPTED]
    ) as stream:
        events = [event for event in stream if "output_item" in event.type]
        final = stream.get_final_response()
    added, done, *_ = events
    assert (added.item.type, added.item.encrypted_content) == ("reasoning", None)
    assert done.item.encrypted_content == sealed_in(final)
    assert THOUGHT not in sealed_in(final)


def test_nothing_is_sealed_for_who_does_not_ask(client: OpenAI, upstream: ScriptedUpstream) -> None:
    response = think(client, upstream, include=[])
    assert "encrypted_content" not in response.output[0].model_fields_set


def test_a_stored_response_keeps_the_seal_that_was_shown(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    response = think(client, upstream, store=True)
    assert sealed_in(client.responses.retrieve(response.id)) == sealed_in(response)


def test_replayed_seals_are_opened_in_a_stored_history_too(
    service_factory: ServiceFactory, upstream: ScriptedUpstream, database_url: str
) -> None:
    # no cache: the second request renders what the first one stored
    env = {"RESPONSES_GW_DATABASE_HISTORY_CACHE_BYTES": "0"}
    service = service_factory({"RESPONSES_GW_DATABASE_URL": database_url, **env})
    with sdk(service) as client:
        response = think(client, upstream)
        upstream.play(thinks_and_calls())
        first = client.responses.create(
            model="tiny",
            tools=[WEATHER],
            input=going_on(response, encrypted_content=sealed_in(response)),
        )
        call_id = first.output[-1].call_id
        result: Json = {"type": "function_call_output", "call_id": call_id, "output": "rain"}
        client.responses.create(
            model="tiny", previous_response_id=first.id, tools=[WEATHER], input=[result]
        )
    thoughts = [m["reasoning"] for m in upstream.requests[-1].messages if m["role"] == "assistant"]
    assert thoughts == [THOUGHT, THOUGHT]


@pytest.mark.parametrize("case", ["tampered", "cut", "foreign", "no base64"])
def test_a_seal_that_cannot_be_opened_is_left_out(
    client: OpenAI, service: Service, upstream: ScriptedUpstream, case: str
) -> None:
    response = think(client, upstream)
    sealed = sealed_in(response)
    blob = {
        "tampered": tampered(sealed),
        "cut": sealed[:-8],
        "foreign": "gAAAAABpW3QdWYG6Ar1wW2QzetCk5vNNiIcJC9BeO4LMGSgOi9bhz",
        "no base64": "not a seal: ✂",
    }[case]
    before = len(service.log)
    replay(client, response, encrypted_content=blob)
    assert shown(upstream) is None
    logged = service.log[before:]
    assert "dropped sealed reasoning that no key opens (1)" in logged
    assert blob not in logged and THOUGHT not in logged


def test_a_second_process_on_the_same_database_opens_it(
    service_factory: ServiceFactory, upstream: ScriptedUpstream, database_url: str
) -> None:
    env = {"RESPONSES_GW_DATABASE_URL": database_url}
    first, second = service_factory(env, wait=False), service_factory(env, wait=False)
    with sdk(first.wait_ready()) as client:
        response = think(client, upstream)
    with sdk(second.wait_ready()) as client:
        replay(client, response, encrypted_content=sealed_in(response))
    assert shown(upstream) == THOUGHT
    first.kill()
    with sdk(service_factory(env)) as client:
        replay(client, response, encrypted_content=sealed_in(response))
    assert shown(upstream) == THOUGHT


def test_configured_keys_are_changed_without_a_gap(
    service_factory: ServiceFactory,
    upstream: ScriptedUpstream,
    database_url: str,
    module_database_url: str,
) -> None:
    def start(database: str, *keys: str) -> OpenAI:
        env = {
            "RESPONSES_GW_DATABASE_URL": database,
            "RESPONSES_GW_RESPONSES_SEALING_KEYS": ",".join(keys),
        }
        return sdk(service_factory(env))

    old, new = os.urandom(32).hex(), os.urandom(32).hex()
    with start(database_url, old) as client:
        response = think(client, upstream)
    with start(module_database_url, new, old) as client:
        replay(client, response, encrypted_content=sealed_in(response))
        assert shown(upstream) == THOUGHT
        newer = think(client, upstream)
    with start(database_url, new) as client:
        replay(client, newer, encrypted_content=sealed_in(newer))
        assert shown(upstream) == THOUGHT
        replay(client, response, encrypted_content=sealed_in(response))
        assert shown(upstream) is None
    assert asyncio.run(_kept_keys(database_url)) == 0


def test_a_wrong_key_stops_the_start_and_is_not_shown(
    service_factory: ServiceFactory, database_url: str
) -> None:
    env = {"RESPONSES_GW_RESPONSES_SEALING_KEYS": "hunter2"}
    service = service_factory({"RESPONSES_GW_DATABASE_URL": database_url, **env}, wait=False)
    with pytest.raises(ServiceFailed, match="exited"):
        service.wait_ready()
    assert "RESPONSES_GW_RESPONSES_SEALING_KEYS: must be a list of keys" in service.log
    assert "hunter2" not in service.log


async def _kept_keys(url: str) -> int:
    async with opened(url) as database:
        count: int = await database.fetchval("SELECT count(*) FROM sealing_keys")
        return count
