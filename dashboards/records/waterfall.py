"""Spans and logs of a trace -> one timeline: rows in tree order, each span's logs among its children by time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from dashboards.pages import Segment, TraceRow, TraceView
from dashboards.words import duration
from triage.analyse.events import CLIENT, called

Row = dict[str, Any]
_ERROR: Final = 2  # of a span's status
_DEEPEST: Final = 12  # indents that the style sheet knows
_SEVERITY: Final = ((21, "FATAL"), (17, "ERROR"), (13, "WARN"), (9, "INFO"), (5, "DEBUG"), (1, "TRACE"))


def trace_view(trace_id: str, spans: pa.Table, logs: pa.Table, *, limit: int) -> TraceView:
    """The timeline of a trace of at most `limit` rows; failing spans and those above them are kept first."""
    span_rows: list[Row] = spans.to_pylist()
    log_rows: list[Row] = logs.to_pylist()
    start = min((row["time_ns"] for row in [*span_rows, *log_rows]), default=0)
    end = max((row["time_ns"] + row.get("duration_ns", 0) for row in [*span_rows, *log_rows]), default=0)
    tree = _Tree(span_rows, log_rows)
    failing = tree.error_path()
    scale = _Scale(start, max(1, end - start))
    rows = [
        _span_row(row, depth, scale, tree, failing) if kind == "span" else _log_row(row, depth, scale, failing)
        for kind, row, depth in tree.walk()
    ]
    kept = _condense(rows, limit)
    return TraceView(
        trace_id=trace_id, rows=tuple(kept), start_ns=start, length_ns=max(0, end - start), spans=len(span_rows),
        logs=len(log_rows), services=tuple(sorted({row["service"] for row in span_rows if row["service"]})),
        left_out=len(rows) - len(kept), origin=tree.origin(),
        ticks=tuple(duration((end - start) * i // 4) for i in range(5)),
    )


class _Scale:
    def __init__(self, start: int, length: int) -> None:
        self.start, self.length = start, length

    def segment(self, at: int, length: int) -> Segment:
        x = 100 * (at - self.start) / self.length
        return Segment(round(x, 3), round(max(0.4, 100 * length / self.length), 3))


class _Tree:
    """Spans by parent. A span whose parent did not come is a root; a loop of parents is cut where it is met first."""

    def __init__(self, spans: list[Row], logs: list[Row]) -> None:
        self.by_id = {row["span_id"]: row for row in spans}
        self.children: dict[str, list[Row]] = defaultdict(list)
        self.logs: dict[str, list[Row]] = defaultdict(list)
        for row in spans:
            known = row["parent_id"] in self.by_id and row["parent_id"] != row["span_id"]
            self.children[row["parent_id"] if known else ""].append(row)
        for row in logs:
            self.logs[row["span_id"] if row["span_id"] in self.by_id else ""].append(row)
        self.refused = self._refused()

    def failed(self, span: Row) -> bool:
        """Whether a span failed: by its own status, as HTTP does by 5xx, or because it is part of how the whole call was refused."""
        return bool(span["status"] == _ERROR or span["http_status"] >= 500 or span["span_id"] in self.refused)

    def _refused(self) -> set[str]:
        """Spans by which a call was refused with 4xx: the root and, from it down, those that answered so too. SERVER spans leave
        their status unset then, while a 4xx further inside may be an ordinary answer to the service that asked."""
        found: set[str] = set()
        below = list(self.children[""])
        while below:
            row = below.pop()
            if row["http_status"] >= 400 and row["span_id"] not in found:
                found.add(row["span_id"])
                below += self.children[row["span_id"]]
        return found

    def walk(self) -> list[tuple[str, Row, int]]:
        """(kind, row, depth) in the order of the timeline."""
        out: list[tuple[str, Row, int]] = []
        seen: set[str] = set()
        self._from(self._items(""), out, seen)
        for span_id, row in self.by_id.items():  # loops of parents have no root
            if span_id not in seen:
                self._from([("span", row)], out, seen)
        return out

    def _from(self, items: list[tuple[str, Row]], out: list[tuple[str, Row, int]], seen: set[str]) -> None:
        stack = [(kind, row, 0) for kind, row in reversed(items)]
        while stack:
            kind, row, depth = stack.pop()
            if kind == "span":
                if row["span_id"] in seen:
                    continue
                seen.add(row["span_id"])
                stack.extend((k, r, depth + 1) for k, r in reversed(self._items(row["span_id"])))
            out.append((kind, row, depth))

    def _items(self, span_id: str) -> list[tuple[str, Row]]:
        items = [("span", row) for row in self.children[span_id]] + [("log", row) for row in self.logs[span_id]]
        return sorted(items, key=lambda item: item[1]["time_ns"])

    def error_path(self) -> set[str]:
        """Failing spans and every span above them."""
        path: set[str] = set()
        for row in self.by_id.values():
            at: Row | None = row if self.failed(row) else None
            while at is not None and at["span_id"] not in path:
                path.add(at["span_id"])
                at = self.by_id.get(at["parent_id"])
        return path

    def origin(self) -> str:
        """The failing span that has no failing span below it, the first of them by time."""
        deepest = [row for row in self.by_id.values()
                   if self.failed(row) and not any(self.failed(child) for child in self.children[row["span_id"]])]
        if not deepest:
            return ""
        first = min(deepest, key=lambda row: row["time_ns"] + row["duration_ns"])
        what = " ".join(part for part in (first["service"], first["version"]) if part) + f": {first['name']}"
        asked = called(json.loads(first["attributes"] or "{}")) if first["kind"] == CLIENT and not self.children[first["span_id"]] else ""
        return f"{what}, its call to {asked}" if asked else what


def own_time(span: Row, children: Sequence[Row]) -> list[tuple[int, int]]:
    """(start, length) of the stretches of a span that none of its children covers."""
    at, end, own = span["time_ns"], span["time_ns"] + span["duration_ns"], []
    for child in sorted(children, key=lambda row: row["time_ns"]):
        if child["time_ns"] > at:
            own.append((at, min(child["time_ns"], end) - at))
        at = max(at, child["time_ns"] + child["duration_ns"])
        if at >= end:
            break
    if at < end:
        own.append((at, end - at))
    return [(start, length) for start, length in own if length > 0]


def _span_row(row: Row, depth: int, scale: _Scale, tree: _Tree, failing: set[str]) -> TraceRow:
    parent_lost = bool(row["parent_id"]) and row["parent_id"] not in tree.by_id
    notes = [row["exception_type"] or row["error_type"], row["exception_message"] or row["status_message"],
             f"HTTP {row['http_status']}" if row["http_status"] else "",
             "its parent was not received" if parent_lost else ""]
    own = own_time(row, tree.children[row["span_id"]]) if tree.children[row["span_id"]] else []
    return TraceRow(
        kind="span", depth=min(depth, _DEEPEST), title=row["name"], service=row["service"], version=row["version"],
        time_ns=row["time_ns"], offset_ns=row["time_ns"] - scale.start, length_ns=row["duration_ns"],
        bar=scale.segment(row["time_ns"], row["duration_ns"]),
        own=tuple(scale.segment(at, length) for at, length in own[:50]), error=tree.failed(row),
        note=" · ".join(note for note in notes if note), severity="", details=_details(row),
        stack=row["exception_stack"], span_id=row["span_id"], on_error_path=row["span_id"] in failing,
    )


def _log_row(row: Row, depth: int, scale: _Scale, failing: set[str]) -> TraceRow:
    severity = next((word for number, word in _SEVERITY if row["severity"] >= number), "")
    return TraceRow(
        kind="log", depth=min(depth, _DEEPEST), title=row["body"], service=row["service"], version=row["version"],
        time_ns=row["time_ns"], offset_ns=row["time_ns"] - scale.start, length_ns=0,
        bar=scale.segment(row["time_ns"], 0), own=(), error=row["severity"] >= 17,
        note=" ".join(part for part in (row["exception_type"], row["exception_message"]) if part), severity=severity,
        details=_details(row), stack=row["exception_stack"], span_id=row["span_id"],
        on_error_path=row["severity"] >= 17 or row["span_id"] in failing,
    )


def _details(row: Row) -> tuple[tuple[str, str], ...]:
    pairs = [(name, str(row[name])) for name in ("span_id", "parent_id", "log_id", "instance", "environment",
                                                 "event_name") if row.get(name)]
    for column in ("attributes", "resource"):
        pairs += sorted((key, _text(value)) for key, value in as_object(row[column]).items())
    for event in as_list(row.get("events", "")):
        words = ", ".join(f"{key}={_text(value)}" for key, value in (event.get("attributes") or {}).items())
        pairs.append((f"event {event.get('name', '')}", words))
    return tuple(pairs)


def as_object(text: str) -> dict[str, Any]:
    """A JSON object kept as text; {} when there is none."""
    value = json.loads(text) if text else {}
    return value if isinstance(value, dict) else {}


def as_list(text: str) -> list[dict[str, Any]]:
    """A JSON array of objects kept as text; [] when there is none."""
    value = json.loads(text) if text else []
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _condense(rows: list[TraceRow], limit: int) -> list[TraceRow]:
    if len(rows) <= limit:
        return rows
    worth = sorted(range(len(rows)), key=lambda i: (not rows[i].on_error_path, rows[i].depth, i))[:limit]
    return [rows[i] for i in sorted(worth)]
