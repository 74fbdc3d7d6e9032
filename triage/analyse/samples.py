"""Samples of a problem: traces that fail and traces that do not, from the store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from triage.analyse.compare import Attributes
from triage.analyse.events import CLIENT, DATABASE, called, origins_of
from triage.analyse.impact import ImpactOf
from triage.analyse.problems import UNKNOWN, Problem
from triage.analyse.ranking.tables import LogTable, SpanTable
from triage.analyse.slowness import SlowApi
from triage.analyse.suspects import Places, Samples
from triage.calls.join import derive_calls
from triage.domain.calls import FAILED_OUTCOMES, FAULT_OUTCOMES
from triage.domain.incident import ApiImpact, Impact
from triage.domain.windows import MINUTE_NS, Window
from triage.ports.masked import arrow_schema
from triage.ports.records import Condition, RecordStore

_PLACE_COLUMNS: Final = ["trace_id", "span_id", "parent_id", "kind", "service", "instance", "attributes"]
_PLACES: Final = frozenset({
    "cloud.region", "cloud.availability_zone", "cloud.provider", "k8s.cluster.name", "k8s.namespace.name", "k8s.node.name", "host.name",
})
_LONGEST_VALUE: Final = 80
_SERVER: Final = 2
_FAILED_SPAN: Final = 2
MOST_TRACES: Final = 80
MOST_CALLS: Final = 400
MOST_SLOW_APIS: Final = 8
FEW_TRACES: Final = 40
LEAST_TRACED: Final = 10
"""With so many calls whose traces are known the others are left out of the comparison; with fewer, the attributes of traces are."""
_BEFORE: Final = 30  # minutes of healthy calls before the problem
_CALL_ATTRIBUTES: Final = {
    "partner": "partner", "route": "http.route", "method": "http.request.method", "instance": "gateway instance",
    "version": "gateway version", "environment": "deployment.environment.name", "service": "upstream service",
}
UNSAID: Final = frozenset(_CALL_ATTRIBUTES[column] for column in ("instance", "version", "environment", "service"))
"""What some witnesses of a call do not say: an access-log line often names no version, a gateway's span no upstream."""


def fetch_samples(records: RecordStore, problem: Problem, impact: ImpactOf) -> Samples:
    """At most MOST_TRACES traces of each kind, of the same APIs where possible."""
    during = Window(problem.since * MINUTE_NS, (problem.until + 1) * MINUTE_NS)
    around = Window((problem.since - _BEFORE) * MINUTE_NS, during.end_ns)
    routes = tuple(api.route for api in impact.apis)
    known = impact.traces[:MOST_TRACES]
    failing_calls = _failing_calls(records, problem, impact, during, routes)
    healthy_window = Window(around.start_ns, during.start_ns) if problem.kind == "latency" else around
    healthy_calls = records.search("calls", [Condition("outcome", "in", ("ok", "unknown")), *_in("route", routes)],
                                   healthy_window, MOST_CALLS).rows
    failing_ids = list(dict.fromkeys([*known, *_ids(failing_calls)]))[:MOST_TRACES]
    healthy_ids = [t for t in _ids(healthy_calls) if t not in set(failing_ids)][:MOST_TRACES]
    failing, healthy = records.by_trace("spans", failing_ids), records.by_trace("spans", healthy_ids)
    if foreign := _of_others(problem, failing) - set(known):
        failing_ids = [trace_id for trace_id in failing_ids if trace_id not in foreign]
        failing = failing.filter(pc.is_in(failing.column("trace_id"), pa.array(failing_ids, pa.string())))
    if known:  # calls of the problem's own traces rather than any that failed on the same APIs
        failing_calls = _failed_of(records.by_trace("calls", failing_ids))
    return Samples(
        failing=span_table(failing), healthy=span_table(healthy),
        logs_failing=log_table(records.by_trace("logs", failing_ids)),
        logs_healthy=log_table(records.by_trace("logs", healthy_ids)),
        calls_failing=_attributes(failing_calls, failing), calls_healthy=_attributes(healthy_calls, healthy),
        customers=_customers(records, impact, during, routes), failed_at=failed_at(failing), passed=passed(healthy),
    )


def _of_others(problem: Problem, failing: pa.Table) -> set[str]:
    """Traces that began to fail in another service than a problem of one service: those of a neighbour of the same time."""
    what, _, owner = problem.owner.partition(":")
    if what != "service" or problem.owner == UNKNOWN or not problem.rows.any():
        return set()
    origins = origins_of(failing.filter(pc.equal(failing.column("status"), _FAILED_SPAN)), arrow_schema("logs").empty_table())
    return {trace_id for trace_id, origin in origins.items()
            if owner not in (origin.service, origin.callee, origin.callee.partition(".")[0])}


def _failed_of(witnesses: pa.Table) -> pa.Table:
    calls = derive_calls(witnesses)
    return calls.filter(pc.is_in(calls.column("outcome"), pa.array(FAILED_OUTCOMES)))


def _failing_calls(
    records: RecordStore, problem: Problem, impact: ImpactOf, during: Window, routes: tuple[str, ...],
) -> pa.Table:
    if problem.kind == "latency":
        return _slow_calls(records, during, routes)
    where = [*_in("route", routes), *_in("partner", tuple(p.id for p in impact.partners))]
    if problem.rows.any():
        where.append(Condition("outcome", "in", _outcomes(impact)))
    return records.search("calls", where, during, MOST_CALLS).rows


def _slow_calls(records: RecordStore, during: Window, routes: tuple[str, ...]) -> pa.Table:
    """The calls that took longest beside others of their route."""
    where = [Condition("outcome", "=", "ok"), *_in("route", routes)]
    calls = records.scan("calls", during, ["witness_id", "duration_ns", "route"], where)
    took, route = calls.column("duration_ns").to_numpy(), np.array(calls.column("route").to_pylist(), object)
    relative = np.zeros(len(calls))
    for name in routes:
        mine = route == name
        if mine.any():
            relative[mine] = took[mine] / max(float(np.median(took[mine])), 1.0)
    slowest = np.argsort(-relative, kind="stable")[:MOST_TRACES]
    return records.witnesses(calls.column("witness_id").take(pa.array(slowest)).to_pylist())


def slow_apis(records: RecordStore, problem: Problem) -> list[SlowApi]:
    """Traces of each API that a problem of slowness names, at most MOST_SLOW_APIS of them, the most certain first."""
    named = [a for a in sorted(problem.anomalies, key=lambda a: -a.score) if a.key.kind == "api"]
    found = []
    for api, since in list({a.key.id: a.since_minute for a in named}.items())[:MOST_SLOW_APIS]:
        route = (api.partition(" ")[2],)
        before = Window((since - _BEFORE) * MINUTE_NS, since * MINUTE_NS)
        slow = _slow_calls(records, Window(since * MINUTE_NS, (problem.until + 1) * MINUTE_NS), route)
        usual = records.search("calls", [Condition("outcome", "in", ("ok", "unknown")), *_in("route", route)], before, MOST_TRACES).rows
        tables = (span_table(records.by_trace("spans", _ids(calls)[:FEW_TRACES])) for calls in (slow, usual))
        found.append(SlowApi(api, *tables))
    return found


def _customers(records: RecordStore, impact: ImpactOf, during: Window, routes: tuple[str, ...]) -> int:
    """Distinct customers among the failing calls."""
    if not impact.failed:
        return 0
    where = [Condition("outcome", "in", _outcomes(impact)), *_in("route", routes),
             *_in("partner", tuple(p.id for p in impact.partners))]
    column = records.scan("calls", during, ["customer"], where).column("customer").unique()
    return sum(1 for value in column.to_pylist() if value)


def _outcomes(impact: ImpactOf) -> tuple[str, ...]:
    """As the gateway names them: whether a provider failed is known from the trace alone."""
    mine = set(impact.outcomes)
    return tuple(sorted(mine | FAULT_OUTCOMES if mine & FAULT_OUTCOMES else mine))


def failed_at(spans: pa.Table) -> Places:
    """Where each trace failed: (service, instance) of its failing spans without a failing child; behind a CLIENT span the callee
    and the host that was asked, since one that is down reports nothing."""
    bad = spans.filter(pc.equal(spans.column("status"), 2)).select(_PLACE_COLUMNS).to_pylist()
    parents = {(row["trace_id"], row["parent_id"]) for row in bad}
    return [_place(row) for row in bad if (row["trace_id"], row["span_id"]) not in parents]


def passed(spans: pa.Table) -> Places:
    """(service, instance) of every span, and of every CLIENT span its callee and host."""
    rows = spans.select(_PLACE_COLUMNS).to_pylist()
    return [(row["service"], row["instance"]) for row in rows if row["kind"] == _SERVER] + [
        _place(row) for row in rows if row["kind"] == CLIENT]


def _place(row: dict[str, Any]) -> tuple[str, str]:
    if row["kind"] == CLIENT:
        attributes = orjson.loads(row["attributes"] or b"{}")
        callee, host = called(attributes), str(attributes.get("server.address") or "")
        if callee and not any(name in attributes for name in DATABASE):
            return callee, "" if host == callee or host.startswith(f"{callee}.") else host
    return row["service"], row["instance"]


def passing(
    records: RecordStore, service: str, during: Window, partner_name: Callable[[str], str],
) -> tuple[list[Impact], list[ApiImpact]]:
    """Partners and APIs of the calls whose traces pass a service; nothing failed, so 0 each."""
    traces = records.scan("spans", during, ["trace_id"], [Condition("service", "=", service)]).column("trace_id")
    calls = records.scan("calls", during, ["trace_id", "partner", "method", "route"])
    mine = calls.filter(pc.is_in(calls.column("trace_id"), pc.unique(traces)))
    partners = mine.group_by("partner").aggregate([([], "count_all")]).to_pylist()
    apis = mine.group_by(["method", "route"]).aggregate([([], "count_all")]).to_pylist()
    return (
        [Impact(row["partner"], partner_name(row["partner"]), 0, row["count_all"]) for row in sorted(partners, key=_most)],
        [ApiImpact(row["method"], row["route"], 0, row["count_all"]) for row in sorted(apis, key=_most)],
    )


def _most(row: dict[str, Any]) -> int:
    return -int(row["count_all"])


def _in(column: str, values: tuple[str, ...]) -> list[Condition]:
    return [Condition(column, "in", values)] if values else []


def _ids(calls: pa.Table) -> list[str]:
    return [trace_id for trace_id in dict.fromkeys(calls.column("trace_id").to_pylist()) if trace_id]


def _attributes(calls: pa.Table, spans: pa.Table) -> list[Attributes]:
    """Each call as attributes: its own, those of its first span, and version, instance and place of every service in its trace."""
    of_trace: dict[str, Attributes] = {}
    names = ("trace_id", "parent_id", "service", "version", "instance", "resource", "attributes")
    places: dict[str, Attributes] = {}
    for trace_id, parent, service, version, instance, resource, own in zip(*(spans.column(n).to_pylist() for n in names), strict=True):
        attributes = of_trace.setdefault(trace_id, {})
        if version:
            attributes[f"{service} service.version"] = version
        if instance:
            attributes[f"{service} service.instance.id"] = instance
        if resource not in places:
            places[resource] = _plain(resource, _PLACES)
        attributes |= {f"{service} {name}": value for name, value in places[resource].items()}
        if not parent:
            attributes |= _plain(own)
    rows: list[dict[str, Any]] = calls.to_pylist()
    traced = [row for row in rows if row["trace_id"] in of_trace]
    if len(traced) >= LEAST_TRACED or len(traced) == len(rows):
        rows = traced  # what a trace tells is a share of the calls whose traces were looked at
    else:
        of_trace = {}
    return [
        {name: str(row[column]) for column, name in _CALL_ATTRIBUTES.items() if row[column]} | of_trace.get(row["trace_id"], {})
        for row in rows
    ]


def _plain(text: str, names: Collection[str] = ()) -> Attributes:
    """Short scalar attributes of a JSON object: those of these names, or all."""
    values = orjson.loads(text) if text else {}
    return {
        name: str(value) for name, value in values.items()
        if (not names or name in names) and isinstance(value, (str, int, bool)) and 0 < len(str(value)) <= _LONGEST_VALUE
    }


def span_table(spans: pa.Table) -> SpanTable:
    """Spans as the ranking wants them."""
    def texts(name: str) -> list[str]:
        found: list[str] = spans.column(name).to_pylist()
        return found

    status = spans.column("status").to_numpy()
    return SpanTable(
        trace_id=texts("trace_id"), span_id=texts("span_id"), parent_id=texts("parent_id"), service=texts("service"),
        name=texts("name"), kind=spans.column("kind").to_numpy(), start_ns=spans.column("time_ns").to_numpy(),
        duration_ns=spans.column("duration_ns").to_numpy(),
        error=(status == 2) | (spans.column("http_status").to_numpy() >= 500), version=texts("version"), instance=texts("instance"),
    )


def log_table(logs: pa.Table) -> LogTable:
    """Logs as the ranking wants them."""
    columns: Iterable[Any] = (logs.column(n).to_pylist() for n in ("trace_id", "span_id", "service", "body"))
    trace_id, span_id, service, body = columns
    return LogTable(
        trace_id, span_id, service, body, logs.column("severity").to_numpy(), logs.column("time_ns").to_numpy(),
    )
