"""What the pages of partners and of APIs share: rows with figures, order, the page of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from dashboards.health.rollups import Customers, Figures, customers_of, minutes_of, outcomes_of
from dashboards.incidents.rows import incident_row, select_incidents
from dashboards.pages import Facet, Fact, HealthListPage, HealthPage, HealthRow
from dashboards.parts import Parts
from dashboards.svg import curve, spark
from dashboards.words import OUTCOME_WORDS, count, duration, share

SHOWN: Final = 200
_SORTS: Final[dict[str, tuple[str, Callable[[HealthRow], Any]]]] = {
    "errors": ("Most errors", lambda row: -row.failed),
    "share": ("Highest error share", lambda row: -(row.failed / row.calls if row.calls else 0)),
    "calls": ("Most calls", lambda row: -row.calls),
    "slow": ("Slowest", lambda row: -row.p95_ns),
    "name": ("Name", lambda row: row.name.lower()),
}


def health_row(key: str, name: str, sub: str, href: str, figures: Figures, live: Iterable[str] = ()) -> HealthRow:
    """Figures as a row."""
    return HealthRow(
        id=key, name=name, sub=sub, href=href, calls=figures.calls, failed=figures.failed, faults=figures.faults,
        p50_ns=figures.p50_ns, p95_ns=figures.p95_ns,
        spark=spark(figures.slots, f"calls over time, at most {max(figures.slots)} in a step"),
        error_spark=spark(figures.failed_slots, f"failed calls over time, at most {max(figures.failed_slots)} in a step"),
        live=tuple(live),
    )


def list_page(
    title: str, noun: str, rows: list[HealthRow], arguments: Mapping[str, str], trouble: str,
) -> HealthListPage:
    """The list, filtered by the words typed and sorted as asked."""
    query, sort = arguments.get("q", "").strip(), arguments.get("sort", "errors")
    sort = sort if sort in _SORTS else "errors"
    wanted = [row for row in rows if query.lower() in f"{row.id} {row.name}".lower()]
    wanted.sort(key=lambda row: (_SORTS[sort][1](row), row.name))
    kept = {"q": query} if query else {}
    sorts = tuple(Facet(label, "", f"?{urlencode({**kept, 'sort': name})}", name == sort)
                  for name, (label, _) in _SORTS.items())
    return HealthListPage(title=title, noun=noun, rows=tuple(wanted[:SHOWN]), query=query, sort=sort, sorts=sorts,
                          left_out=max(0, len(wanted) - SHOWN), trouble=trouble)


def one_page(
    parts: Parts, noun: str, row: HealthRow, table: Any, parts_title: str, rows: list[HealthRow], tag: str,
    extra: tuple[tuple[str, str], ...],
) -> HealthPage:
    """The page of one partner or API. `table`: its roll-up rows of the last 24 h."""
    now = parts.clock()
    rows.sort(key=lambda part: (-part.failed, -part.calls))
    incidents = select_incidents(parts, [(tag,)], limit=10).items
    outcomes = outcomes_of(table) if len(table) else []
    marks = [(incident.first_seen_ns, incident.id) for incident in incidents]
    customers = customers_of(parts, noun, row.id)
    facts = (Fact(count(row.calls), "calls in 24 h"), Fact(count(customers.all), "customers in 24 h"),
             Fact(count(customers.failed), "customers had a failure"), Fact(share(row.failed, row.calls), "failed, all reasons"),
             Fact(share(row.faults, row.calls), "failed by us or a provider"),
             Fact(duration(row.p50_ns) if row.calls else "—", "median time"),
             Fact(duration(row.p95_ns) if row.calls else "—", "95 % are faster than"))
    return HealthPage(
        noun=noun, row=row, extra=extra, facts=facts, curve=curve(minutes_of(table), marks) if len(table) else None,
        outcomes=tuple((OUTCOME_WORDS.get(name, name), calls, calls / max(1, row.calls)) for name, calls in outcomes),
        parts_title=parts_title, parts=tuple(rows[:50]), incidents=tuple(incident_row(i, now) for i in incidents),
        calls_href=f"/calls?{urlencode({noun: row.id})}", now_ns=now,
    )


def health_json(row: HealthRow) -> dict[str, Any]:
    """The figures of a row in JSON."""
    return {
        "calls": row.calls, "failed_calls": row.failed, "faults": row.faults,
        "error_share": round(row.failed / row.calls, 6) if row.calls else None,
        "p50_ms": round(row.p50_ns / 1e6, 3) if row.calls else None,
        "p95_ms": round(row.p95_ns / 1e6, 3) if row.calls else None,
        "incidents": list(row.live),
    }



def customers_json(customers: Customers) -> dict[str, int]:
    """Distinct customers in JSON."""
    return {"customers": customers.all, "customers_failed": customers.failed}
