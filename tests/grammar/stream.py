"""The laws of a whole stream: one walk, one open item, one open part."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

from .objects import fields, item_laws, logprobs_laws, part_laws, response_laws
from .rules import GrammarError, Json
from .tables import (
    CHANGING,
    EVENTS,
    LASTING,
    LIFECYCLE,
    LOOSE,
    PARTS,
    PARTS_OF,
    REASONING_TEXT,
    STEPS,
    TERMINAL,
    VALUES,
    WHOLE,
    Dialect,
    Streamed,
    spec,
    step_of,
)


def check(
    events: list[Json], *, reasoning_dialect: Dialect = "openai", complete: bool = True
) -> Json:
    """Hold all the events of one response against the laws and return its last Response object.

    With ``complete=False`` the stream may stop anywhere (a lost connection, a cancelled response).
    Raises GrammarError at the first event that breaks a rule.
    """
    walk = _Walk(reasoning_dialect)
    for index, event in enumerate(events):
        walk.step(index, event)
    return walk.end(complete)


@dataclass
class _OpenPart:
    kind: str
    stream: Streamed
    pieces: list[str] = field(default_factory=list)
    logprobs: list[Json] = field(default_factory=list)
    annotations: list[Json] = field(default_factory=list)
    final: str | None = None


@dataclass
class _OpenItem:
    added: Json
    parts: dict[str, list[Json]] = field(default_factory=lambda: {"content": [], "summary": []})
    part: _OpenPart | None = None
    pieces: list[str] = field(default_factory=list)
    final: str | None = None
    seen: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        kind: str = self.added["type"]
        return kind


class _Walk:
    """One pass over the events of a response."""

    def __init__(self, dialect: Dialect) -> None:
        other = REASONING_TEXT["open_responses" if dialect == "openai" else "openai"]
        self._unknown = {other.delta, other.done}
        self._parts = {**PARTS, "reasoning_text": REASONING_TEXT[dialect]}
        self._deltas = {stream.delta for stream in self._parts.values()}
        self._dones = {stream.done for stream in self._parts.values()}
        self._index = -1
        self._event: Json = {}
        self._before: list[str] = []  # the types of the events so far
        self._first: Json | None = None  # response.created's response
        self._last: Json = {}
        self._error: Json | None = None
        self._done: list[Json] = []
        self._open: _OpenItem | None = None

    def fail(self, rule: str, why: str) -> NoReturn:
        raise GrammarError(rule, why, self._index, self._event)

    def need(self, condition: bool, rule: str, why: str) -> None:
        if not condition:
            self.fail(rule, why)

    def step(self, index: int, event: Json) -> None:
        self._index, self._event = index, event
        kind = event.get("type")
        if kind not in EVENTS or kind in self._unknown:
            self.fail("event.type", f"unknown: {kind!r}")
        number = event.get("sequence_number")
        if type(number) is not int or number != index:
            self.fail("event.sequence", f"sequence_number is {number!r}, {index} was expected")
        fields(event, EVENTS[kind], self.fail)
        self._obfuscation(kind, event)
        self._order(kind)
        self._dispatch(kind, event)
        self._before.append(kind)

    def end(self, complete: bool) -> Json:
        if complete:
            self.need(bool(self._before), "lifecycle.first", "there are no events")
            self.need(self._before[-1] in TERMINAL, "terminal.missing", "the stream just stops")
        return self._last

    def _obfuscation(self, kind: str, event: Json) -> None:
        if "obfuscation" not in event:
            return
        rule, fill = "event.obfuscation", event["obfuscation"]
        self.need(kind.endswith(".delta"), rule, "this is no delta")
        if not isinstance(fill, str) or not re.fullmatch(r"[A-Za-z0-9]*", fill):
            self.fail(rule, f"not letters and digits: {fill!r}")
        self.need((len(event["delta"]) + len(fill)) % 16 == 0, rule, "no multiple of 16")

    def _order(self, kind: str) -> None:
        before = self._before
        starts = ("response.created", "response.queued")
        ended = bool(before) and before[-1] in TERMINAL
        self.need(not ended, "terminal.last", "the response has already ended")
        self.need(
            (not before) == (kind == "response.created"), "lifecycle.first", f"{kind} stands here"
        )
        if kind == "response.queued":
            self.need(before == ["response.created"], "lifecycle.second", "queued comes too late")
        elif before:
            first = all(name in starts for name in before)
            self.need(
                first == (kind == "response.in_progress"), "lifecycle.second", f"{kind} stands here"
            )
        after_error = bool(before) and before[-1] == "error"
        self.need(
            after_error == (kind == "response.failed"),
            "error.failed",
            f"{kind} follows {before[-1] if before else 'nothing'}",
        )

    def _dispatch(self, kind: str, event: Json) -> None:
        if kind in LIFECYCLE:
            self._lifecycle(kind, event["response"])
        elif kind == "error":
            self.need(self._open is None, "terminal.open", "an item is open")
            self._error_event(event)
        elif kind == "response.output_item.added":
            self._item_added(event)
        else:
            self._in_item(kind, event)

    # --- the response --------------------------------------------------------------------------

    def _lifecycle(self, kind: str, response: Json) -> None:
        if kind in TERMINAL:
            self.need(self._open is None, "terminal.open", "an item is open")
        statuses = LIFECYCLE[kind]
        self.need(
            response.get("status") in statuses,
            "response.status",
            f"the response is {response.get('status')!r}",
        )
        if kind not in TERMINAL:
            self._starting(response)
        response_laws(response, self.fail)
        if response["status"] == "queued":
            self.need(response["background"], "lifecycle.queued", "it is not in the background")
        first = self._first = self._first or response
        self.need(response["id"] == first["id"], "response.id", f"it was {first['id']}")
        for name in (first.keys() | response.keys()) - CHANGING:
            same = name in first and name in response and first[name] == response[name]
            self.need(same, "response.constant", f"{name} was {first.get(name)!r}")
        if kind in TERMINAL:
            same = response["output"] == self._done
            self.need(same, "output.final", f"the closed items are {self._done}")
        if kind == "response.failed":
            self._same_error(response["error"])
        self._last = response

    def _starting(self, response: Json) -> None:
        for name, empty in (("output", []), ("usage", None), ("completed_at", None)):
            value = response.get(name, empty)
            self.need(value == empty, "response.start", f"{name} is {value!r}")

    def _error_event(self, event: Json) -> None:
        nested = event["error"]
        fields(nested, spec("type:str+ code:str+ message:str+ param:str?"), self.fail)
        for name in ("code", "message", "param"):
            flat = event.get(name, nested[name])
            self.need(flat == nested[name], "error.same", f"{name} is {flat!r} outside")
        self._error = nested

    def _same_error(self, error: Json) -> None:
        told = self._error or {}
        for name in ("code", "message"):
            self.need(error[name] == told[name], "error.same", f"{name} was {told[name]!r}")

    # --- items ---------------------------------------------------------------------------------

    def _item_added(self, event: Json) -> None:
        self.need(self._open is None, "nesting.item", "another item is open")
        place, item = event["output_index"], event["item"]
        self.need(place == len(self._done), "index.output", f"{len(self._done)} was expected")
        item_laws(item, self.fail, closed=False)
        for name in ("id", "call_id"):
            used = [old.get(name) for old in self._done if not old["type"].endswith("_output")]
            fresh = item.get(name) is None or item[name] not in used
            if not item["type"].endswith("_output"):
                self.need(fresh, "identity.unique", f"{name} was used before")
        if item["type"] not in WHOLE:
            status = item.get("status", "in_progress")
            self.need(status == "in_progress", "item.status", f"it opens {status!r}")
        stream = VALUES.get(item["type"])
        empty: dict[str, tuple[object, ...]] = {}
        if item["type"] in PARTS_OF:
            empty = {"content": ([],), "summary": ([],)}
        elif stream is not None:
            empty = {stream.key: ("", None)}
        for name, values in empty.items():
            zero = item.get(name, values[0]) in values
            self.need(zero, "item.zero", f"{name} is {item.get(name)!r}")
        self._open = _OpenItem(item)

    def _in_item(self, kind: str, event: Json) -> None:
        item = self._open
        if item is None:
            self.fail("nesting.item", "no item is open")
        place = event["output_index"]
        self.need(place == len(self._done), "index.output", f"{len(self._done)} is open")
        if "item_id" in event:
            same = event["item_id"] == item.added["id"]
            self.need(same, "identity.item", f"{item.added['id']} is open")
        if kind == "response.output_item.done":
            self._item_done(item, event["item"])
        elif kind.endswith("_part.added"):
            self._part_added(item, event)
        elif kind.endswith("_part.done"):
            self._part_done(item, event)
        elif kind in self._deltas or kind in self._dones or kind.endswith("annotation.added"):
            self._in_part(item, kind, event)
        else:
            self._progress(item, kind, event)

    def _progress(self, item: _OpenItem, kind: str, event: Json) -> None:
        stream = VALUES.get(item.kind)
        if kind in LOOSE:
            self.need(LOOSE[kind] == item.kind, "nesting.item", f"a {item.kind} is open")
            return
        place = step_of(item.kind, kind)
        if place is None:
            self.fail("nesting.item", f"a {item.kind} is open")
        last = step_of(item.kind, item.seen[-1]) if item.seen else None
        again = kind.endswith((".delta", ".partial_image", "mcp_call.in_progress"))
        finished = stream is not None and stream.done in item.seen and kind == stream.delta
        order = last is None or place > last or (place == last and (again or kind not in item.seen))
        self.need(order and not finished, "nesting.order", f"before it came {item.seen[-1:]}")
        item.seen.append(kind)
        if stream is not None and kind == stream.delta:
            item.pieces.append(event["delta"])
        elif stream is not None and kind == stream.done:
            item.final = event[stream.key]
            told = "".join(item.pieces)
            self.need(item.final == told, "text.concat", f"the deltas said {told!r}")
            name = event.get("name", item.added.get("name"))
            self.need(name == item.added.get("name"), "identity.item", f"name is now {name!r}")

    def _item_done(self, item: _OpenItem, done: Json) -> None:
        self.need(item.part is None, "nesting.part", "a part is open")
        for name in LASTING:
            old, new = item.added.get(name), done.get(name)
            self.need(old == new, "identity.item", f"{name} was {old!r}, is {new!r}")
        item_laws(done, self.fail, closed=True)
        if item.kind in PARTS_OF:
            for name, parts in item.parts.items():
                found = done.get(name, [])
                self.need(found == parts, "text.item", f"{name} was {parts}")
        self._all_steps(item, done)
        if item.kind == "mcp_approval_request":
            self.need(done == item.added, "text.item", "it differs from what was added")
        self._done.append(done)
        self._open = None

    def _all_steps(self, item: _OpenItem, done: Json) -> None:
        stream = VALUES.get(item.kind)
        if stream is not None and item.final is not None:
            found = done.get(stream.key, done.get("operation", {}).get(stream.key))
            self.need(found == item.final, "text.item", f"{stream.key} was {item.final!r}")
        elif stream is not None:
            always = item.kind in ("function_call", "custom_tool_call")
            self.need(not (item.pieces or always), "nesting.order", f"no {stream.done} came")
        status = done.get("status", "completed")
        told = [
            end for end in ("completed", "failed") if f"response.{item.kind}.{end}" in item.seen
        ]
        if "status" in done and told:
            self.need(told == [status], "item.status", f"the events said {told}")
        if f"response.{item.kind}.{status}" not in EVENTS:
            return  # it stopped somewhere on the way, or has no steps
        for number, step in enumerate(STEPS[item.kind].split()):
            seen = any(step_of(item.kind, kind) == number for kind in item.seen)
            self.need(seen or "*" in step, "nesting.order", f"the step {step} is missing")

    # --- parts ---------------------------------------------------------------------------------

    def _container(self, item: _OpenItem, event: Json) -> tuple[str, tuple[str, ...]]:
        """Where this event's part belongs and which kinds may stand there; checks its index."""
        name = "summary" if "summary_index" in event else "content"
        kinds = ("summary_text",) if name == "summary" else PARTS_OF.get(item.kind, ())
        if item.kind not in PARTS_OF or (name == "summary" and item.kind != "reasoning"):
            self.fail("nesting.item", f"a {item.kind} has no such part")
        expected = len(item.parts[name])
        found = event[f"{name}_index"]
        self.need(found == expected, f"index.{name}", f"{expected} was expected")
        return name, kinds

    def _part_added(self, item: _OpenItem, event: Json) -> None:
        self.need(item.part is None, "nesting.part", "another part is open")
        name, kinds = self._container(item, event)
        if name == "content":
            self.need(not item.parts["summary"], "nesting.order", "content comes before summary")
        part = event["part"]
        part_laws(part, kinds, self.fail)
        for key in ("text", "refusal", "annotations", "logprobs"):
            self.need(not part.get(key), "item.zero", f"{key} is {part.get(key)!r}")
        item.part = _OpenPart(part["type"], self._parts[part["type"]])

    def _in_part(self, item: _OpenItem, kind: str, event: Json) -> None:
        part = item.part
        if part is None:
            self.fail("nesting.part", "no part is open")
        self._container(item, event)
        if kind == "response.output_text.annotation.added":
            self.need(part.kind == "output_text", "nesting.part", f"a {part.kind} part is open")
            expected = len(part.annotations)
            found = event["annotation_index"]
            self.need(found == expected, "index.annotation", f"{expected} was expected")
            self.need(part.final is None, "nesting.order", "the text is done")
            part.annotations.append(event["annotation"])
            return
        mine = kind in (part.stream.delta, part.stream.done)
        self.need(mine, "nesting.part", f"a {part.kind} part is open")
        self.need(part.final is None, "nesting.order", "the text is done")
        logprobs_laws(event.get("logprobs", []), self.fail)
        if kind == part.stream.delta:
            part.pieces.append(event["delta"])
            part.logprobs += event.get("logprobs", [])
            return
        part.final = event[part.stream.key]
        told = "".join(part.pieces)
        self.need(part.final == told, "text.concat", f"the deltas said {told!r}")
        same = event.get("logprobs", []) == part.logprobs
        self.need(same, "text.concat", f"the deltas had the logprobs {part.logprobs}")

    def _part_done(self, item: _OpenItem, event: Json) -> None:
        part = item.part
        if part is None:
            self.fail("nesting.part", "no part is open")
        name, _ = self._container(item, event)
        found = event["part"]
        part_laws(found, (part.kind,), self.fail)
        self.need(part.final is not None, "nesting.order", f"no {part.stream.done} came")
        told: Json = {part.stream.key: part.final}
        if part.kind == "output_text":
            told |= {"annotations": part.annotations}
            if part.logprobs or "logprobs" in found:
                told |= {"logprobs": part.logprobs}
        for key, value in told.items():
            self.need(found.get(key) == value, "text.part", f"{key} was {value!r}")
        item.parts[name].append(found)
        item.part = None
