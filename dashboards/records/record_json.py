"""Spans and log records in the JSON of traces and searches."""

from __future__ import annotations

from typing import Any

from dashboards.records.waterfall import as_list, as_object
from triage.domain.windows import rfc3339


def span_json(row: dict[str, Any]) -> dict[str, Any]:
    """A span in JSON."""
    events = [{**event, "at": rfc3339(event.pop("time_ns"))} if "time_ns" in event else event
              for event in as_list(row["events"])]
    return {**_record(row), "at": rfc3339(row["time_ns"]), "duration_ms": round(row["duration_ns"] / 1e6, 6), "events": events,
            "parent_id": row["parent_id"] or None}


def log_json(row: dict[str, Any]) -> dict[str, Any]:
    """A log record in JSON."""
    return {**_record(row), "at": rfc3339(row["time_ns"])}


def _record(row: dict[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in row.items() if name not in ("time_ns", "duration_ns", "events")}
    return {**plain, "attributes": as_object(row["attributes"]), "resource": as_object(row["resource"])}
