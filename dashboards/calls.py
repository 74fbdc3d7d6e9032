"""Calls, newest first, with filters: a page of witnesses becomes a page of calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from flask import Blueprint, request

from dashboards import gate
from dashboards.call_rows import call_rows, calls_of, with_twins
from dashboards.pages import CallRow, CallsPage
from dashboards.parts import Parts
from dashboards.render import render
from dashboards.rollup_model import health_cache
from triage.domain.calls import OUTCOMES
from triage.domain.windows import DAY_NS, HOUR_NS, Window, from_rfc3339
from triage.errors import BadInput
from triage.ports.records import Condition

pages: Final = Blueprint("calls", __name__)
PAGE: Final = 50
FILTERS: Final = ("partner", "api", "outcome", "status", "service", "trace", "code", "since", "until")
_FAILED: Final = tuple(outcome for outcome in OUTCOMES if outcome not in ("ok", "unknown"))
_LATEST_NS: Final = 2**62


@dataclass(frozen=True, slots=True)
class FoundCalls:
    """A page of calls and the cursor of the next."""

    rows: tuple[CallRow, ...]
    next: str | None


def find_calls(parts: Parts, filters: Mapping[str, str], *, limit: int, cursor: str | None) -> FoundCalls:
    """Calls that meet the filters, newest first. Raises BadInput for filters that cannot be read.

    A page is so many witnesses: of the two that saw one call, the other is fetched too, so that the call is whole. Where they
    fall on two pages, the call is on both, under the same ID.
    """
    where, window = conditions(filters)
    page = parts.records.search("calls", where, window, limit, cursor)
    own = set(page.rows.column("witness_id").to_pylist())
    calls = calls_of(with_twins(parts.records, page.rows))
    return FoundCalls(call_rows(parts, [row for row in calls if not own.isdisjoint((row["call_id"], row["line_id"]))]), page.next)


def conditions(filters: Mapping[str, str]) -> tuple[list[Condition], Window | None]:
    """Query parameters -> conditions and window. Raises BadInput."""
    where: list[Condition] = []
    for name, column in (("partner", "partner"), ("service", "service"), ("trace", "trace_id")):
        if value := filters.get(name):
            where.append(Condition(column, "=", value))
    if code := filters.get("code"):
        where.append(Condition("codes", "contains", code))
    if api := filters.get("api"):
        where += _api(api)
    if outcome := filters.get("outcome"):
        wanted = _FAILED if outcome == "failed" else tuple(outcome.split(","))
        if unknown := [name for name in wanted if name not in OUTCOMES]:
            raise BadInput(f"`outcome` is `failed` or one of {', '.join(OUTCOMES)}; not {', '.join(unknown)}.")
        where.append(Condition("outcome", "in", wanted))
    if status := filters.get("status"):
        where += _status(status)
    return where, _window(filters)


def _api(api: str) -> list[Condition]:
    method, _, route = api.partition(" ")
    if route:
        return [Condition("method", "=", method.upper()), Condition("route", "=", route)]
    return [Condition("route", "=", method)]


def _status(status: str) -> list[Condition]:
    """'504', or '5xx' for all of them."""
    if len(status) == 3 and status[0].isdigit() and status[1:].lower() == "xx":
        low = int(status[0]) * 100
        return [Condition("status", ">=", low), Condition("status", "<=", low + 99)]
    if not status.isdigit() or int(status) > 999:
        raise BadInput("`status` is a number such as 504, or 5xx.")
    return [Condition("status", "=", int(status))]


def _window(filters: Mapping[str, str]) -> Window | None:
    since, until = filters.get("since", ""), filters.get("until", "")
    if not since and not until:
        return None
    return Window(time_of(since) if since else 0, time_of(until) if until else _LATEST_NS)


def time_of(text: str) -> int:
    """'1h', '24h' (so long ago), or RFC 3339. Raises BadInput."""
    now = gate.parts().clock()
    if text[:-1].isdigit() and text[-1:] in ("h", "d", "m"):
        return now - int(text[:-1]) * {"m": HOUR_NS // 60, "h": HOUR_NS, "d": DAY_NS}[text[-1]]
    try:
        return from_rfc3339(text if ("T" in text and text[-1:] == "Z") or "+" in text else f"{text}Z")
    except (ValueError, OverflowError):
        raise BadInput(f"'{text}' is no time; write 1h, 7d or 2026-01-31T18:00:00Z.") from None


@pages.get("/calls")
def index() -> str:
    """The page; filters that cannot be read are said above the form."""
    parts = gate.parts()
    filters = {name: request.args.get(name, "").strip() for name in FILTERS}
    found, fault = FoundCalls((), None), ""
    try:
        found = find_calls(parts, filters, limit=PAGE, cursor=request.args.get("cursor"))
    except BadInput as error:
        fault = error.reason
    health = health_cache().day()
    kept = {name: value for name, value in filters.items() if value}
    return render(CallsPage(
        rows=found.rows, filters=tuple(filters.items()),
        partners=tuple(sorted(((p, parts.partner_name(p)) for p in health.partners), key=lambda item: item[1].lower())),
        apis=tuple(sorted(health.apis, key=lambda api: api.split(" ", 1)[-1])), fault=fault,
        next=f"/calls?{urlencode({**kept, 'cursor': found.next})}" if found.next else "",
        first=f"/calls?{urlencode(kept)}" if request.args.get("cursor") else "", now_ns=parts.clock(),
    ))
