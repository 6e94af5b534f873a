"""The laws of one object: a response, its usage, an item, a part."""

from __future__ import annotations

import math
from typing import NoReturn

from .rules import Fail, GrammarError, Json
from .tables import (
    CLOSED_ITEMS,
    FAILING,
    FINAL_STATUS,
    ITEMS,
    KINDS,
    OPTIONAL,
    PART_FIELDS,
    PARTS_OF,
    REASONS,
    RESPONSE,
    STATUSES,
    Spec,
    spec,
)


def _fits(kind: str, value: object) -> bool:
    if kind.endswith("?"):
        return value is None or KINDS[kind[:-1]](value)
    return KINDS[kind](value)


def fields(found: Json, wanted: Spec, fail: Fail, rule: str = "event.fields") -> None:
    for name, kind in wanted.items():
        if name not in found:
            fail(rule, f"{name} is missing")
        if not _fits(kind, found[name]):
            fail(rule, f"{name} is not {kind}: {found[name]!r}")


def check_response_object(response: Json) -> None:
    """Hold one Response object against the laws that need no stream. Raises GrammarError."""

    def fail(rule: str, why: str) -> NoReturn:
        raise GrammarError(rule, why, None, response)

    response_laws(response, fail)


def response_laws(response: Json, fail: Fail) -> None:
    def need(condition: bool, why: str, rule: str = "response.keys") -> None:
        if not condition:
            fail(rule, why)

    fields(response, RESPONSE, fail, "response.keys")
    need(response["object"] == "response", "object is not 'response'")
    need(response["status"] in STATUSES, f"no such status: {response['status']}")
    need(response["truncation"] in ("auto", "disabled"), "truncation is neither auto nor disabled")
    need(
        response["instructions"] is None or isinstance(response["instructions"], str | list),
        "instructions are neither text, items nor null",
    )
    need(isinstance(response["tool_choice"], str | dict), "tool_choice is no word and no object")
    reasoning = response["reasoning"]
    need(reasoning is None or {"effort", "summary"} <= set(reasoning), "reasoning lacks a key")
    need(isinstance(response["text"].get("format"), dict), "text has no format")
    need(response["text"].get("verbosity", "medium") is not None, "text.verbosity is null")
    pairs = [*response["metadata"].keys(), *response["metadata"].values()]
    need(all(isinstance(value, str) for value in pairs), "metadata holds what is no string")
    _details(response, fail)
    if response["usage"] is not None:
        _usage(response["usage"], fail)
    _output(response, fail)


def _details(response: Json, fail: Fail) -> None:
    status, rule = response["status"], "response.details"
    error, reason = response["error"], response["incomplete_details"]
    if (error is not None) != (status == "failed"):
        fail(rule, f"error is {error!r} in a response that is {status}")
    if (reason is not None) != (status == "incomplete"):
        fail(rule, f"incomplete_details is {reason!r} in a response that is {status}")
    if (response["completed_at"] is not None) != (status == "completed"):
        fail(rule, f"completed_at is {response['completed_at']!r} in a response that is {status}")
    if status == "completed" and response["completed_at"] < response["created_at"]:
        fail(rule, "completed_at lies before created_at")
    if error is not None:
        fields(error, spec("code:str+ message:str+"), fail, rule)
    if reason is not None and reason.get("reason") not in REASONS:
        fail(rule, f"no such reason: {reason}")
    if response["usage"] is not None and status in ("queued", "in_progress"):
        fail(rule, f"usage is told in a response that is {status}")


def _usage(usage: Json, fail: Fail) -> None:
    rule = "response.usage"
    details = "input_tokens_details:dict output_tokens_details:dict"
    fields(usage, spec("input_tokens:int output_tokens:int total_tokens:int"), fail, rule)
    fields(usage, spec(details), fail, rule)
    fields(usage["input_tokens_details"], spec("cached_tokens:int"), fail, rule)
    fields(usage["output_tokens_details"], spec("reasoning_tokens:int"), fail, rule)
    if usage["total_tokens"] != usage["input_tokens"] + usage["output_tokens"]:
        fail(rule, "total_tokens is not the sum of input and output")
    if usage["input_tokens_details"]["cached_tokens"] > usage["input_tokens"]:
        fail(rule, "more cached tokens than input tokens")
    if usage["output_tokens_details"]["reasoning_tokens"] > usage["output_tokens"]:
        fail(rule, "more reasoning tokens than output tokens")


def _output(response: Json, fail: Fail) -> None:
    items, ended = response["output"], response["status"] not in ("queued", "in_progress")
    for item in items:
        if not isinstance(item, dict):
            fail("item.fields", f"an item is no object: {item!r}")
        item_laws(item, fail, closed=ended)
    incomplete = [place for place, item in enumerate(items) if item.get("status") == "incomplete"]
    if incomplete and (incomplete != [len(items) - 1] or response["status"] == "completed"):
        fail("item.incomplete", f"items {incomplete} are incomplete, the response {ended}")
    for name in ("id", "call_id"):
        calls = [item for item in items if name == "id" or not item["type"].endswith("_output")]
        known = [item[name] for item in calls if item.get(name) is not None]
        if len(set(known)) != len(known):
            fail("identity.unique", f"{name} is used twice: {known}")


def item_laws(item: Json, fail: Fail, *, closed: bool) -> None:
    rule, kind = "item.fields", item.get("type")
    if not isinstance(kind, str) or kind not in ITEMS:
        fail("item.type", f"no such item: {kind!r}")
    fields(item, {"id": "str+", **ITEMS[kind]}, fail, rule)
    fields(item, {name: fit for name, fit in OPTIONAL.items() if name in item}, fail, rule)
    if kind == "message" and item["role"] != "assistant":
        fail(rule, "an output message is not the assistant's")
    if closed:
        fields(item, CLOSED_ITEMS.get(kind, {}), fail, rule)
        final = FINAL_STATUS | ({"failed"} if kind in FAILING else set())
        if item.get("status", "completed") not in final:
            fail("item.status", f"a closed {kind} is {item['status']}")
    for name, kinds in (("content", PARTS_OF.get(kind, ())), ("summary", ("summary_text",))):
        for part in item.get(name, []):
            if kind in PARTS_OF:
                part_laws(part, kinds, fail)


def part_laws(part: object, kinds: tuple[str, ...], fail: Fail) -> None:
    if not isinstance(part, dict) or part.get("type") not in kinds:
        fail("item.fields", f"this part is none of {kinds}: {part!r}")
    fields(part, PART_FIELDS[part["type"]], fail, "item.fields")
    if part["type"] == "output_text" and "logprobs" in part:
        logprobs_laws(part["logprobs"], fail, "item.fields")


def logprobs_laws(values: object, fail: Fail, rule: str = "event.fields") -> None:
    if not isinstance(values, list):
        fail(rule, f"logprobs are no list: {values!r}")
    for value in values:
        if not isinstance(value, dict):
            fail(rule, f"a logprob is no object: {value!r}")
        fields(value, spec("token:str logprob:num top_logprobs:list"), fail, rule)
        if not math.isfinite(value["logprob"]):
            fail(rule, "a logprob is not finite")
