"""Spans and log records by their fields, text and attributes, newest first; and what is new since a place, for live tails.

In: query parameters. Out: pages of records. The same words mean the same in pages and JSON, and on every store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import pyarrow as pa

from dashboards.parts import Parts
from dashboards.records.query_words import at_least_ms, attribute_of, number_or_class, window_of
from triage.domain.columns import ID_COLUMNS, Signal
from triage.domain.windows import Window
from triage.errors import BadInput
from triage.ports.records import Condition, RecordStore

RecordSignal = Literal["spans", "logs"]
FILTERS: Final[dict[RecordSignal, tuple[str, ...]]] = {
    "spans": ("service", "version", "name", "status", "http", "error", "min_ms", "attribute", "trace", "since", "until"),
    "logs": ("service", "version", "severity", "text", "error", "attribute", "trace", "since", "until"),
}
SEVERITIES: Final = {"debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
"""Lowest OpenTelemetry severity number of each word."""
_STATUS: Final = {"unset": 0, "ok": 1, "error": 2}
_END: Final = 2**62


@dataclass(frozen=True, slots=True)
class FoundRecords:
    """Rows newest first, the cursor of the page before them in time, and the place of the newest row, to ask what came `after`."""

    rows: pa.Table
    next: str | None
    latest: str | None


def find_records(
    parts: Parts, signal: RecordSignal, filters: Mapping[str, str], *, limit: int, cursor: str | None = None, after: str | None = None,
) -> FoundRecords:
    """Records that meet the filters. Raises BadInput for filters that cannot be read."""
    return search_after(parts.records, signal, conditions(signal, filters), window_of(filters, parts.clock()), limit, cursor, after)


def search_after(
    records: RecordStore, signal: Signal, where: Sequence[Condition], window: Window | None, limit: int, cursor: str | None,
    after: str | None,
) -> FoundRecords:
    """A page, of what is newer than the place `after` alone if that is given. By the records' own time: one that comes late, with a
    time before the place, is not new. Raises BadInput."""
    place = _place(after) if after else None
    if place is not None:
        window = Window(max(place[0], window.start_ns if window else 0), window.end_ns if window else _END)
    page = records.search(signal, where, window, limit, cursor)
    rows, following = page.rows, page.next
    if place is not None:
        new = [row_place > place for row_place in _places(signal, rows)]
        rows, following = rows.filter(pa.array(new, pa.bool_())), following if all(new) else None
    newest = _places(signal, rows.slice(0, 1))
    return FoundRecords(rows, following, f"{newest[0][0]}.{newest[0][1]}" if newest else after)


def _places(signal: Signal, rows: pa.Table) -> list[tuple[int, str]]:
    columns = [rows.column(name).to_pylist() for name in ID_COLUMNS[signal]]
    return list(zip(rows.column("time_ns").to_pylist(), map("".join, zip(*columns, strict=True)), strict=True))


def _place(after: str) -> tuple[int, str]:
    time_ns, dot, identity = after.partition(".")
    if not dot or not time_ns.isdecimal():
        raise BadInput("`after` is what `latest` of an answer gave.")
    return int(time_ns), identity


def conditions(signal: RecordSignal, filters: Mapping[str, str]) -> list[Condition]:
    """Query parameters -> conditions. Raises BadInput."""
    where = [Condition(column, "=", value) for name, column in (("service", "service"), ("version", "version"), ("trace", "trace_id"))
             if (value := filters.get(name))]
    if attribute := filters.get("attribute"):
        where.append(attribute_of(attribute))
    return where + (_of_spans(filters) if signal == "spans" else _of_logs(filters))


def _of_spans(filters: Mapping[str, str]) -> list[Condition]:
    where: list[Condition] = []
    if name := filters.get("name"):
        where.append(Condition("name", "contains", name))
    if status := filters.get("status"):
        where.append(Condition("status", "=", _word(status, "status", _STATUS)))
    if http := filters.get("http"):
        where += number_or_class("http_status", "http", http)
    if error := filters.get("error"):
        where.append(Condition("exception_type", "contains", error))
    if min_ms := filters.get("min_ms"):
        where.append(at_least_ms(min_ms))
    return where


def _of_logs(filters: Mapping[str, str]) -> list[Condition]:
    where: list[Condition] = []
    if severity := filters.get("severity"):
        where.append(Condition("severity", ">=", _word(severity, "severity", SEVERITIES)))
    if text := filters.get("text"):
        where.append(Condition("body", "contains", text))
    if error := filters.get("error"):
        where.append(Condition("exception_type", "contains", error))
    return where


def _word(text: str, name: str, known: Mapping[str, Any]) -> int:
    if text not in known:
        raise BadInput(f"`{name}` is one of {', '.join(known)}.")
    return int(known[text])
