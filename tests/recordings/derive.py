"""What each recorded stream says, read frame by frame without any of the gateway's code.

``python -m tests.recordings.derive`` writes EXPECTED.json beside this file. Only choice 0 counts;
calls are ``[name, arguments]`` in the order of their index, joined as the wire had them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Json = dict[str, Any]


def frames(data: bytes) -> list[Json]:
    """The JSON of every data line that came to its end."""
    *lines, _cut = data.split(b"\n")
    bodies = [line.removeprefix(b"data: ") for line in lines if line.startswith(b"data: ")]
    return [json.loads(body) for body in bodies if body != b"[DONE]"]


def derive(data: bytes) -> Json:
    """The summary of one stream."""
    text, reasoning = "", ""
    calls: dict[int, list[str]] = {}
    finish_reason, usage, error = None, None, None
    for frame in frames(data):
        error = frame.get("error") or error
        usage = frame.get("usage") or usage
        for choice in frame.get("choices", []):
            if choice["index"] != 0:
                continue
            delta = choice["delta"]
            text += delta.get("content") or ""
            reasoning += delta.get("reasoning") or delta.get("reasoning_content") or ""
            for fragment in delta.get("tool_calls") or []:
                call = calls.setdefault(fragment["index"], ["", ""])
                function = fragment.get("function") or {}
                call[0] = call[0] or function.get("name") or ""
                call[1] += function.get("arguments") or ""
            finish_reason = choice.get("finish_reason") or finish_reason
    return {
        "text": text,
        "reasoning": reasoning,
        "calls": [calls[index] for index in sorted(calls)],
        "finish_reason": finish_reason,
        "usage": usage,
        "error": error,
    }


def derive_all() -> dict[str, Json]:
    """The summaries of all streams beside this file, by name."""
    return {path.stem: derive(path.read_bytes()) for path in sorted(HERE.glob("*.sse"))}


if __name__ == "__main__":
    text = json.dumps(derive_all(), indent=1, ensure_ascii=False)
    (HERE / "EXPECTED.json").write_text(text + "\n", encoding="utf-8")
