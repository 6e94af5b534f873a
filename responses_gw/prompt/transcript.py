"""Items into chat messages.

Theory of operation. A :class:`Transcript` takes items one by one and keeps the JSON of finished
messages. What one turn of the model said (reasoning, text, calls) comes as several items but is one
assistant message, so those gather in a draft; whatever comes next (a user's message, a tool's
output) finishes it. System and developer texts are collected apart, wherever they stand: a chat has
one leading system message, unless the model's profile says otherwise.

A turn begins with a user's message. The messages of the turn that runs are kept in two forms, with
the model's reasoning and without: while it works with tools it needs its thoughts, later turns are
shown without them (``reasoning_replay``). When the next turn begins, the turn settles.

The law of the prefix: taking more items never changes the bytes of settled turns, nor of finished
messages of the turn that runs. A model server's prefix cache, and our cache of rendered histories,
rest on it. :meth:`Transcript.snapshot` is the value that is cached: message bytes in one piece per
turn, never decoded again.

Some templates take no two user messages in a row. For them (``merge_user_messages``) what is said
as the user gathers, too, until somebody else speaks. There the law holds up to the last message if
that is the user's: it may still grow, and what the last turn's tools returned as the user's words
then stands in the next turn's first message, which matters only to who skips turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import Raw, Struct

from ..api.errors import ApiError
from ..api.items import (
    AdditionalTools,
    InputItem,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListTools,
    Message,
    ReasoningItem,
    ToolSearchOutput,
)
from ..api.tools import without_secrets
from .arguments import sane_arguments
from .calls import CALLS, OUTPUTS, Call, answered_by, call_of, output_of
from .hosted import GrantedCall, McpMemory, denial, id_of, outcome, target_of
from .parts import ChatPart, chat_content, merged_content, plain_text, split_images
from .profile import ModelProfile
from .snapshot import ChatFunction, ChatToolCall, Draft, Rendered, Snapshot
from .tool_call_ids import nine_characters
from .toolset import chat_name

__all__ = ["Transcript", "Unseal"]

Unseal = Callable[[str], str | None]
"""The reasoning inside an ``encrypted_content``; None for one that is not ours."""


NOTE = "[what the tool returned follows]"
LEFT_OUT = "[the tool returned something that is no text]"


class ChatMessage(Struct, frozen=True):
    role: str
    content: str | list[ChatPart] | None = None


_encode = msgspec.json.Encoder().encode
_decode_run = msgspec.json.Decoder(list[Raw]).decode


def _nothing_is_sealed(sealed: str) -> None:
    return None


class Transcript:
    """Takes items, gives messages. Starts empty or where a snapshot ended.

    A call is shown under its tool's plain name, whatever the tools of the request are: the history
    must be the same bytes on every turn.
    """

    def __init__(
        self,
        profile: ModelProfile,
        start: Snapshot | None = None,
        *,
        unseal: Unseal = _nothing_is_sealed,
    ) -> None:
        start = start or Snapshot(profile)
        self._profile = profile
        self._unseal = unseal
        self._system = list(start.system)
        self._settled = list(start.settled)
        self._current = list(start.current)
        self._spoken = list(start.spoken)
        self._images = list(start.images)
        self._draft = start.draft.copy()
        self._tools = list(start.tools)
        self._unanswered = set(start.unanswered)
        self._pending = frozenset(start.unanswered)
        self._cut = set(start.cut)
        self._mcp = McpMemory(start.mcp)
        self._known_calls: set[str] = set(start.unanswered | start.cut)
        self._to_come: set[str] = set()

    def add(self, items: Iterable[InputItem]) -> None:
        """Take what came next.

        Raises :class:`ApiError` (400) for an output that answers nothing.
        """
        items = list(items)
        answered = {answered_by(item) for item in items if isinstance(item, OUTPUTS)}
        self._to_come = {id for id in answered if id is not None}
        for item in items:
            self._add(item)

    def check_answered(self) -> None:
        """Raises :class:`ApiError` (400) if a call of the snapshot still has no output."""
        for call_id in sorted(self._pending & self._unanswered):
            raise ApiError(f"No tool output found for function call {call_id}.", param="input")

    def snapshot(self) -> Snapshot:
        return Snapshot(
            profile=self._profile,
            system=tuple(self._system),
            settled=tuple(self._settled),
            current=tuple(self._current),
            spoken=tuple(self._spoken),
            images=tuple(self._images),
            draft=self._draft.copy(),
            tools=tuple(self._tools),
            unanswered=frozenset(self._unanswered),
            cut=frozenset(self._cut),
            mcp=self._mcp.snapshot(),
        )

    @property
    def listed(self) -> Mapping[str, tuple[Raw, ...]]:
        """The tools of each MCP server whose list stands in the history, by its label."""
        return self._mcp.listed

    @property
    def granted(self) -> list[GrantedCall]:
        """The calls that the client has approved with the newest items and that have not run."""
        return self._mcp.granted

    @property
    def turns(self) -> int:
        """How many turns have settled: the most that :meth:`messages` can leave out."""
        return len(self._settled)

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing that the model could read."""
        return not (self._system or self._images or self._has_begun)

    def messages(self, instructions: str | None = None, *, skip_turns: int = 0) -> bytes:
        """The ``messages`` of a chat request: a JSON array, without the first ``skip_turns``."""
        system = [text for text in (instructions, *self._system) if text]
        runs = list(self._settled[skip_turns:])
        runs += [message.now for message in self._current]
        if spoken := [*self._spoken, *([self._images] if self._images else [])]:
            runs.append(_role("user", merged_content(spoken)))
        if not self._draft.is_empty:
            runs.append(self._finished_draft(with_reasoning=self._shows_reasoning))
        if system:
            self._lead(runs, "\n\n".join(system))
        return b"[%b]" % b",".join(runs)

    def _lead(self, runs: list[bytes], text: str) -> None:
        """Put the system message at the head, or its text into the first message if need be."""
        role = self._profile.leading_system
        if role == "user" and self._profile.merge_user_messages and runs:
            first, *others = _decode_run(b"[%b]" % runs[0])
            head = msgspec.json.decode(first, type=ChatMessage)
            if head.role == "user":
                content = merged_content([text, head.content or ""])
                runs[0] = b",".join([_role("user", content), *map(bytes, others)])
                return
        runs.insert(0, _role(role, text))

    # --- one method for each kind of item ------------------------------------------------------

    def _add(self, item: InputItem) -> None:
        match item:
            case Message():
                self._message(item)
            case ReasoningItem():
                self._reasoning(item)
            case AdditionalTools():
                self._take_tools(item.tools)
            case McpListTools():
                self._mcp.listing(item)
            case McpApprovalRequest():
                self._mcp.asks(item)
            case McpApprovalResponse():
                request = self._mcp.answers(item)
                if not item.approve:
                    self._ran(request, item.approval_request_id, denial(item))
            case McpCall():
                self._mcp.ran(item)
                self._ran(item, id_of(item), outcome(item))
            case _ if isinstance(item, CALLS):
                self._mcp.expire()
                self._call(call_of(item))
            case _ if isinstance(item, OUTPUTS):
                if isinstance(item, ToolSearchOutput):
                    self._take_tools(item.tools)
                self._output(*output_of(item))

    def _take_tools(self, tools: Iterable[Raw]) -> None:
        """Copies: a slice would keep the whole request that it was cut from."""
        taken = [without_secrets(Raw(bytes(tool))) for tool in tools]
        known = {bytes(tool) for tool in taken}
        self._tools = [tool for tool in self._tools if bytes(tool) not in known] + taken

    def _message(self, item: Message) -> None:
        match item.role:
            case "assistant":
                self._mcp.expire()
                self._finish_outputs()
                if text := plain_text(item.content, ""):
                    self._draft.texts.append(text)
            case "user":
                self._begin_turn()
                self._put_user(chat_content(item.content))
            case "developer" if self._profile.developer == "user":
                if text := plain_text(item.content, "\n"):
                    self._end_draft()
                    self._finish_outputs()
                    self._put_user(text)
            case _:
                self._system_text(plain_text(item.content, "\n"))

    def _system_text(self, text: str) -> None:
        late = self._profile.late_system
        if not text:
            return
        if late == "fold" or not self._has_begun:
            self._system.append(text)
            return
        self._end_draft()
        self._finish_outputs()
        if late == "user":
            self._put_user(text)
        else:
            self._put(_role("system", text))

    def _reasoning(self, item: ReasoningItem) -> None:
        self._mcp.expire()
        self._finish_outputs()
        parts = item.content or []
        text = "".join(part.text for part in parts)
        if not text and item.encrypted_content:
            text = self._unseal(item.encrypted_content) or ""
        if not text:
            text = "".join(part.text for part in item.summary or ())
        if text:
            self._draft.reasoning.append(text)

    def _call(self, call: Call | None) -> None:
        if call is None:
            return
        self._finish_outputs()
        function = ChatFunction(chat_name(call.target), sane_arguments(call.arguments))
        calls = self._draft.cut if call.is_cut else self._draft.calls
        calls.append(ChatToolCall(self._shown_id(call.id), function))
        self._known_calls.add(call.id)
        (self._cut if call.is_cut else self._unanswered).add(call.id)

    def _ran(
        self, item: McpCall | McpApprovalRequest, id: str, content: str | list[ChatPart]
    ) -> None:
        """A call that stands in one item with its output."""
        self._call(Call(id, target_of(item), item.arguments, is_cut=False))
        self._output(id, content)

    def _output(self, call_id: str | None, content: str | list[ChatPart]) -> None:
        if call_id is None:  # a server's own search: nobody called
            return
        if call_id not in self._known_calls:
            raise ApiError(
                f"No tool call found for function call output with call_id {call_id}.",
                param="input",
            )
        for ids in (self._unanswered, self._cut, self._to_come):
            ids.discard(call_id)
        shown = self._shown_id(call_id)
        cut = self._draft.cut
        self._draft.calls += [call for call in cut if call.id == shown]
        self._finish_answered(shown)
        self._draft.cut = [call for call in cut if call.id != shown]
        if self._profile.tool_images != "tool":
            follows = self._profile.tool_images == "user"
            content, images = split_images(content, NOTE if follows else LEFT_OUT)
            self._images += images if follows else []
        if self._profile.tool_results == "user":
            self._put_user(_as_user_text(shown, content))
        else:
            self._put(_encode({"role": "tool", "tool_call_id": shown, "content": content}))

    # --- turns and drafts ----------------------------------------------------------------------

    @property
    def _shows_reasoning(self) -> bool:
        return self._profile.reasoning_replay != "none"

    @property
    def _has_begun(self) -> bool:
        spoken = self._settled or self._current or self._spoken
        return bool(spoken) or not self._draft.is_empty

    def _shown_id(self, call_id: str) -> str:
        if self._profile.tool_call_ids == "nine_characters":
            return nine_characters(call_id)
        return call_id

    def _put_user(self, content: str | list[ChatPart]) -> None:
        if self._profile.merge_user_messages:
            self._spoken.append(content)
        else:
            self._put(_role("user", content))

    def _put(self, message: bytes, later: bytes | None = None) -> None:
        if self._spoken:
            spoken = _role("user", merged_content(self._spoken))
            self._current.append(Rendered(spoken, spoken))
            self._spoken.clear()
        self._current.append(Rendered(message, message if later is None else later))

    def _begin_turn(self) -> None:
        self._end_draft()
        self._finish_outputs()
        self._cut &= self._to_come
        open_calls = (self._unanswered | self._cut) & self._to_come
        if self._current and not open_calls:  # no call without its output
            self._settled.append(b",".join(message.later for message in self._current))
            self._current.clear()

    def _finish_outputs(self) -> None:
        """The pictures of tool outputs follow them in a message of the user's."""
        if self._images:
            images, self._images = self._images, []
            self._put_user(images)

    def _end_draft(self) -> None:
        """Somebody else speaks. A call that was broken off counts if its output is yet to come."""
        if self._draft.cut:
            answered = set(map(self._shown_id, self._to_come))
            self._draft.calls += [call for call in self._draft.cut if call.id in answered]
        self._finish_draft()

    def _finish_draft(self) -> None:
        if not self._draft.is_empty:
            replay = self._profile.reasoning_replay
            later = self._finished_draft(with_reasoning=replay == "all")
            now = self._finished_draft(with_reasoning=True) if replay == "current_turn" else later
            self._put(now, later)
        self._draft = Draft()

    def _finish_answered(self, id: str) -> None:
        """Finish the message whose call is answered. Where a message has one call only, the others
        wait for their own outputs.
        """
        draft = self._draft
        waiting = [call for call in draft.calls if call.id != id]
        if self._profile.calls_per_message == "all" or len(waiting) == len(draft.calls):
            self._finish_draft()
            return
        draft.calls = [call for call in draft.calls if call.id == id]
        self._finish_draft()
        self._draft = Draft(calls=waiting)

    def _finished_draft(self, *, with_reasoning: bool) -> bytes:
        """One message or, where each has one call only, as many as there are calls."""
        draft = self._draft
        message: dict[str, object] = {"role": "assistant"}
        message["content"] = "\n".join(draft.texts) if draft.texts else None
        if with_reasoning and draft.reasoning and self._profile.dialect == "vllm":
            message[self._profile.reasoning_field] = "\n".join(draft.reasoning)
        if self._profile.calls_per_message == "all" or len(draft.calls) < 2:
            return _encode(message | ({"tool_calls": draft.calls} if draft.calls else {}))
        first, *others = [{"tool_calls": [call]} for call in draft.calls]
        bare: dict[str, object] = {"role": "assistant", "content": None}
        return b",".join(map(_encode, [message | first, *(bare | call for call in others)]))


def _as_user_text(call_id: str, content: str | list[ChatPart]) -> str | list[ChatPart]:
    """For models whose templates know no tool messages."""
    head = f"Result of the call {call_id}:\n"
    if isinstance(content, str):
        return head + content
    return [{"type": "text", "text": head}, *content]


def _role(role: str, content: object) -> bytes:
    return _encode({"role": role, "content": content})
