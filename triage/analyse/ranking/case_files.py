"""Read the folder of one case: OTLP JSON spans and logs, metrics in long form, call graph and complaint.

In: a folder in which every file may be missing. Out: the tables of `tables.py`. Lines that cannot be read are
passed over, a file that breaks off counts as far as it goes: a case is evidence, and half of it is better than none.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triage.analyse.ranking.tables import (
    Complaint,
    LogTable,
    MetricTable,
    Series,
    SeriesKey,
    SpanTable,
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Period:
    """What is known of one stretch of time; tables are empty where a file is missing."""

    spans: SpanTable
    logs: LogTable
    metrics: MetricTable


@dataclass(frozen=True, slots=True)
class Case:
    """An incident, a time without it, and the context. `graph` holds (caller, callee)."""

    incident: Period
    normal: Period
    graph: list[tuple[str, str]]
    complaint: Complaint | None


def read_case(case_dir: Path) -> Case:
    """Read a case folder; `normal/` beside it stands in for a missing `normal/` inside."""
    normal = case_dir / "normal"
    if not normal.is_dir():
        normal = case_dir.parent / "normal"
    return Case(
        incident=_period(case_dir / "incident"),
        normal=_period(normal),
        graph=read_graph(case_dir / "graph.csv"),
        complaint=read_complaint(case_dir / "complaint.json"),
    )


def _period(folder: Path) -> Period:
    return Period(
        spans=read_spans(folder / "spans.jsonl.gz"),
        logs=read_logs(folder / "logs.jsonl.gz"),
        metrics=read_metrics(folder / "metrics.csv.gz"),
    )


def read_spans(path: Path) -> SpanTable:
    """Spans of an OTLP JSON lines file. A span without IDs or times is passed over, a second copy of one too."""
    columns: list[list[Any]] = [[] for _ in range(11)]
    seen: set[tuple[str, str]] = set()
    for resource, span in _records(path, "resourceSpans", "scopeSpans", "spans"):
        row = _span_row(resource, span)
        if row is None or (row[0], row[1]) in seen:
            continue
        seen.add((row[0], row[1]))
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    trace, span_id, parent, service, name, kind, start, duration, error, version, instance = columns
    return SpanTable(
        trace, span_id, parent, service, name, np.array(kind, np.int64), np.array(start, np.int64),
        np.array(duration, np.int64), np.array(error, np.bool_), version, instance,
    )


def _span_row(resource: dict[str, str], span: Json) -> tuple[Any, ...] | None:
    try:
        start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        ids = str(span["traceId"]), str(span["spanId"])
        kind = int(span.get("kind", 0))
    except (KeyError, TypeError, ValueError):
        return None
    status = span.get("status")
    failed = isinstance(status, dict) and status.get("code") in (2, "STATUS_CODE_ERROR")
    return (
        *ids, str(span.get("parentSpanId") or ""), resource.get("service.name", ""), str(span.get("name", "")),
        kind, start, max(0, end - start), failed, resource.get("service.version", ""),
        resource.get("service.instance.id") or resource.get("k8s.pod.name", ""),
    )


def read_logs(path: Path) -> LogTable:
    """Log records of an OTLP JSON lines file; a zero time takes the observed time."""
    columns: list[list[Any]] = [[] for _ in range(6)]
    for resource, record in _records(path, "resourceLogs", "scopeLogs", "logRecords"):
        try:
            time_ns = int(record.get("timeUnixNano") or record.get("observedTimeUnixNano") or 0)
            severity = int(record.get("severityNumber", 0))
        except (TypeError, ValueError):
            continue
        row = (
            str(record.get("traceId") or ""), str(record.get("spanId") or ""),
            resource.get("service.name", ""), _text(record.get("body")), severity, time_ns,
        )
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    trace, span, service, body, severity_column, time_column = columns
    return LogTable(
        trace, span, service, body, np.array(severity_column, np.int64), np.array(time_column, np.int64)
    )


def _records(path: Path, top: str, middle: str, leaf: str) -> Iterator[tuple[dict[str, str], Json]]:
    """Walk an OTLP JSON lines file: (attributes of the resource, record)."""
    for line in _lines(path):
        try:
            batch = json.loads(line)
        except ValueError:
            continue
        for group in _objects(batch, top):
            resource = group.get("resource")
            attributes = _attributes(resource if isinstance(resource, dict) else {})
            for scope in _objects(group, middle):
                for record in _objects(scope, leaf):
                    yield attributes, record


def _objects(holder: object, key: str) -> list[Json]:
    found = holder.get(key) if isinstance(holder, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _attributes(holder: Json) -> dict[str, str]:
    return {str(one.get("key")): _text(one.get("value")) for one in _objects(holder, "attributes")}


def _text(value: object) -> str:
    """An OTLP AnyValue as text; lists and maps as JSON."""
    if not isinstance(value, dict):
        return "" if value is None else str(value)
    for inner in value.values():
        return inner if isinstance(inner, str) else json.dumps(inner)
    return ""


def _lines(path: Path) -> Iterator[str]:
    """Lines of a gzipped text file, none when it is missing, up to the break when it is damaged."""
    if not path.is_file():
        return
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
        try:
            yield from lines
        except (OSError, EOFError, zlib.error):
            return


def read_metrics(path: Path) -> MetricTable:
    """Series of a `timestamp,component,metric,statistic,value` file, rows that are not numbers passed over."""
    rows: dict[SeriesKey, dict[int, float]] = defaultdict(dict)
    lines = csv.reader(line.replace("\0", "") for line in _lines(path))
    try:
        header = next(lines, [])
        columns = [header.index(name) for name in ("timestamp", "component", "metric", "statistic", "value")]
        for row in lines:
            point = _metric_point(row, columns)
            if point is not None:
                key, time_s, value = point
                rows[key][time_s] = value
    except (ValueError, csv.Error):  # no such header, or a field beyond every measure: what was read so far counts
        pass
    return {key: _series(points) for key, points in rows.items()}


def _metric_point(row: list[str], columns: list[int]) -> tuple[SeriesKey, int, float] | None:
    try:
        time, component, metric, statistic, number = (row[column] for column in columns)
        time_s, value = int(float(time)), float(number)
    except (IndexError, ValueError, OverflowError):
        return None
    return ((component, metric, statistic), time_s, value) if math.isfinite(value) else None


def _csv_rows(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    reader = csv.DictReader(line.replace("\0", "") for line in lines)
    try:
        yield from reader
    except csv.Error:
        return


def _series(points: dict[int, float]) -> Series:
    times = sorted(points)
    return Series(np.array(times, np.int64), np.array([points[time] for time in times], np.float64))


def read_graph(path: Path) -> list[tuple[str, str]]:
    """Call edges (caller, callee) without repeats and self-calls; [] when the file is missing."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace").splitlines()
    pairs = ((row.get("caller") or "", row.get("callee") or "") for row in _csv_rows(text))
    return list(dict.fromkeys((caller, callee) for caller, callee in pairs if caller and callee and caller != callee))


def read_complaint(path: Path) -> Complaint | None:
    """The reported symptom, None when there is none or it cannot be read."""
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8", errors="replace"))
        return Complaint(str(told.get("component", "")), str(told.get("metric", "")), int(float(told.get("at") or 0)))
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None
