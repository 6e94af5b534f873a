"""What the SDK's types allow becomes a chat request or OpenAI's 400, and nothing else."""

from __future__ import annotations

import json
import re

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from responses_gw.api.echo import response_settings
from responses_gw.api.errors import ApiError, ErrorEnvelope
from responses_gw.api.items import AdditionalTools, ToolSearchOutput
from responses_gw.api.request import RequestBody
from responses_gw.api.stored import record_of
from responses_gw.api.validate import decode_create_response, decode_input_item, decode_tool
from responses_gw.prompt.chat_request import chat_request, needs_final_round
from responses_gw.prompt.known_models import KNOWN_MODELS
from responses_gw.prompt.profile import ModelProfile
from responses_gw.prompt.snapshot import Snapshot
from responses_gw.prompt.template import PromptTemplate
from responses_gw.prompt.toolset import NO_TOOLS, Toolset
from responses_gw.prompt.transcript import Transcript

from ..support.chat_rules import check_chat_request
from ..support.sdk_requests import PROMPT, broken_requests, sdk_requests
from ..support.sdk_types import Json

PROFILES = st.sampled_from(
    [
        ModelProfile(),
        ModelProfile("openai", reasoning_replay="none"),
        ModelProfile(reasoning_replay="all", late_system="system", tool_images="tool"),
        ModelProfile(developer="user", late_system="user", cache_salt="prompt_cache_key"),
        *(msgspec.convert(known.changes, ModelProfile) for known in KNOWN_MODELS),
    ]
)
PYTHON = re.compile(
    r"msgspec|Traceback|has no attribute|<class|object at 0x|Error\b|codec can't|NoneType|Struct|"
    r"\bRaw\b|(?<!')\bb'|responses_gw|\.py\b"
)
_template = msgspec.toml.decode(PROMPT, type=PromptTemplate)


def fill(body: RequestBody) -> RequestBody:
    assert body.prompt is not None
    return _template.fill(body, body.prompt)


def prepared(data: bytes, profile: ModelProfile) -> bytes:
    """What goes up for a request, in the way of ``engine.preparation`` without its I/O."""
    request = decode_create_response(data, fill)
    json.loads(response_settings(request))
    found = [
        decode_tool(raw, "tools")
        for item in request.items
        if isinstance(item, AdditionalTools | ToolSearchOutput)
        for raw in item.tools
    ]
    toolset = Toolset(request.tools, found, can_constrain=profile.dialect == "vllm")
    transcript = Transcript(profile, Snapshot(profile))
    transcript.add(request.items)
    transcript.check_answered()
    tools = toolset.chat_tools(request.tool_choice, request.body.parallel_tool_calls)
    messages = transcript.messages(request.body.instructions)
    if messages == b"[]":
        raise ApiError("The input has nothing that the model can read.", param="input")
    if needs_final_round(request, tools):
        final = chat_request(request, messages, NO_TOOLS, profile)
        check_chat_request(final, is_vllm=profile.dialect == "vllm")
    for item, raw in zip(request.items, request.raw_items, strict=True):
        record = record_of(item, raw)
        decode_input_item(record.body, "input")
    return chat_request(request, messages, tools, profile)


def check_refusal(error: ApiError) -> None:
    assert 400 <= error.status < 500
    told = json.loads(msgspec.json.encode(ErrorEnvelope(error.body)))["error"]
    assert told["type"] == "invalid_request_error"
    assert not PYTHON.search(told["message"]), told["message"]


class Tally:
    """How many requests a model would have seen, and why it did not see the others."""

    def __init__(self) -> None:
        self.taken = 0
        self.refused: list[str] = []

    def count(self, body: Json, profile: ModelProfile) -> None:
        try:
            sent = prepared(json.dumps(body).encode(), profile)
        except ApiError as error:
            check_refusal(error)
            self.refused.append(error.message)
        else:
            check_chat_request(sent, is_vllm=profile.dialect == "vllm")
            self.taken += 1


def run(requests: st.SearchStrategy[Json], examples: int) -> Tally:
    tally = Tally()

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(requests, PROFILES)
    def law(body: Json, profile: ModelProfile) -> None:
        tally.count(body, profile)

    law()
    return tally


def test_a_request_of_the_sdk_s_types_becomes_a_chat_request_or_a_400() -> None:
    tally = run(sdk_requests(), 800)
    assert tally.taken > len(tally.refused) / 3, "most requests did not get to a model"


def test_a_request_that_the_api_would_run_becomes_a_chat_request() -> None:
    tally = run(sdk_requests(tame=True), 800)
    assert set(tally.refused) == set()


def test_a_request_with_one_value_of_another_kind_becomes_a_chat_request_or_a_400() -> None:
    run(broken_requests(), 800)
