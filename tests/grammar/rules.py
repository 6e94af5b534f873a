"""The laws by name, and the error that says which one is broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

Json = dict[str, Any]
Fail = Callable[[str, str], NoReturn]

RULES = {
    "sse.frame": "every frame is `event: T\\ndata: {json}\\n\\n`, or comment lines",
    "sse.json": "data is one strict JSON object, without surrogates, NaN or repeated keys",
    "sse.type": "the event line is the type of the JSON",
    "sse.done": "`data: [DONE]` stands exactly once, last",
    "event.type": "every event has a type that this dialect knows",
    "event.fields": "every event has its fields, with their types",
    "event.sequence": "sequence_number counts all events from 0 without gaps",
    "event.obfuscation": "only deltas carry obfuscation; it fills them up to 16 letters or digits",
    "lifecycle.first": "response.created comes first, once",
    "lifecycle.second": "response.in_progress comes second (after response.queued), once",
    "lifecycle.queued": "only a background response is queued",
    "terminal.missing": "a complete stream ends with a terminal event",
    "terminal.last": "nothing follows the terminal event",
    "terminal.open": "nothing is open when the response ends",
    "error.failed": "`error` and response.failed come together, in this order",
    "error.same": "error (nested and flat) and response.error say the same",
    "nesting.item": "an item is closed before the next one opens; events belong to the open item",
    "nesting.part": "a part is closed before the next one opens; deltas belong to the open part",
    "nesting.order": "within an item the events come in their order, `done` after the deltas",
    "index.output": "output_index counts the items from 0",
    "index.content": "content_index counts the content parts of an item from 0",
    "index.summary": "summary_index counts the summary parts of an item from 0",
    "index.annotation": "annotation_index counts the annotations of a part from 0",
    "identity.item": "id, type, call_id and names of an item never change",
    "identity.unique": "no two items have the same id or call_id",
    "item.type": "an item has a type that clients know",
    "item.fields": "an item and its parts have their fields, with their types",
    "item.zero": "an item or part that opens is empty",
    "item.status": "an item opens in_progress and closes with a final status",
    "item.incomplete": "an incomplete item is the last one, in a response that was not completed",
    "text.concat": "`done` repeats what the deltas said",
    "text.part": "the closed part repeats what its events said",
    "text.item": "the closed item repeats what its events said",
    "output.final": "the final output is the closed items",
    "response.keys": "a Response has all its keys, with their types",
    "response.id": "the response keeps its id",
    "response.constant": "what the request settled is the same in all lifecycle events",
    "response.start": "a response that starts has no output, usage or end",
    "response.status": "the status is the one that the event says",
    "response.details": "error, incomplete_details and completed_at fit the status",
    "response.usage": "usage adds up",
    "sdk.type": "the openai SDK's type of this event accepts it",
    "sdk.stream": "the openai SDK can follow the stream",
    "open_responses.schema": "the schema of Open Responses accepts it",
}


class GrammarError(AssertionError):
    """A law is broken: ``rule`` says which, ``index`` at which event."""

    def __init__(self, rule: str, why: str, index: int | None = None, event: object = None) -> None:
        shown = json.dumps(event, ensure_ascii=False, default=repr)
        if len(shown) > 2000:
            shown = f"{shown[:1500]} … {shown[-400:]}"
        place = "" if index is None else f"event {index}: "
        super().__init__(f"[{rule}] {place}{why}\n  rule: {RULES[rule]}\n  found: {shown}")
        self.rule = rule
        self.index = index
