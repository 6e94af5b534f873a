"""The events of the item that is open: their numbers, indexes and ids.

What is emitted when is decided in ``emitter.py``; here is only how each event is put together.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ..api import events as ev
from ..api.content import SummaryText
from ..api.items.conversation import ItemStatus
from ..api.items.output import OutputItem, OutputTextPart, ReasoningTextPart, RefusalPart
from ..api.stored import ItemRecord
from .padding import no_padding, padding
from .style import EventStyle

__all__ = ["EventWriter", "Part"]

Part = OutputTextPart | RefusalPart | ReasoningTextPart
_encode = msgspec.json.Encoder().encode


class EventWriter:
    """Keeps the events of one response until they are taken, and its finished items."""

    __slots__ = (
        "_content_index",
        "_events",
        "_item_id",
        "_logprobs",
        "_pad",
        "_parts",
        "_pieces",
        "_sequence",
        "records",
        "style",
    )

    def __init__(self, style: EventStyle) -> None:
        self.style = style
        self._pad: Callable[[str, int], str | UnsetType] = (
            padding if style.obfuscation else no_padding
        )
        self._sequence = 0
        self._events: list[ev.Event] = []
        self._item_id = ""
        self._content_index = 0
        self._pieces: list[str] = []
        self._logprobs: list[Raw] = []
        self._parts: list[Part] = []
        self.records: list[ItemRecord] = []
        """The finished output items, in the order of the output."""

    def take(self) -> list[ev.Event]:
        """The events since the last call."""
        events, self._events = self._events, []
        return events

    def _next(self) -> int:
        number = self._sequence
        self._sequence = number + 1
        return number

    def _item_added(self, item: OutputItem) -> None:
        self._item_id = item.id
        self._content_index = -1
        self._parts = []
        self._pieces = []
        self._logprobs = []
        self._events.append(
            ev.OutputItemAdded(
                sequence_number=self._next(),
                output_index=len(self.records),
                item=item,
            )
        )

    def _item_done(self, item: OutputItem) -> None:
        body = _encode(item)
        self._events.append(
            ev.OutputItemDone(
                sequence_number=self._next(), output_index=len(self.records), item=Raw(body)
            )
        )
        self.records.append(ItemRecord(item.id, str(item.__struct_config__.tag), body))

    def _part_added(self, part: Part) -> None:
        self._content_index += 1
        self._pieces = []
        self._logprobs = []
        self._events.append(
            ev.ContentPartAdded(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                part=part,
            )
        )

    def _part_done(self, part: Part) -> None:
        self._parts.append(part)
        self._events.append(
            ev.ContentPartDone(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                part=part,
            )
        )

    def _part_delta(self, kind: type[ev.PartDeltaEvent], delta: str) -> None:
        self._pieces.append(delta)
        self._events.append(
            kind(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                content_index=self._content_index,
                delta=delta,
                obfuscation=self._pad(delta, self._sequence),
            )
        )

    def _call_delta(self, kind: type[ev.CallDeltaEvent], delta: str) -> None:
        if not delta:
            return
        self._pieces.append(delta)
        self._events.append(
            kind(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
                delta=delta,
                obfuscation=self._pad(delta, self._sequence),
            )
        )

    def _hosted(self, kind: type[ev.HostedItemEvent]) -> None:
        self._events.append(
            kind(
                sequence_number=self._next(),
                item_id=self._item_id,
                output_index=len(self.records),
            )
        )

    def _join(self) -> str:
        return "".join(self._pieces)

    def _shell_command(self, index: int, command: str) -> None:
        place = {"output_index": len(self.records), "command_index": index}
        self._events.append(ev.ShellCommandAdded(sequence_number=self._next(), command="", **place))
        if command:
            self._events.append(
                ev.ShellCommandDelta(
                    sequence_number=self._next(),
                    delta=command,
                    obfuscation=self._pad(command, self._sequence),
                    **place,
                )
            )
        self._events.append(
            ev.ShellCommandDone(sequence_number=self._next(), command=command, **place)
        )

    def _summarise(self, text: str, status: ItemStatus) -> None:
        """The reasoning once more as its summary (ORDERING §2.3): many clients show only that."""
        id, index = self._item_id, len(self.records)
        self._events.append(
            ev.SummaryPartAdded(
                sequence_number=self._next(),
                item_id=id,
                output_index=index,
                summary_index=0,
                part=SummaryText(""),
            )
        )
        self._events.append(
            ev.SummaryTextDelta(
                sequence_number=self._next(),
                item_id=id,
                output_index=index,
                summary_index=0,
                delta=text,
                obfuscation=self._pad(text, self._sequence),
            )
        )
        self._events.append(
            ev.SummaryTextDone(
                sequence_number=self._next(),
                item_id=id,
                output_index=index,
                summary_index=0,
                text=text,
            )
        )
        self._events.append(
            ev.SummaryPartDone(
                sequence_number=self._next(),
                item_id=id,
                output_index=index,
                summary_index=0,
                part=SummaryText(text),
                status="incomplete" if status == "incomplete" else UNSET,
            )
        )
