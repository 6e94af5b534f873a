"""What the measures found: kept by name, printed as a table, written as JSON."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["direct", "twin", "service"]
SIDES: tuple[Side, ...] = ("direct", "twin", "service")
Json = dict[str, object]


@dataclass
class Row:
    """One figure, measured once per round and side."""

    name: str
    unit: str
    values: dict[Side, list[float]] = field(default_factory=dict)

    def cells(self) -> list[str]:
        return [self.name, self.unit, *(_cell(self.values.get(side, [])) for side in SIDES)]

    def json(self) -> Json:
        sides: Json = {side: _spread(values) for side, values in self.values.items()}
        return {"name": self.name, "unit": self.unit} | sides


class Results:
    """All rows in the order of their first value, with what could not be measured and why."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self.failures: dict[str, str] = {}
        self._started = time.monotonic()

    def add(self, name: str, unit: str, side: Side, value: float) -> None:
        row = self._rows.setdefault(name, Row(name, unit))
        row.values.setdefault(side, []).append(value)
        at = time.monotonic() - self._started
        print(f"  {at:5.0f} s  {name}: {side} {_short(value)} {unit}", flush=True)

    def json(self) -> Json:
        rows = [row.json() for row in self._rows.values()]
        return {"rows": rows, "failures": self.failures}

    def table(self) -> str:
        """Medians with [min..max] of the rounds, aligned."""
        head = ["", "unit", "direct", "twin", "service"]
        rows = [head, *(row.cells() for row in self._rows.values())]
        return "\n".join(_aligned(rows))


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    middle = _short(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} [{_short(min(values))}..{_short(max(values))}]"


def _spread(values: list[float]) -> Json:
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "values": values,
    }


def _short(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return (
        f"{value:.0f}"
        if abs(value) >= 100
        else f"{value:.1f}"
        if abs(value) >= 10
        else f"{value:.2f}"
    )
