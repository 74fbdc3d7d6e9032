"""`rank_case`: cases as folders, whole, partial and damaged."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.analyse.ranking.case_files import read_case, read_logs, read_metrics, read_spans
from triage.analyse.ranking.evidence_metrics import family_of
from triage.analyse.ranking.rank_case import rank_case

Json = dict[str, Any]
EDGES = (("web", "shop"), ("shop", "stock"), ("shop", "pay"), ("web", "news"))
START = 1_700_000_000
MS = 1_000_000


def test_latency_cause_is_the_deepest_that_carries_the_excess(tmp_path: Path) -> None:
    case = metric_case(tmp_path, {"stock": 0.5, "shop": 0.5, "web": 0.5})
    answer = rank_case(case)
    assert answer[0]["component"] == "stock"
    assert "latency of stock went from" in answer[0]["why"][0]
    assert json.loads(json.dumps(answer)) == answer


def test_availability_cause(tmp_path: Path) -> None:
    case = metric_case(tmp_path, {"pay": 40.0, "shop": 15.0, "web": 12.0}, metric="availability")
    assert rank_case(case)[0]["component"] == "pay"


def test_a_callee_that_moved_a_little_is_not_blamed_for_its_caller(tmp_path: Path) -> None:
    case = metric_case(tmp_path, {"shop": 0.5, "web": 0.5, "stock": 0.01})
    assert rank_case(case)[0]["component"] == "shop"


def test_metrics_without_graph_or_complaint(tmp_path: Path) -> None:
    case = metric_case(tmp_path, {"stock": 0.5})
    (case / "graph.csv").unlink()
    (case / "complaint.json").unlink()
    assert rank_case(case)[0]["component"] == "stock"


@pytest.mark.parametrize("seed", range(6))
def test_quiet_metrics_have_no_suspect_though_somebody_complains(tmp_path: Path, seed: int) -> None:
    assert rank_case(metric_case(tmp_path, {}, seed=seed)) == []


def test_a_shift_that_the_whole_incident_shows_is_drift(tmp_path: Path) -> None:
    case = metric_case(tmp_path, {"stock": 0.02, "shop": 0.5, "web": 0.5}, drifted="stock")
    assert rank_case(case)[0]["component"] == "shop"


def test_hot_processor_is_found_and_the_machine_it_shares_is_not_blamed(tmp_path: Path) -> None:
    noise = np.random.default_rng(5)
    normal = [
        (START + 60 * i, part, metric, "Average", noise.uniform(1, 4))
        for i in range(60) for part in ("a", "b", "c") for metric in ("cpu_percent", "host_cpu_percent")
    ]
    hot = [(START + 60 * (100 + i), part, "host_cpu_percent", "Average", 60.0) for i in range(5) for part in "abc"]
    hot += [(START + 60 * (100 + i), part, "cpu_percent", "Average", 99.0 if part == "b" and i > 1 else 2.0)
            for i in range(5) for part in "abc"]
    write_metrics(tmp_path / "normal", normal)
    write_metrics(tmp_path / "incident", hot)
    answer = rank_case(tmp_path)
    assert answer[0]["component"] == "b"
    assert all(other["score"] < answer[0]["score"] / 2 for other in answer[1:])


def test_traces_and_logs_from_a_shared_normal_folder(tmp_path: Path) -> None:
    write_traces(tmp_path / "normal", slow_ms=0)
    write_traces(tmp_path / "case-1" / "incident", slow_ms=800)
    answer = rank_case(tmp_path / "case-1")
    assert [one["component"] for one in answer] == ["pay"]


def test_logs_alone(tmp_path: Path) -> None:
    write_traces(tmp_path / "normal", slow_ms=0)
    write_traces(tmp_path / "incident", slow_ms=0, error="card refused by the vault")
    for part in ("normal", "incident"):
        (tmp_path / part / "spans.jsonl.gz").unlink()
    answer = rank_case(tmp_path)
    assert answer[0]["component"] == "pay"
    assert "card refused" in " ".join(answer[0]["why"])


@pytest.mark.parametrize("missing", ["incident", "normal", "incident/spans.jsonl.gz", "normal/logs.jsonl.gz"])
def test_whatever_is_missing_is_no_crash(tmp_path: Path, missing: str) -> None:
    write_traces(tmp_path / "normal", slow_ms=0)
    write_traces(tmp_path / "incident", slow_ms=800)
    gone = tmp_path / missing
    for file in [gone] if gone.is_file() else list(gone.iterdir()):
        file.unlink()
    assert isinstance(rank_case(tmp_path), list)


def test_an_empty_or_absent_folder_has_no_suspect(tmp_path: Path) -> None:
    assert rank_case(tmp_path) == []
    assert rank_case(tmp_path / "nothing") == []


def test_damaged_files_count_as_far_as_they_go(tmp_path: Path) -> None:
    write_traces(tmp_path / "incident", slow_ms=0)
    file = tmp_path / "incident" / "spans.jsonl.gz"
    whole = len(read_spans(file))
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    file.write_bytes(gzip.compress("\n".join([lines[0], "{broken", "[1]", '{"resourceSpans": 7}', lines[0]]).encode()))
    assert len(read_spans(file)) == whole
    file.write_bytes(gzip.compress((lines[0] + "\n").encode() * 50)[:-9])
    assert 0 <= len(read_spans(file)) <= whole
    file.write_bytes(b"this is not gzip")
    assert len(read_spans(file)) == 0
    (tmp_path / "complaint.json").write_text("[]")
    (tmp_path / "graph.csv").write_text("caller,callee\na\n,,,\na,a\na,b\na,b\n")
    case = read_case(tmp_path)
    assert case.complaint is None
    assert case.graph == [("a", "b")]


def test_metric_rows_that_are_not_numbers_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv.gz"
    rows = ["timestamp,component,metric,statistic,value", "20,a,cpu,Average,2", "10,a,cpu,Average,1", "x,a,cpu,Average,3"]
    rows += ["30,a,cpu,Average,nan", "40,a,cpu", "", "20,a,cpu,Average,4"]
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    series = read_metrics(path)["a", "cpu", "Average"]
    assert series.time_s.tolist() == [10, 20]
    assert series.value.tolist() == [1.0, 4.0]
    path.write_bytes(gzip.compress(b"other,columns\n1,2\n"))
    assert read_metrics(path) == {}


@given(st.lists(st.recursive(st.none() | st.integers() | st.text(max_size=5),
                             lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
                                 st.sampled_from(["resourceSpans", "resourceLogs", "scopeSpans", "scopeLogs", "spans",
                                                  "logRecords", "resource", "attributes", "traceId", "spanId", "body",
                                                  "startTimeUnixNano", "endTimeUnixNano", "status", "kind"]),
                                 inner, max_size=3), max_leaves=20), max_size=5))
def test_readers_take_any_json(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    path = tmp_path_factory.mktemp("any") / "lines.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(json.dumps(value) for value in values).encode(), compresslevel=1))
    assert len(read_spans(path)) >= 0
    assert len(read_logs(path)) >= 0


@pytest.mark.parametrize(("metric", "family"), [
    ("latency", "latency"), ("http_server_duration_seconds", "latency"), ("Availability", "availability"),
    ("success_percent", "availability"), ("cpu_percent", "resource"), ("requests", "volume"), ("temperature", ""),
    ("error_rate", "error"),
])
def test_families_of_metrics(metric: str, family: str) -> None:
    assert family_of(metric) == family


def metric_case(
    folder: Path, worse: dict[str, float], metric: str = "latency", seed: int = 1, drifted: str = ""
) -> Path:
    """A shop whose components get slower (seconds) or less available (points) from the third of five rows on."""
    noise = np.random.default_rng(seed)
    down = metric == "availability"
    rows: dict[str, list[tuple[int, str, str, str, float]]] = {"normal": [], "incident": []}
    for period, count, at in (("normal", 300, START), ("incident", 5, START + 10_000_000)):
        for i in range(count):
            for part in ("web", "shop", "stock", "pay", "news"):
                usual = 100.0 - noise.choice([0.0, 0.0, 0.1]) if down else noise.normal(0.1, 0.005)
                grown = worse.get(part, 0.0) if period == "incident" and (i > 1 or part == drifted) else 0.0
                value = usual - grown if down else usual + grown
                rows[period].append((at + 300 * i, part, metric, "Average", float(value)))
                rows[period].append((at + 300 * i, part, "requests", "Sum", float(noise.integers(90, 110))))
        write_metrics(folder / period, rows[period])
    (folder / "graph.csv").write_text("caller,callee\n" + "".join(f"{a},{b}\n" for a, b in EDGES))
    told = {"component": "web", "metric": metric, "at": START + 10_000_900}
    (folder / "complaint.json").write_text(json.dumps(told))
    return folder


def write_metrics(folder: Path, rows: list[tuple[int, str, str, str, float]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = "timestamp,component,metric,statistic,value\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    (folder / "metrics.csv.gz").write_bytes(gzip.compress(text.encode(), compresslevel=1))


def write_traces(folder: Path, slow_ms: float, error: str = "") -> None:
    """Thirty traces shop -> pay as OTLP JSON lines, with two log lines for each visit of pay."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(11)
    spans: dict[str, list[Json]] = {"shop": [], "pay": []}
    lines: list[Json] = []
    for number in range(30):
        at, work = START * 10**9 + number * 10**9, int(noise.uniform(5, 8) * MS)
        trace, wait = f"{number:032x}", int((noise.uniform(0.5, 1) + slow_ms) * MS)
        spans["shop"] += [
            span(trace, "a1", "", "GET /buy", 2, at, 2 * work + wait),
            span(trace, "b1", "a1", "call pay", 3, at + work // 2, work + wait),
        ]
        spans["pay"].append(span(trace, "c1", "b1", "/pay", 2, at + work // 2 + wait // 2, work))
        lines += [record(trace, "c1", at + work, f"charging order {number}", 9)]
        lines += [record(trace, "c1", at + work + 5, error or f"charged order {number} with {work} points", 17 if error else 9)]
    batches = [
        {"resourceSpans": [{"resource": resource(name), "scopeSpans": [{"scope": {}, "spans": found}]}
                           for name, found in spans.items()]}
    ]
    logs = [{"resourceLogs": [{"resource": resource("pay"), "scopeLogs": [{"scope": {}, "logRecords": lines}]}]}]
    for file, requests in (("spans.jsonl.gz", batches), ("logs.jsonl.gz", logs)):
        (folder / file).write_bytes(gzip.compress("\n".join(map(json.dumps, requests)).encode(), compresslevel=1))


def resource(service: str) -> Json:
    return {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}


def span(trace: str, own: str, parent: str, name: str, kind: int, at: int, length: int) -> Json:
    made: Json = {
        "traceId": trace, "spanId": own, "name": name, "kind": kind,
        "startTimeUnixNano": str(at), "endTimeUnixNano": str(at + length),
    }
    return made | ({"parentSpanId": parent} if parent else {})


def record(trace: str, span_id: str, at: int, text: str, severity: int) -> Json:
    return {"traceId": trace, "spanId": span_id, "timeUnixNano": str(at), "severityNumber": severity,
            "body": {"stringValue": text}}
