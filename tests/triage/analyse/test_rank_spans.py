"""The ranking over live traces: who is named for errors, delays and early ends, and when nobody is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from triage.analyse.ranking.forest import grow
from triage.analyse.ranking.log_shape import alike, shape
from triage.analyse.ranking.rank import rank_spans
from triage.analyse.ranking.tables import CLIENT, SERVER, LogTable, SpanTable, no_spans

MS = 1_000_000
Row = tuple[str, str, str, str, str, int, int, int, bool]  # trace, span, parent, service, name, kind, start, length, error


@dataclass
class Traffic:
    """Traces gateway -> accounts -> ledger, with what goes wrong."""

    traces: int = 40
    seed: int = 1
    wait_ms: float = 0.0  # on the way to the ledger and back
    ledger_fails: bool = False
    ledger_silent: bool = False  # the call fails and no server span answers it
    skew_ms: float = 0.0  # the ledger's clock is ahead
    lost_roots: bool = False
    circle: bool = False
    kind_known: bool = True
    stops_before_commit: bool = False
    rows: list[Row] = field(default_factory=list)
    lines: list[tuple[str, str, str, str, int]] = field(default_factory=list)

    def build(self) -> tuple[SpanTable, LogTable]:
        noise = np.random.default_rng(self.seed)
        for number in range(self.traces):
            self._trace(f"t{self.seed}-{number}", number * 1000 * MS, noise)
        return table(self.rows), log_table(self.lines)

    def _trace(self, trace: str, at: int, noise: np.random.Generator) -> None:
        work = int(noise.uniform(4, 6) * MS)
        wait = int((noise.uniform(0.5, 1) + self.wait_ms) * MS)
        failed = self.ledger_fails or self.ledger_silent
        call, whole = work + wait, 2 * work + wait + 4 * MS
        server, client = (SERVER, CLIENT) if self.kind_known else (0, 0)
        ledger_at = at + 3 * MS + wait // 2 + int(self.skew_ms * MS)
        root_parent = "gone" if self.lost_roots else ("c" if self.circle else "")
        self.rows += [
            (trace, "a", root_parent, "gateway", "GET /accounts", server, at, whole + 2 * MS, failed),
            (trace, "b", "a", "gateway", "call accounts", client, at + MS, whole, failed),
            (trace, "c", "b", "accounts", "/accounts", server, at + MS, whole, failed),
            (trace, "d", "c", "accounts", "call ledger", client, at + 3 * MS, call, failed),
        ]
        self.lines.append((trace, "c", "accounts", f"reading account {at} of customer {trace}", 9))
        if not self.ledger_silent:
            self.rows.append((trace, "e", "d", "ledger", "/balance", server, ledger_at, work, self.ledger_fails))
            self.lines.append((trace, "e", "ledger", f"balance asked for {at}", 9))
            if not self.stops_before_commit:
                self.lines.append((trace, "e", "ledger", f"balance sent: {at} EUR", 9))
        self.lines.append((trace, "c", "accounts", f"account sent after {whole} ns", 9))


def table(rows: list[Row]) -> SpanTable:
    columns: list[list[object]] = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(9)]
    trace, span, parent, service, name, kind, start, length, error = columns
    return SpanTable(
        trace, span, parent, service, name, np.array(kind, np.int64), np.array(start, np.int64),  # type: ignore[arg-type]
        np.array(length, np.int64), np.array(error, np.bool_), [""] * len(rows), [""] * len(rows),
    )


def log_table(lines: list[tuple[str, str, str, str, int]]) -> LogTable:
    return LogTable(
        [line[0] for line in lines], [line[1] for line in lines], [line[2] for line in lines],
        [line[3] for line in lines], np.array([line[4] for line in lines], np.int64),
        np.arange(len(lines), dtype=np.int64),
    )


HEALTHY = Traffic(seed=7).build()


def names(traffic: Traffic, with_logs: bool = False) -> list[str]:
    spans, logs = traffic.build()
    if with_logs:
        return [one.component for one in rank_spans(spans, HEALTHY[0], logs, HEALTHY[1])]
    return [one.component for one in rank_spans(spans, HEALTHY[0])]


def test_the_deepest_failing_service_is_first_and_those_above_say_why_not() -> None:
    suspects = rank_spans(Traffic(ledger_fails=True).build()[0], HEALTHY[0])
    assert suspects[0].component == "ledger"
    assert 0.5 < suspects[0].score <= 1
    assert "40 of 40" in suspects[0].why[0]
    above = {one.component: one for one in suspects[1:]}
    assert {"gateway", "accounts"} <= above.keys()
    assert all(one.score < suspects[0].score / 2 for one in suspects[1:])
    assert "only pass on" in above["gateway"].why_not[-1]


def test_a_call_that_nothing_answers_is_charged_to_who_usually_answers() -> None:
    assert names(Traffic(ledger_silent=True))[0] == "ledger"


def test_delay_on_the_way_is_charged_to_the_callee() -> None:
    suspects = rank_spans(Traffic(wait_ms=500).build()[0], HEALTHY[0])
    assert [one.component for one in suspects] == ["ledger"]
    assert "normally" in suspects[0].why[0]


def test_delay_is_found_without_span_kinds_and_under_clock_skew() -> None:
    assert names(Traffic(wait_ms=500, kind_known=False))[0] == "ledger"
    assert names(Traffic(wait_ms=500, skew_ms=70_000))[0] == "ledger"
    assert names(Traffic(wait_ms=500, skew_ms=-70_000))[0] == "ledger"


def test_a_flow_that_ends_early_names_its_service() -> None:
    suspects = rank_spans(Traffic(stops_before_commit=True).build()[0], HEALTHY[0], Traffic(
        stops_before_commit=True).build()[1], HEALTHY[1])
    assert suspects[0].component == "ledger"
    assert "balance sent" in suspects[0].why[0]
    assert "0 of 40" in suspects[0].why[0]


def test_a_new_error_line_names_its_service_not_its_callers() -> None:
    traffic = Traffic()
    spans, _ = traffic.build()
    for number in range(traffic.traces):
        trace = f"t1-{number}"
        traffic.lines.append((trace, "e", "ledger", f"ERROR no such account {number}", 17))
        traffic.lines.append((trace, "c", "accounts", f"ERROR upstream answered badly {number}", 17))
    suspects = rank_spans(spans, HEALTHY[0], log_table(traffic.lines), HEALTHY[1])
    assert suspects[0].component == "ledger"


def test_quiet_traffic_has_no_suspect() -> None:
    for traffic in (Traffic(seed=3), Traffic(seed=4, skew_ms=9000), Traffic(lost_roots=True), Traffic(circle=True)):
        assert names(traffic, with_logs=True) == []


def test_broken_traces_still_name_the_cause() -> None:
    assert names(Traffic(wait_ms=500, lost_roots=True))[0] == "ledger"
    assert names(Traffic(wait_ms=500, circle=True))[0] == "ledger"
    assert names(Traffic(ledger_fails=True, circle=True))[0] == "ledger"


def test_nothing_to_compare_with_is_no_crash() -> None:
    assert rank_spans(no_spans(), no_spans()) == []
    assert rank_spans(no_spans(), HEALTHY[0]) == []
    failing = Traffic(ledger_fails=True).build()[0]
    assert rank_spans(failing, no_spans())[0].component == "ledger"


def test_the_hook_decides_what_is_one_log_statement() -> None:
    spans, logs = Traffic(stops_before_commit=True).build()
    assert rank_spans(spans, HEALTHY[0], logs, HEALTHY[1], template=lambda _: "all the same") == []


@examples(60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 5), st.integers(0, 2),
                          st.integers(-10, 10), st.integers(0, 20), st.booleans()), max_size=25))
def test_any_links_give_a_forest(raw: list[tuple[int, int, int, int, int, int, bool]]) -> None:
    rows: list[Row] = [
        (f"t{trace}", f"s{span}", f"s{parent}", f"svc{service}", f"op{span}", 0, start, length, error)
        for trace, span, parent, service, start, length, error in raw
    ]
    spans = table(rows)
    forest = grow(spans)
    assert sorted(forest.order) == list(range(len(rows)))
    assert all(0 <= own <= whole for own, whole in zip(forest.self_ns, spans.duration_ns, strict=True))
    assert all(spans.service[row] == spans.service[int(forest.visit[row])] for row in range(len(rows)))
    for suspect in rank_spans(spans, HEALTHY[0]):
        assert 0 <= suspect.score <= 1


def test_shape_keeps_the_statement_and_drops_values() -> None:
    one = shape("2026-01-02 10:00:01 INFO Pay#31 [pay] order: 12, customer=ann, lines: [Line(a=1), Line(a=2)] paid")
    other = shape("2026-03-04 11:00:09 INFO Pay#31 [pay] order: 99, customer=bob, lines: [Line(a=7)] paid")
    assert one == other == "Pay#31 INFO pay order customer lines paid"
    assert shape('{"level":"info","msg":"user 12 said hello","time":"x"}') == "user said hello"
    assert shape("{not json") and shape("") == ""


@given(st.text(max_size=300))
def test_shape_takes_any_text(body: str) -> None:
    assert alike(shape(body), shape(body)) == 1.0
    assert len(shape(body).split()) <= 12 or "\x1c" in body
