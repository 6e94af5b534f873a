"""What the demo model says: a pure function from a chat request to an answer.

The rules are tried in order, the first that applies answers: a forced tool call, structured output,
weather calls, a command to run, results of tools, the user's name, counting, a greeting, an echo.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from .sample import properties, sample


class Function(msgspec.Struct, frozen=True):
    name: str
    parameters: dict[str, object] = {}


class Tool(msgspec.Struct, frozen=True):
    function: Function


class CalledFunction(msgspec.Struct, frozen=True):
    name: str
    arguments: str = "{}"


class ToolCall(msgspec.Struct, frozen=True):
    function: CalledFunction
    id: str = ""


class Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[dict[str, object]] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The message's text, parts joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(str(part.get("text", "")) for part in self.content or ())


class NamedFunction(msgspec.Struct, frozen=True):
    name: str


class NamedTool(msgspec.Struct, frozen=True):
    function: NamedFunction | None = None


class JsonSchema(msgspec.Struct, frozen=True):
    schema: dict[str, object] = {}


class ResponseFormat(msgspec.Struct, frozen=True):
    type: str
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = False


class ChatRequest(msgspec.Struct, frozen=True):
    """The fields of a chat completion request that this model heeds; it ignores the others."""

    messages: list[Message]
    model: str | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = True
    response_format: ResponseFormat | None = None
    reasoning_effort: str | None = None
    chat_template_kwargs: dict[str, object] | None = None


class Call(msgspec.Struct, frozen=True):
    """One tool call, with its arguments as JSON text."""

    name: str
    arguments: str


class Answer(msgspec.Struct, frozen=True):
    """What the model generates: reasoning first, then content or calls."""

    reasoning: str
    content: str = ""
    calls: tuple[Call, ...] = ()


_NAME = re.compile(r"\bmy name is ([^\W\d_][\w'-]*)", re.IGNORECASE)
_ASKS_NAME = re.compile(r"\b(what(?:'s| is) my name|who am i)\b", re.IGNORECASE)
_COUNT = re.compile(r"\bcount (?:up )?to (\d{1,5})\b", re.IGNORECASE)
_GREETING = re.compile(r"\s*(hello|hi|hey|good (?:morning|evening|day))\b", re.IGNORECASE)
_WEATHER = re.compile(r"\bweather\b.*?\b(?:in|for|at)\s+([^?!.\n]+)", re.IGNORECASE)
_WHEN = re.compile(r"\s+(?:today|tomorrow|tonight|now|right now|please)\b.*", re.IGNORECASE)
_RUN = re.compile(r"\brun `([^`]+)`", re.IGNORECASE)
_COMMAND = re.compile(r"cmd|command", re.IGNORECASE)
_PLACE = re.compile(r"city|location|place|town", re.IGNORECASE)


def answer(request: ChatRequest) -> Answer:
    """The answer to `request`. Raises `UnknownType` when a schema in it names no JSON type."""
    said = _script(request)
    return said if _thinks(request) else msgspec.structs.replace(said, reasoning="")


def _script(request: ChatRequest) -> Answer:
    asked = _asked(request.messages)
    results = _results(request.messages)
    choice = request.tool_choice
    if request.tools and (choice == "required" or isinstance(choice, NamedTool)):
        return _forced(request, request.tools, asked)
    wanted = request.response_format
    if wanted is not None and wanted.type == "json_schema" and wanted.json_schema is not None:
        return Answer("The answer must fit the schema.", _json(sample(wanted.json_schema.schema)))
    if wanted is not None and wanted.type == "json_object":
        return Answer("The answer must be JSON.", _json({"answer": results or asked}))
    if request.tools and choice != "none" and (calls := _weather_calls(request, asked)):
        return Answer("I need a tool for this.", calls=calls)
    if request.tools and choice != "none" and (calls := _command_calls(request, asked)):
        return Answer("I need a shell for this.", calls=calls)
    if results:
        return Answer("The tool has answered.", "\n".join(results))
    return _chat(request.messages, asked)


def _chat(messages: list[Message], asked: str) -> Answer:
    if _ASKS_NAME.search(asked):
        names = [m[1] for one in messages if one.role == "user" for m in _NAME.finditer(one.text)]
        said = f"Your name is {names[-1]}." if names else "You have not told me your name yet."
        return Answer("I look for the name in our conversation.", said)
    if told := _NAME.search(asked):
        return Answer("The user introduces themselves.", f"Nice to meet you, {told[1]}.")
    if count := _COUNT.search(asked):
        numbers = " ".join(str(n) for n in range(1, int(count[1]) + 1))
        return Answer(f"I count to {count[1]}.", numbers)
    if _WEATHER.search(asked):
        return Answer("No tool can tell me.", "I have no weather tool: declare one and ask again.")
    if _GREETING.match(asked):
        return Answer("The user greets me.", "Hello there! How can I help you today?")
    words = asked if len(asked) <= 200 else asked[:200] + "…"
    return Answer(
        f"The user wrote {len(asked.split())} words.",
        f"You said: {words}\nI am a small script: I greet, count, remember your name, call tools.",
    )


def _forced(request: ChatRequest, tools: list[Tool], asked: str) -> Answer:
    """A call that the request demands, of the named tool or of the one that fits best."""
    choice = request.tool_choice
    if isinstance(choice, NamedTool) and choice.function is not None:
        name = choice.function.name
        tools = [tool for tool in tools if tool.function.name == name]
    elif calls := _weather_calls(request, asked):
        return Answer("I need a tool for this.", calls=calls)
    arguments = sample({"type": "object", **tools[0].function.parameters})
    if (place := _place(tools[0])) and (cities := _cities(asked)) and isinstance(arguments, dict):
        arguments[place] = cities[0]
    return Answer("I am to call a tool.", calls=(Call(tools[0].function.name, _json(arguments)),))


def _weather_calls(request: ChatRequest, asked: str) -> tuple[Call, ...]:
    """Calls for the cities of the question that no call of this turn has asked about yet."""
    tool = next((one for one in request.tools or () if _place(one)), None)
    if tool is None or not (cities := _cities(asked)):
        return ()
    place = _place(tool)
    before = {call.function.arguments for call in _calls_of_turn(request.messages)}
    calls = []
    for city in cities:
        arguments = sample({"type": "object", **tool.function.parameters})
        if not any(_json(city) in earlier for earlier in before) and isinstance(arguments, dict):
            calls.append(Call(tool.function.name, _json(arguments | {place: city})))
    return tuple(calls if request.parallel_tool_calls is not False else calls[:1])


def _command_calls(request: ChatRequest, asked: str) -> tuple[Call, ...]:
    """A call that runs the command of the question, unless this turn has called something."""
    found = _RUN.search(asked)
    tool = next((one for one in request.tools or () if _command(one)), None)
    if tool is None or not found or _calls_of_turn(request.messages):
        return ()
    arguments = sample({"type": "object", **tool.function.parameters})
    if not isinstance(arguments, dict):
        return ()
    return (Call(tool.function.name, _json(arguments | {_command(tool): found[1]})),)


def _command(tool: Tool) -> str:
    """The name of the tool's command property, empty when it has none that is a string."""
    known = properties(tool.function.parameters).items()
    return next((name for name, one in known if _COMMAND.fullmatch(name) and _is_text(one)), "")


def _is_text(schema: object) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "string"


def _place(tool: Tool) -> str:
    """The name of the tool's city or location property, empty when it has none."""
    return next((name for name in properties(tool.function.parameters) if _PLACE.search(name)), "")


def _cities(asked: str) -> list[str]:
    found = _WEATHER.search(asked)
    if not found:
        return []
    places = re.split(r"\s*,?\s+(?:and|&)\s+", _WHEN.sub("", found[1].strip()))
    if len(places) > 1:  # "Paris, Oslo and Rome" is a list, "Paris, France" is one place
        places = [one for place in places for one in re.split(r"\s*,\s*", place)]
    capital = places[0][:1].isupper()
    fits = [one for one in places if one[:1].isupper() == capital and len(one.split()) <= 4]
    return list(dict.fromkeys(fits))


def _asked(messages: list[Message]) -> str:
    return next((one.text for one in reversed(messages) if one.role == "user"), "")


def _turn(messages: list[Message]) -> list[Message]:
    """What followed the last message of the user."""
    last = max((i for i, one in enumerate(messages) if one.role == "user"), default=-1)
    return messages[last + 1 :]


def _calls_of_turn(messages: list[Message]) -> list[ToolCall]:
    return [call for one in _turn(messages) for call in one.tool_calls or ()]


def _results(messages: list[Message]) -> list[str]:
    calls = {call.id: call.function for call in _calls_of_turn(messages)}
    said = []
    for one in _turn(messages):
        if one.role == "tool":
            called = calls.get(one.tool_call_id or "")
            said.append(f"{_subject(called) if called else 'The tool'} says: {one.text}")
    return said


def _subject(called: CalledFunction) -> str:
    try:
        values = msgspec.json.decode(called.arguments, type=dict[str, object]).values()
    except msgspec.DecodeError:  # a client may put anything into its history
        return called.name
    return f"{called.name}({', '.join(map(str, values))})"


def _thinks(request: ChatRequest) -> bool:
    kwargs = request.chat_template_kwargs or {}
    return request.reasoning_effort != "none" and kwargs.get("enable_thinking") is not False


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
