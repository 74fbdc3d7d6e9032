"""Calls, newest first, with filters: a page of witnesses becomes a page of calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from flask import Blueprint, request

from dashboards import gate
from dashboards.form_words import in_form_words
from dashboards.health.rollups import health_cache
from dashboards.pages import CallRow, CallsPage
from dashboards.parts import Parts
from dashboards.records.call_rows import call_rows, calls_of, with_twins
from dashboards.records.query_words import at_least_ms, number_or_class, window_of
from dashboards.records.search import search_after
from dashboards.render import render
from triage.domain.calls import FAILED_OUTCOMES, OUTCOMES
from triage.errors import BadInput
from triage.ports.records import Condition

pages: Final = Blueprint("calls", __name__)
PAGE: Final = 50
FILTERS: Final = ("partner", "api", "outcome", "status", "service", "trace", "code", "text", "min_ms", "since", "until")
LIVE_SECONDS: Final = 5
_LABELS: Final = {"outcome": "Result", "status": "Status", "min_ms": "At least, ms", "since": "Since", "until": "Until"}


@dataclass(frozen=True, slots=True)
class FoundCalls:
    """A page of calls, the cursor of the next, and the place of the newest, to ask what came `after`."""

    rows: tuple[CallRow, ...]
    next: str | None
    latest: str | None = None


def find_calls(
    parts: Parts, filters: Mapping[str, str], *, limit: int, cursor: str | None, after: str | None = None,
) -> FoundCalls:
    """Calls that meet the filters, newest first. Raises BadInput for filters that cannot be read.

    A page is so many witnesses: of the two that saw one call, the other is fetched too, so that the call is whole. Where they
    fall on two pages, the call is on both, under the same ID.
    """
    page = search_after(parts.records, "calls", conditions(filters), window_of(filters, parts.clock()), limit, cursor, after)
    own = set(page.rows.column("witness_id").to_pylist())
    calls = calls_of(with_twins(parts.records, page.rows))
    mine = [row for row in calls if not own.isdisjoint((row["call_id"], row["line_id"]))]
    return FoundCalls(call_rows(parts, mine), page.next, page.latest)


def conditions(filters: Mapping[str, str]) -> list[Condition]:
    """Query parameters -> conditions. Raises BadInput."""
    where: list[Condition] = []
    for name, column in (("partner", "partner"), ("service", "service"), ("trace", "trace_id")):
        if value := filters.get(name):
            where.append(Condition(column, "=", value))
    for name, column in (("code", "codes"), ("text", "message")):
        if value := filters.get(name):
            where.append(Condition(column, "contains", value))
    if api := filters.get("api"):
        where += _api(api)
    if outcome := filters.get("outcome"):
        wanted = FAILED_OUTCOMES if outcome == "failed" else tuple(outcome.split(","))
        if unknown := [name for name in wanted if name not in OUTCOMES]:
            raise BadInput(f"`outcome` is `failed` or one of {', '.join(OUTCOMES)}; not {', '.join(unknown)}.")
        where.append(Condition("outcome", "in", wanted))
    if status := filters.get("status"):
        where += number_or_class("status", "status", status)
    if min_ms := filters.get("min_ms"):
        where.append(at_least_ms(min_ms))
    return where


def _api(api: str) -> list[Condition]:
    method, _, route = api.partition(" ")
    if route:
        return [Condition("method", "=", method.upper()), Condition("route", "=", route)]
    return [Condition("route", "=", method)]


@pages.get("/calls")
def index() -> str:
    """The page; filters that cannot be read are said above the form."""
    parts = gate.parts()
    filters = {name: request.args.get(name, "").strip() for name in FILTERS}
    found, fault = FoundCalls((), None), ""
    try:
        found = find_calls(parts, filters, limit=PAGE, cursor=request.args.get("cursor"))
    except BadInput as error:
        fault = in_form_words(error.reason, _LABELS)
    health = health_cache().day()
    kept = {name: value for name, value in filters.items() if value}
    return render(CallsPage(
        rows=found.rows, filters=tuple(filters.items()),
        partners=tuple(sorted(((p, parts.partner_name(p)) for p in health.partners), key=lambda item: item[1].lower())),
        apis=tuple(sorted(health.apis, key=lambda api: api.split(" ", 1)[-1])), fault=fault,
        next=f"/calls?{urlencode({**kept, 'cursor': found.next})}" if found.next else "",
        first=f"/calls?{urlencode(kept)}" if request.args.get("cursor") else "", now_ns=parts.clock(),
        live=LIVE_SECONDS if request.args.get("live") == "1" and not request.args.get("cursor") else 0,
        live_href=f"/calls?{urlencode({**kept, 'live': '1'})}", still_href=f"/calls?{urlencode(kept)}",
    ))
