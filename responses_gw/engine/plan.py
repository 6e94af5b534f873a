"""The prompts of one turn: one for each round of the model.

The first round has the tools as the client wants them chosen. After calls that the gateway has run,
the next one has what came of them in its messages, and the model chooses freely: who was made to
call has called. When a bound of the loop is reached, the last one has no tools.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from ..api.errors import ApiError
from ..api.options import JsonObjectFormat
from ..api.request import CreateResponse
from ..api.response import Usage
from ..api.stored import ItemRecord
from ..api.tools import AllowedTools, ToolChoice
from ..api.validate import decode_input_item
from ..prompt.chat_request import chat_request, needs_final_round
from ..prompt.profile import ModelProfile
from ..prompt.toolset import NO_TOOLS, ChatTools, Toolset
from ..prompt.transcript import Transcript
from .prompt import FinalRound, Prompt

__all__ = ["Plan"]


class Plan:
    """Grows with the turn: ``transcript`` takes the items of each round."""

    def __init__(
        self,
        request: CreateResponse,
        transcript: Transcript,
        toolset: Toolset,
        profile: ModelProfile,
    ) -> None:
        self._request = request
        self._transcript = transcript
        self._toolset = toolset
        self._profile = profile
        self._told = 0
        self._skipped = 0

    def first(self) -> Prompt:
        """Raises :class:`ApiError` (400) if there is nothing that the model can read, or a tool
        that it must call is not there.
        """
        if self._transcript.is_blank and not self._request.body.instructions:
            raise ApiError("The input has nothing that the model can read.", param="input")
        return self._prompt(self._tools(self._request.tool_choice), None)

    def check_choice(self) -> None:
        """Raises :class:`ApiError` (400) if a tool that the model must call is not there."""
        self._tools(self._request.tool_choice)

    def next(
        self, records: Sequence[ItemRecord], usage: Usage | None, *, is_last: bool
    ) -> Prompt | None:
        """``records`` is the whole output so far, ``usage`` what it has taken. The last one has no
        tools. None if the model may say no more.
        """
        self.take(records)
        left = self._request.body.max_output_tokens
        if left is not None and usage is not None:
            left -= usage.output_tokens
        if left is not None and left <= 0:
            return None
        tools = NO_TOOLS if is_last else self._tools(_freed(self._request.tool_choice))
        return self._prompt(tools, left)

    def skip(self, turns: int) -> None:
        """The model server takes no more than what is left without the first ``turns`` turns."""
        self._skipped = turns

    def take(self, records: Sequence[ItemRecord]) -> None:
        self._transcript.add(
            decode_input_item(record.body, "output") for record in self.fresh(records)
        )
        self._told = len(records)

    def fresh(self, records: Sequence[ItemRecord]) -> Sequence[ItemRecord]:
        """The items of the output that the transcript does not have yet."""
        return records[self._told :]

    def _tools(self, choice: ToolChoice) -> ChatTools:
        return self._toolset.chat_tools(choice, self._request.body.parallel_tool_calls)

    def _prompt(self, tools: ChatTools, max_output_tokens: int | None) -> Prompt:
        request, profile = self._request, self._profile
        if max_output_tokens is not None:
            body = replace(request.body, max_output_tokens=max_output_tokens)
            request = replace(request, body=body)

        def without(turns: int) -> bytes:
            return chat_request(request, messages(turns), tools, profile)

        def final(turns: int) -> bytes:
            return chat_request(request, messages(turns), NO_TOOLS, profile)

        def messages(turns: int) -> bytes:
            return self._transcript.messages(request.body.instructions, skip_turns=turns)

        is_cuttable = request.body.truncation == "auto"
        needs_final = needs_final_round(request, tools)
        return Prompt(
            without(self._skipped),
            targets=tools.targets,
            skipped=self._skipped,
            turns=self._transcript.turns,
            without=without if is_cuttable else None,
            final=FinalRound(final, _accepts(request)) if needs_final else None,
        )


def _freed(choice: ToolChoice) -> ToolChoice:
    match choice:
        case AllowedTools():
            return choice if choice.mode == "none" else replace(choice, mode="auto")
        case "none":
            return "none"
        case _:
            return "auto"


def _accepts(request: CreateResponse) -> Callable[[str], bool]:
    """Any object will do for ``json_object``; nobody here looks into a schema."""
    return _is_object if isinstance(request.text.format, JsonObjectFormat) else _never


def _is_object(draft: str) -> bool:
    try:
        msgspec.json.decode(draft, type=dict[str, Raw])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return False
    return True


def _never(draft: str) -> bool:
    return False
