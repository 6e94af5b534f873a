"""Streams that keep the laws: hand-made ones and published recordings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .rules import Json
from .tables import PARTS, REASONING_TEXT, Dialect, Streamed

RECORDINGS = Path(__file__).parent.parent / "recordings"
RESPONSE: Json = {
    "id": "resp_1",
    "object": "response",
    "created_at": 100,
    "completed_at": None,
    "status": "in_progress",
    "background": False,
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "model": "tiny",
    "output": [],
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "top_logprobs": 0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "truncation": "disabled",
    "usage": None,
    "user": None,
    "safety_identifier": None,
    "prompt_cache_key": None,
    "metadata": {},
    "service_tier": "default",
}
USAGE: Json = {
    "input_tokens": 7,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 12,
}
CITATION = {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 2}


def logprob(token: str) -> Json:
    return {"token": token, "logprob": -0.5, "bytes": list(token.encode()), "top_logprobs": []}


class Script:
    """Writes a stream event by event; numbers, indexes and repetitions come by themselves."""

    def __init__(self, dialect: Dialect = "openai", **settings: object) -> None:
        self.events: list[Json] = []
        self.settings = {**RESPONSE, **settings}
        self.output: list[Json] = []
        self.streams = {**PARTS, "reasoning_text": REASONING_TEXT[dialect]}

    def add(self, kind: str, **fields: object) -> Script:
        self.events.append({"type": kind, "sequence_number": len(self.events), **fields})
        return self

    def start(self, *, queued: bool = False) -> Script:
        if queued:
            self.settings["background"] = True
            waiting = {**self.settings, "status": "queued"}
            self.add("response.created", response=waiting)
            self.add("response.queued", response=waiting)
        else:
            self.add("response.created", response=self.settings)
        return self.add("response.in_progress", response=self.settings)

    # --- items -----------------------------------------------------------------------------------

    def item(
        self, added: Json, done: Json, inside: Callable[[Json], object] = lambda at: None
    ) -> Script:
        """``added``, what ``inside`` adds (it gets item_id and output_index), ``done``."""
        place = len(self.output)
        self.add("response.output_item.added", output_index=place, item=added)
        inside({"item_id": added["id"], "output_index": place})
        self.add("response.output_item.done", output_index=place, item={**added, **done})
        self.output.append({**added, **done})
        return self

    def message(self, *parts: tuple[str, list[str]], status: str = "completed") -> Script:
        """A message of parts, each a kind (output_text, refusal) and its deltas."""
        name = f"msg_{len(self.output)}"
        added = {"id": name, "type": "message", "status": "in_progress", "role": "assistant"}
        content = [self.whole(kind, deltas) for kind, deltas in parts]

        def inside(at: Json) -> None:
            for number, (kind, deltas) in enumerate(parts):
                self.part(kind, deltas, {**at, "content_index": number})

        return self.item({**added, "content": []}, {"content": content, "status": status}, inside)

    def reasoning(
        self,
        content: list[list[str]] | None = None,
        summary: list[list[str]] | None = None,
        status: str = "completed",
    ) -> Script:
        """A reasoning item: content parts, then summary parts, each a list of deltas."""
        added = {"id": f"rs_{len(self.output)}", "type": "reasoning", "status": "in_progress"}
        done: Json = {"status": status}
        if content is not None:
            done["content"] = [self.whole("reasoning_text", deltas) for deltas in content]
        done["summary"] = [self.whole("summary_text", deltas) for deltas in summary or []]

        def inside(at: Json) -> None:
            for number, deltas in enumerate(content or []):
                self.part("reasoning_text", deltas, {**at, "content_index": number})
            for number, deltas in enumerate(summary or []):
                self.part("summary_text", deltas, {**at, "summary_index": number})

        return self.item({**added, "summary": []}, done, inside)

    def call(self, name: str, *deltas: str, status: str = "completed") -> Script:
        place = len(self.output)
        added: Json = {"id": f"fc_{place}", "type": "function_call", "status": "in_progress"}
        added |= {"call_id": f"call_{place}", "name": name, "arguments": ""}
        events = Streamed("response.function_call_arguments", "arguments")

        def inside(at: Json) -> None:
            self.value(events, list(deltas), at)

        return self.item(added, {"arguments": "".join(deltas), "status": status}, inside)

    # --- parts -----------------------------------------------------------------------------------

    def whole(self, kind: str, deltas: list[str]) -> Json:
        part: Json = {"type": kind, self.streams[kind].key: "".join(deltas)}
        if kind == "output_text":
            part |= {"annotations": [], "logprobs": []}
        return part

    def value(self, stream: Streamed, deltas: list[str], at: Json, **more: object) -> None:
        for delta in deltas:
            self.add(stream.delta, **at, delta=delta, **more)
        self.add(stream.done, **at, **{stream.key: "".join(deltas)}, **more)

    def part(self, kind: str, deltas: list[str], at: Json) -> None:
        events = "reasoning_summary_part" if kind == "summary_text" else "content_part"
        more: Json = {"logprobs": []} if kind == "output_text" else {}
        self.add(f"response.{events}.added", **at, part=self.whole(kind, []))
        self.value(self.streams[kind], deltas, at, **more)
        self.add(f"response.{events}.done", **at, part=self.whole(kind, deltas))

    # --- ends ------------------------------------------------------------------------------------

    def end(self, status: str, **fields: object) -> list[Json]:
        response = {**self.settings, "output": self.output, "status": status, **fields}
        self.add(f"response.{status}", response=response)
        return json.loads(json.dumps(self.events))  # type: ignore[no-any-return]

    def complete(self) -> list[Json]:
        return self.end("completed", usage=USAGE, completed_at=102)

    def cut(self, reason: str = "max_output_tokens") -> list[Json]:
        return self.end("incomplete", usage=USAGE, incomplete_details={"reason": reason})

    def fail(self) -> list[Json]:
        error = {"code": "server_error", "message": "the upstream is gone"}
        flat = {**error, "param": None}
        self.add("error", **flat, error={"type": "server_error", **flat})
        return self.end("failed", error=error)


def _annotated() -> list[Json]:
    """Text with a citation, logprobs and padding."""
    script = Script().start()
    values = [logprob("So "), logprob("it is.")]
    part = {"type": "output_text", "text": "So it is.", "annotations": [CITATION]}
    part["logprobs"] = values
    added = {"id": "msg_0", "type": "message", "status": "in_progress", "role": "assistant"}

    def inside(at: Json) -> None:
        at = {**at, "content_index": 0}
        script.add("response.content_part.added", **at, part=script.whole("output_text", []))
        for value in values:
            delta = value["token"]
            more = {"delta": delta, "logprobs": [value], "obfuscation": "x" * (16 - len(delta))}
            script.add("response.output_text.delta", **at, **more)
        kind = "response.output_text.annotation.added"
        script.add(kind, **at, annotation_index=0, annotation=CITATION)
        script.add("response.output_text.done", **at, text="So it is.", logprobs=values)
        script.add("response.content_part.done", **at, part=part)

    script.item({**added, "content": []}, {"status": "completed", "content": [part]}, inside)
    return script.complete()


def _web_search() -> list[Json]:
    script = Script().start()
    added = {"id": "ws_0", "type": "web_search_call", "status": "in_progress"}
    done = {"status": "completed", "action": {"type": "search", "query": "q"}}

    def inside(at: Json) -> None:
        for state in ("in_progress", "searching", "completed"):
            script.add(f"response.web_search_call.{state}", **at)

    return script.item(added, done, inside).message(("output_text", ["found"])).complete()


def _custom_call() -> list[Json]:
    script = Script().start()
    added = {"id": "ctc_0", "type": "custom_tool_call", "call_id": "call_0", "name": "patch"}
    stream = Streamed("response.custom_tool_call_input", "input")

    def inside(at: Json) -> None:
        script.value(stream, ["*** ", "Begin"], at)

    added |= {"input": "", "status": "in_progress"}
    return script.item(added, {"input": "*** Begin", "status": "completed"}, inside).complete()


def _mcp_that_fails() -> list[Json]:
    script = Script().start()
    added = {"id": "mcp_0", "type": "mcp_call", "server_label": "s", "name": "n", "arguments": ""}
    added |= {"output": None, "error": None, "status": "in_progress"}  # type: ignore[dict-item]
    error = {"type": "http_error", "code": 500, "message": "no"}

    def inside(at: Json) -> None:
        script.add("response.mcp_call.in_progress", **at)
        script.value(Streamed("response.mcp_call_arguments", "arguments"), ["{}"], at)
        script.add("response.mcp_call.failed", **at)

    done = {"arguments": "{}", "error": error, "status": "failed"}
    return script.item(added, done, inside).message(("output_text", ["sorry"])).complete()


TEXT = ("output_text", ["Hel", "lo", "!"])
REFUSAL = ("refusal", ["I can", "not"])
HAND_MADE: dict[str, list[Json]] = {
    "nothing": Script().start().complete(),
    "text": Script().start().message(TEXT).complete(),
    "empty text": Script().start().message(("output_text", [])).complete(),
    "text then refusal": Script().start().message(TEXT, REFUSAL).complete(),
    "annotated": _annotated(),
    "queued": Script().start(queued=True).message(TEXT).complete(),
    "reasoning": Script().start().reasoning([["Hm", "m."]]).message(TEXT).complete(),
    "empty reasoning": Script().start().reasoning().message(TEXT).complete(),
    "reasoning, summarised": Script()
    .start()
    .reasoning([["Hm", "m."]], [["**A", "**"], ["b"]])
    .call("f", '{"a"', ":1}")
    .complete(),
    "two calls": Script().start().call("f", '{"a"', ":1}").call("f", "{}").complete(),
    "text and call": Script().start().message(TEXT).call("f", "{}").complete(),
    "cut text": Script().start().message(TEXT, status="incomplete").cut(),
    "cut call": Script().start().call("f", '{"a', status="incomplete").cut(),
    "filtered": Script().start().message(TEXT, status="incomplete").cut("content_filter"),
    "failed at once": Script().start().fail(),
    "failed midway": Script().start().message(TEXT, status="incomplete").fail(),
    "web search": _web_search(),
    "custom call": _custom_call(),
    "mcp call that fails": _mcp_that_fails(),
}
OTHER_DIALECT = Script("open_responses").start().reasoning([["Hm", "m."]]).message(TEXT).complete()
PUBLISHED: dict[str, list[Json]] = {
    path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for path in sorted(RECORDINGS.glob("*.jsonl"))
}
GOOD = {**HAND_MADE, **PUBLISHED}
