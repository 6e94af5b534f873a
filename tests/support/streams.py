"""Requests to the service and what came back, over plain HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field

import aiohttp

from ..grammar import check, parse_sse

Json = dict[str, object]


@dataclass
class Answer:
    """A streamed answer that kept to the grammar; ``terminal`` is its last event's response."""

    events: list[Json] = field(default_factory=list)
    terminal: Json = field(default_factory=dict)

    @property
    def kinds(self) -> list[object]:
        return [event["type"] for event in self.events]

    @property
    def text(self) -> str:
        """What was streamed as text."""
        wanted = "response.output_text.delta"
        return "".join(str(event["delta"]) for event in self.events if event["type"] == wanted)


def connect(url: str) -> aiohttp.ClientSession:
    """A client that gives up after 30 seconds: no test waits for ever."""
    return aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=30))


def request(**fields: object) -> Json:
    return {"model": "tiny", "input": "q", **fields}


async def streamed(http: aiohttp.ClientSession, **fields: object) -> Answer:
    """POST a streaming request, read all of the answer and hold it against the grammar."""
    async with http.post("/v1/responses", json=request(stream=True, **fields)) as response:
        assert response.status == 200, await response.text()
        events = parse_sse(await response.read())
    return Answer(events, check(events))


async def refused(
    http: aiohttp.ClientSession, method: str = "POST", path: str = "/v1/responses", **fields: object
) -> tuple[int, Json, aiohttp.ClientResponse]:
    """A request that gets an error: its status, the error object and the response."""
    body = request(**fields) if method == "POST" else None
    async with http.request(method, path, json=body) as response:
        answer = await response.json()
        assert set(answer) == {"error"}, f"no OpenAI envelope: {answer}"
        assert set(answer["error"]) == {"message", "type", "param", "code"}
        return response.status, answer["error"], response


async def stored(http: aiohttp.ClientSession, id: object) -> Json:
    """The response as GET shows it."""
    async with http.get(f"/v1/responses/{id}") as response:
        assert response.status == 200, await response.text()
        found: Json = await response.json()
        return found
