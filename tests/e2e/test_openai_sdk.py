"""The official SDK drives the running service: what it raises on would break its users."""

from __future__ import annotations

import json

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from ..support.upstream import (
    DONE,
    ScriptedUpstream,
    answer,
    arguments,
    call,
    finish,
    reasoning,
    role,
    text,
    usage,
)

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather for a city",
    "strict": False,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def calls(*cities: str) -> bytes:
    """A turn that thinks and then calls the tool once for each city."""
    data = role() + reasoning("I need the weather.")
    for index, city in enumerate(cities):
        data += call(index, f"chatcmpl-tool-{city}", "get_weather")
        data += arguments(index, '{"city": ') + arguments(index, json.dumps(city) + "}")
    return data + finish("tool_calls") + usage() + DONE


def test_create_answers_with_the_whole_response(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.play(answer("Hello there.", "The user greets me."))
    response = client.responses.create(model="tiny", input="Hello", instructions="Be kind.")
    assert response.output_text == "Hello there."
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.status == "completed"
    assert response.error is None
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (12, 21)
    assert response.usage.output_tokens_details.reasoning_tokens == 7
    assert response.instructions == "Be kind."
    assert upstream.requests[0].messages == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
    ]


def test_stream_passes_the_strict_accumulator(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.play(answer("Hello there.", "Hm."))
    with client.responses.stream(model="tiny", input="Hello") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert "response.reasoning_text.delta" in kinds
    assert final.output_text == "Hello there."


class Answer(BaseModel):
    value: int


def test_parse_gives_an_object(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.play(answer('{"value": 42}'))
    response = client.responses.parse(model="tiny", input="Hello", text_format=Answer)
    assert response.output_parsed == Answer(value=42)
    sent = upstream.requests[0].json["response_format"]
    assert isinstance(sent, dict)
    assert sent["json_schema"]["schema"]["properties"] == {
        "value": {"title": "Value", "type": "integer"}
    }


def test_a_tool_loop_by_id(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.play(calls("Paris", "Oslo"))
    upstream.play(answer("Sunny in both."))
    first = client.responses.create(model="tiny", input="Weather?", tools=[WEATHER])
    made = [item for item in first.output if item.type == "function_call"]
    assert [json.loads(item.arguments) for item in made] == [{"city": "Paris"}, {"city": "Oslo"}]
    second = client.responses.create(
        model="tiny",
        previous_response_id=first.id,
        tools=[WEATHER],
        input=[
            {"type": "function_call_output", "call_id": item.call_id, "output": "sunny"}
            for item in made
        ],
    )
    assert second.output_text == "Sunny in both."
    roles = [message["role"] for message in upstream.requests[1].messages]
    assert roles == ["user", "assistant", "tool", "tool"]
    assistant = upstream.requests[1].messages[1]
    assert assistant["reasoning"] == "I need the weather."
    assert isinstance(assistant["tool_calls"], list)
    assert len(assistant["tool_calls"]) == 2


def test_a_tool_loop_by_replay_sends_the_same_messages(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    upstream.play(calls("Paris"))
    first = client.responses.create(model="tiny", input="Weather?", tools=[WEATHER])
    made = first.output[-1]
    assert made.type == "function_call"
    result = {"type": "function_call_output", "call_id": made.call_id, "output": "sunny"}
    client.responses.create(
        model="tiny", previous_response_id=first.id, input=[result], tools=[WEATHER]
    )
    replay = [
        {"role": "user", "content": "Weather?"},
        *(item.model_dump(exclude_none=True) for item in first.output),
        result,
    ]
    client.responses.create(model="tiny", input=replay, tools=[WEATHER], store=False)
    assert upstream.requests[2].messages == upstream.requests[1].messages


def test_streamed_tool_arguments(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.play(calls("Paris", "Oslo"))
    with client.responses.stream(model="tiny", input="Weather?", tools=[WEATHER]) as stream:
        deltas = [e.delta for e in stream if e.type == "response.function_call_arguments.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == '{"city": "Paris"}{"city": "Oslo"}'
    assert [item.type for item in final.output] == ["reasoning", "function_call", "function_call"]


def test_five_turns_by_previous_response_id(client: OpenAI, upstream: ScriptedUpstream) -> None:
    previous = None
    for turn in range(5):
        upstream.play(answer(f"answer {turn}", f"thought {turn}"))
        response = client.responses.create(
            model="tiny", input=f"question {turn}", previous_response_id=previous
        )
        assert response.previous_response_id == previous
        previous = response.id
    assert [message["content"] for message in upstream.requests[4].messages] == [
        "question 0", "answer 0", "question 1", "answer 1", "question 2", "answer 2",
        "question 3", "answer 3", "question 4",
    ]  # fmt: skip


def test_branches_of_a_chain_do_not_see_each_other(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    root = client.responses.create(model="tiny", input="root")
    client.responses.create(model="tiny", input="left", previous_response_id=root.id)
    client.responses.create(model="tiny", input="right", previous_response_id=root.id)
    contents = [message["content"] for message in upstream.requests[2].messages]
    assert contents == ["root", "Hello there.", "right"]


def test_instructions_are_not_inherited(client: OpenAI, upstream: ScriptedUpstream) -> None:
    first = client.responses.create(model="tiny", input="a", instructions="one")
    client.responses.create(model="tiny", input="b", previous_response_id=first.id)
    assert upstream.requests[1].messages[0]["role"] == "user"


def test_retrieve_shows_what_create_answered(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.play(calls("Paris"))
    created = client.responses.create(
        model="tiny", input="q", tools=[WEATHER], metadata={"k": "v"}, temperature=0.5
    )
    assert client.responses.retrieve(created.id).model_dump() == created.model_dump()


def test_delete_removes_a_response(client: OpenAI, upstream: ScriptedUpstream) -> None:
    response = client.responses.create(model="tiny", input="q")
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError, match=f"Response with id '{response.id}' not found"):
        client.responses.retrieve(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(response.id)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="tiny", input="q", previous_response_id=response.id)
    assert caught.value.code == "previous_response_not_found"


def test_a_chain_with_a_deleted_link_is_not_continued(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    """Also when this process still remembers the chain."""
    first = client.responses.create(model="tiny", input="secret")
    second = client.responses.create(model="tiny", input="b", previous_response_id=first.id)
    client.responses.delete(first.id)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="tiny", input="c", previous_response_id=second.id)
    assert caught.value.code == "previous_response_not_found"
    assert len(upstream.requests) == 2


def test_input_items_are_listed_in_pages(client: OpenAI, upstream: ScriptedUpstream) -> None:
    items = [{"role": "user", "content": f"number {n}"} for n in range(25)]
    response = client.responses.create(model="tiny", input=items)
    listed = list(client.responses.input_items.list(response.id, order="asc", limit=10))
    texts = [item.content[0].text for item in listed]
    assert texts == [f"number {n}" for n in range(25)]
    assert all(item.id.startswith("msg_") and item.status == "completed" for item in listed)
    newest = client.responses.input_items.list(response.id, limit=3)
    assert [item.content[0].text for item in newest.data] == ["number 24", "number 23", "number 22"]
    assert newest.has_more


def test_what_is_not_stored_cannot_be_found(client: OpenAI, upstream: ScriptedUpstream) -> None:
    response = client.responses.create(model="tiny", input="q", store=False)
    assert response.store is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_an_item_reference_stands_for_a_stored_item(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    first = client.responses.create(model="tiny", input="q")
    reference = {"type": "item_reference", "id": first.output[-1].id}
    client.responses.create(model="tiny", input=[reference, {"role": "user", "content": "r"}])
    contents = [message["content"] for message in upstream.requests[1].messages]
    assert contents == ["Hello there.", "r"]
    with pytest.raises(openai.NotFoundError, match="Item with id 'msg_nope' not found"):
        client.responses.create(model="tiny", input=[{"type": "item_reference", "id": "msg_nope"}])


def test_running_out_of_tokens_is_incomplete(client: OpenAI, upstream: ScriptedUpstream) -> None:
    upstream.play(role(), text("Once upon"), finish("length"), usage(), DONE)
    response = client.responses.create(model="tiny", input="q", max_output_tokens=16)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output[-1].status == "incomplete"
    assert client.responses.retrieve(response.id).status == "incomplete"


def test_models(client: OpenAI, upstream: ScriptedUpstream) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert client.models.retrieve("tiny").id == "tiny"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("org/other")


def test_a_wrong_request_is_the_sdks_bad_request(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="tiny", input="q", temperature=5)
    assert caught.value.code == "decimal_above_max_value"
    assert caught.value.param == "temperature"
    assert caught.value.request_id
    assert upstream.requests == []


@pytest.mark.anyio
async def test_the_async_client(async_client: AsyncOpenAI, upstream: ScriptedUpstream) -> None:
    first = await async_client.responses.create(model="tiny", input="q")
    async with async_client.responses.stream(
        model="tiny", input="r", previous_response_id=first.id
    ) as stream:
        final = await stream.get_final_response()
    assert final.output_text == "Hello there."
    assert (await async_client.responses.retrieve(final.id)).id == final.id
    listed = [item async for item in async_client.responses.input_items.list(final.id)]
    assert len(listed) == 1
    await async_client.responses.delete(final.id)
