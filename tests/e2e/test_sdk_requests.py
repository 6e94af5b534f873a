"""Requests of the SDK's own parameter types get an answer that keeps to the grammar, or a 400."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..grammar import check, check_response_object, parse_sse
from ..support.sdk_requests import PREVIOUS_RESPONSE, PROMPT, STORED_ITEM, sdk_requests
from ..support.sdk_types import Json
from ..support.service import Service
from ..support.steps import DEFAULT, Step
from ..support.upstream import (
    DONE,
    ScriptedUpstream,
    arguments,
    call,
    finish,
    reasoning,
    role,
    text,
    usage,
)

NAMES = ("f", "ns__f", "read_file", "shell", "local_shell", "apply_patch", "computer",
         "tool_search", "nobody")  # fmt: skip
ARGUMENTS = ("", "{}", '{"input":"x"}', '{"commands":["ls"]}', '{"command":["ls"]}', "no json",
             '{"type":"delete_file","path":"a"}', '{"action":{"type":"wait"}}')  # fmt: skip
OUTPUTS: dict[str, Json] = {
    "function_call": {"type": "function_call_output", "output": "r"},
    "custom_tool_call": {"type": "custom_tool_call_output", "output": "r"},
    "tool_search_call": {"type": "tool_search_output", "tools": []},
    "local_shell_call": {"type": "local_shell_call_output", "output": "r"},
    "shell_call": {"type": "shell_call_output", "output": []},
    "apply_patch_call": {"type": "apply_patch_call_output", "status": "completed"},
    "computer_call": {
        "type": "computer_call_output",
        "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,AA=="},
    },
}


@pytest.fixture(scope="module")
def service_env(
    base_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("service")
    (folder / "weather.toml").write_text(PROMPT)
    return base_env | {"RESPONSES_GW_RESPONSES_PROMPTS_DIR": str(folder)}


class Client:
    """One connection that stays open, and a stored response that requests may name."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        _, data = self.send("POST", "/v1/responses", {"model": "tiny", "input": "q"})
        self._response = json.loads(data)

    def create(self, body: Json) -> tuple[int, bytes]:
        found = json.dumps(body)
        found = found.replace(PREVIOUS_RESPONSE, self._response["id"])
        found = found.replace(STORED_ITEM, self._response["output"][-1]["id"])
        return self.send("POST", "/v1/responses", json.loads(found))

    def send(self, method: str, path: str, body: Json | None = None) -> tuple[int, bytes]:
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, {"content-type": "application/json"})
        answer = self._connection.getresponse()
        return answer.status, answer.read()


@st.composite
def scripts(draw: st.DrawFn) -> tuple[Step, ...]:
    """What a model says: now and then it calls one of the tools that requests have."""
    if draw(st.booleans()):
        return DEFAULT
    made = st.tuples(st.sampled_from(NAMES), st.sampled_from(ARGUMENTS))
    calls = draw(st.lists(made, max_size=2))
    said: list[Step] = [role(), reasoning("hm"), text("Well.")]
    for index, (name, given_arguments) in enumerate(calls):
        said += [call(index, f"call_{index}_{name}", name), arguments(index, given_arguments)]
    ends = ("stop", "length") if not calls else ("tool_calls",)
    return (*said, finish(draw(st.sampled_from(ends))), usage(), DONE)


def check_answer(body: Json, status: int, data: bytes) -> Json | None:
    """The response, if there is one."""
    assert status < 500, data
    if status != 200:
        error = json.loads(data)["error"]
        kind = "external_connector_error" if status == 424 else "invalid_request_error"
        assert error["type"] == kind, error
        return None
    response: Json = check(parse_sse(data)) if body.get("stream") else json.loads(data)
    check_response_object(response)
    assert response["status"] in ("completed", "incomplete"), response["error"]
    return response


def check_stored(client: Client, response: Json) -> None:
    """It can be read, its input can be listed, and the model's calls can be answered."""
    status, data = client.send("GET", f"/v1/responses/{response['id']}")
    assert (status, json.loads(data)) == (200, response)
    status, data = client.send("GET", f"/v1/responses/{response['id']}/input_items?limit=100")
    assert status == 200, data
    outputs = [
        OUTPUTS[item["type"]] | {"call_id": item["call_id"]}
        for item in response["output"]
        if item["type"] in OUTPUTS
    ]
    items = [*outputs, {"role": "user", "content": "And now?"}]
    body = {"model": "tiny", "previous_response_id": response["id"], "input": items}
    status, data = client.create(body)
    if status == 400:  # a call of the first input that nobody answered
        assert json.loads(data)["error"]["message"].startswith("No tool output found"), data
    else:
        assert check_answer(body, status, data) is not None


def test_every_request_gets_an_answer_or_a_400(
    service: Service, shared_upstream: ScriptedUpstream
) -> None:
    answered: list[Json] = []
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    with closing(connection):
        client = Client(connection)

        @settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
        @given(sdk_requests(), scripts())
        def law(body: Json, script: tuple[Step, ...]) -> None:
            shared_upstream.default = script
            response = check_answer(body, *client.create(body))
            if response is not None:
                answered.append(response)
                if body.get("store") is not False:
                    check_stored(client, response)

        law()
    assert len(answered) > 50, "most requests did not get to the model"
    assert "Traceback" not in service.log
