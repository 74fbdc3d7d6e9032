"""The front door over real sockets: OTLP to the letter, limits, and every refusal with its reason."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
import orjson
import pytest
import urllib3
import zstandard
from bench.otlp_load import logs, traces
from examples import examples
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from collectors.grpc_server import start_grpc
from collectors.http_app import FrontDoor, Local
from collectors.intake import Intake
from collectors.limits import Limits, decompress
from collectors.listener import HttpListener
from collectors.naming import Finder, Naming
from collectors.otlp import decode_logs, decode_logs_json, decode_traces, decode_traces_json
from collectors.otlp_records import LogSink, Resources, SpanSink
from collectors.routes import RouteCatalogue
from triage.domain.records import Records
from triage.errors import BadInput, StoreUnavailable, TooLarge
from triage.mask.masker import Masker
from triage.ports.records import Appended
from triage.store.memory import MemoryRecordStore

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
LIMIT = 1 << 20
NOW = 1_780_000_000_000_000_000


@dataclass
class Door:
    store: MemoryRecordStore
    intake: Intake
    port: int = 0
    grpc_port: int = 0
    away: list[StoreUnavailable] = field(default_factory=list)
    token: str = ""
    asked: dict[str, Future[str | None]] = field(default_factory=dict)  # headers that take time to check
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=20))

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        return self.http.request("POST", f"http://127.0.0.1:{self.port}{path}", body=body, headers=headers)

    def kept(self) -> dict[str, int]:
        return dict(self.store.counts().kept)


@pytest.fixture
def door() -> Iterator[Door]:
    store, masker = MemoryRecordStore(), Masker(b"key")
    made: Door

    def keep(records: Records) -> tuple[Future[Appended], int]:
        if made.away:
            raise made.away[0]
        masked = masker.mask(records)
        return store.submit(masked), masked.masked

    intake = Intake(keep=keep, clock=lambda: NOW + 60 * 10**9, retention_days=30)
    made = Door(store, intake)
    limits = Limits(body_bytes=LIMIT, read_s=1.0)

    def authorise(header: str) -> str | Future[str | None] | None:
        if header in made.asked:
            return made.asked[header]
        return None if not made.token or header == f"Bearer {made.token}" else "an ingest token is needed"

    app = FrontDoor(intake, limits, authorise, Local(lambda header: "closed", lambda data: Appended({}, {})))
    listener = HttpListener(app, "127.0.0.1", 0, limits)
    listener.start()
    server, made.grpc_port = start_grpc(intake, limits, authorise, "127.0.0.1:0")
    made.port = listener.port
    yield made
    listener.stop()
    server.stop(0)


def span_json(**fields: object) -> bytes:
    span = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "name": "x", "kind": 2,
            "startTimeUnixNano": str(NOW), "endTimeUnixNano": NOW + 10**9} | fields
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})


def test_protobuf_is_kept_and_success_has_no_partial_success(door: Door) -> None:
    answer = door.post("/v1/traces", traces(50, NOW, 1), PROTOBUF)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-protobuf")
    assert not ExportTraceServiceResponse.FromString(answer.data).HasField("partial_success")
    assert door.kept() == {"spans": 50, "logs": 0, "calls": 10}


def test_a_resend_changes_nothing(door: Door) -> None:
    for _ in range(2):
        assert door.post("/v1/logs", logs(50, NOW, 1), PROTOBUF).status == 200
    assert door.kept()["logs"] == 50


def test_json_ids_are_hex_in_any_case_and_times_may_be_text(door: Door) -> None:
    answer = door.post("/v1/traces", span_json(unknownField=1), JSON | {"content-type": "application/json; charset=utf-8"})
    assert (answer.status, answer.headers["content-type"], answer.data) == (200, "application/json", b"{}")
    assert door.store.by_trace("spans", ["5b8efff798038103d269b633813fc60c"]).num_rows == 1


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
def test_an_empty_request_succeeds(door: Door, path: str) -> None:
    assert door.post(path, b"", PROTOBUF).status == 200
    assert door.post(path, b"{}", JSON).status == 200


@pytest.mark.parametrize(("encoding", "pack"), [
    ("gzip", gzip.compress), ("zstd", zstandard.ZstdCompressor().compress), ("deflate", zlib.compress), ("identity", bytes),
    ("gzip", lambda body: gzip.compress(body[:100]) + gzip.compress(body[100:])),
])
def test_compressed_bodies(door: Door, encoding: str, pack: object) -> None:
    body = pack(traces(50, NOW, 1))  # type: ignore[operator]
    assert door.post("/v1/traces", body, PROTOBUF | {"content-encoding": encoding}).status == 200
    assert door.kept()["spans"] == 50


@pytest.mark.parametrize(("path", "body", "headers", "status", "reason"), [
    ("/v1/traces", b"\xff\xff", PROTOBUF, 400, "not a protobuf"),
    ("/v1/traces", b"{", JSON, 400, "not JSON"),
    ("/v1/traces", b"[]", JSON, 400, "not an object"),
    ("/v1/logs", b'{"resourceLogs":7}', JSON, 400, "not an array"),
    ("/v1/traces", b"not gzip at all", PROTOBUF | {"content-encoding": "gzip"}, 400, "gzip body is broken"),
    ("/v1/traces", gzip.compress(b"x" * 99, mtime=0)[:-9], PROTOBUF | {"content-encoding": "gzip"}, 400, "cut off"),
    ("/v1/traces", b"x", PROTOBUF | {"content-encoding": "zstd"}, 400, "zstd body is broken"),
    ("/v1/traces", b"x", PROTOBUF | {"content-encoding": "br"}, 400, "not supported"),
    ("/v1/traces", b"x" * (LIMIT + 1), PROTOBUF, 413, "over the limit"),
    ("/v1/traces", gzip.compress(b"\0" * (LIMIT + 1), mtime=0), PROTOBUF | {"content-encoding": "gzip"}, 413, "over the limit"),
    ("/v1/traces", b"", {"content-type": "text/plain"}, 415, "application/x-protobuf"),
    ("/v2/traces", b"", PROTOBUF, 404, "/v1/traces"),
    ("/gateway/foo", b"", JSON, 404, "kong"),
])
def test_refusals_are_a_status_message_with_the_reason(
    door: Door, path: str, body: bytes, headers: dict[str, str], status: int, reason: str,
) -> None:
    answer = door.post(path, body, headers)
    assert answer.status == status
    message = json.loads(answer.data)["message"] if "json" in answer.headers["content-type"] else Status.FromString(answer.data).message
    assert reason in message
    assert door.kept() == {"spans": 0, "logs": 0, "calls": 0}
    assert sum(door.intake.counters.refused.values()) == 1


def test_get_is_refused(door: Door) -> None:
    assert door.http.request("GET", f"http://127.0.0.1:{door.port}/v1/traces").status == 405


def test_bad_records_are_told_and_good_ones_beside_them_kept(door: Door) -> None:
    spans = [orjson.loads(span_json(**fields))["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for fields in (
        {}, {"spanId": "0" * 16}, {"traceId": "abc"}, {"startTimeUnixNano": "1e308"}, {"startTimeUnixNano": 1e308, "spanId": "aa" * 8},
        {"startTimeUnixNano": 1, "endTimeUnixNano": 2, "spanId": "bb" * 8},
        {"startTimeUnixNano": str(2**63 - 1), "endTimeUnixNano": str(2**63 - 1), "spanId": "cc" * 8},
        {"startTimeUnixNano": str(2**64 - 1), "spanId": "dd" * 8}, {"attributes": 5, "spanId": "ee" * 8}, {"name": 7, "spanId": "12" * 8},
    )]
    answer = door.post("/v1/traces", orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}), JSON)
    assert answer.status == 200
    partial = json.loads(answer.data)["partialSuccess"]
    assert partial["rejectedSpans"] == "9"
    assert "older than the retention" in partial["errorMessage"]
    assert "invalid trace ID" in partial["errorMessage"]
    assert door.kept()["spans"] == 1


def test_each_signal_has_its_own_retention(door: Door) -> None:
    door.intake.kept_days = {"spans": 7, "calls": 60}
    old = NOW - 10 * 86_400 * 10**9
    answer = door.post("/v1/traces", span_json(startTimeUnixNano=str(old), endTimeUnixNano=str(old + 1)), JSON)
    assert json.loads(answer.data)["partialSuccess"]["rejectedSpans"] == "1"
    record = {"timeUnixNano": str(old), "body": {"stringValue": "x"}}
    assert door.post("/v1/logs", orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}), JSON).status == 200
    assert door.kept() == {"spans": 0, "logs": 1, "calls": 1}, "logs as records, 30 days; calls longer than both"


def test_a_log_without_time_takes_the_observed_time_and_a_bad_trace_id_means_no_link(door: Door) -> None:
    record = {"observedTimeUnixNano": str(NOW), "traceId": "0" * 32, "body": {"stringValue": "x"}}
    body = orjson.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record, record, {"body": {"stringValue": "no time"}}]}]}]})
    answer = door.post("/v1/logs", body, JSON)
    assert json.loads(answer.data)["partialSuccess"]["rejectedLogRecords"] == "1"
    assert door.kept()["logs"] == 2, "two identical records of one request are two"
    assert door.post("/v1/logs", body, JSON).status == 200
    assert door.kept()["logs"] == 2


def test_metrics_are_answered_as_not_kept(door: Door) -> None:
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add().scope_metrics.add().metrics.add().sum.data_points.add()
    answer = door.post("/v1/metrics", request.SerializeToString(), PROTOBUF)
    assert answer.status == 200
    assert ExportMetricsServiceResponse.FromString(answer.data).partial_success.rejected_data_points == 1


def test_an_unavailable_store_says_when_to_come_back(door: Door) -> None:
    door.away.append(StoreUnavailable("Elasticsearch is away", retry_after_s=7))
    answer = door.post("/v1/traces", traces(10, NOW, 1), PROTOBUF)
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert Status.FromString(answer.data).message == "Elasticsearch is away"
    door.away.clear()
    assert door.post("/v1/traces", traces(10, NOW, 1), PROTOBUF).status == 200


def test_a_token_is_asked_for_when_there_is_one(door: Door) -> None:
    door.token = "secret"
    assert door.post("/v1/traces", b"", PROTOBUF).status == 401
    assert door.post("/v1/traces", b"", PROTOBUF | {"authorization": "Bearer secret"}).status == 200
    assert door.post("/local/append", b"", {"authorization": "Bearer secret"}).status == 401


def test_a_token_that_takes_time_to_check_holds_up_nobody_else(door: Door) -> None:
    door.asked["Bearer slow"] = Future()
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(door.post, "/v1/traces", traces(10, NOW, 1), PROTOBUF | {"authorization": "Bearer slow"})
        slow_grpc = pool.submit(call_grpc, door, "logs.v1.LogsService", logs(10, NOW, 1), "slow")
        assert door.post("/v1/traces", traces(10, NOW, 2), PROTOBUF).status == 200
        assert not slow.done()
        assert not slow_grpc.done()
        door.asked["Bearer slow"].set_result(None)
        assert slow.result(timeout=10).status == 200
        assert ExportLogsServiceResponse.FromString(slow_grpc.result(timeout=10)) == ExportLogsServiceResponse()
    assert door.kept()["spans"] == 20


def test_gateway_lines_are_answered_one_by_one(door: Door) -> None:
    line = (b'67.43.156.13 - - [28/May/2026:20:27:33 +0000] "GET /accounts/22289 HTTP/1.1" 200 612 "-" "curl/8"')
    answer = door.post("/gateway/nginx", line + b"\nnonsense\n" + line, {"content-type": "text/plain"})
    body = json.loads(answer.data)
    assert (answer.status, body["accepted"], body["duplicate"], [r["line"] for r in body["rejected"]]) == (200, 2, 0, [2])


def test_a_single_line_that_is_refused_for_its_time_is_line_1(door: Door) -> None:
    line = b'67.43.156.13 - - [28/May/2011:20:27:33 +0000] "GET /accounts/22289 HTTP/1.1" 200 612 "-" "curl/8"'
    body = json.loads(door.post("/gateway/nginx", line, {"content-type": "text/plain"}).data)
    assert (body["accepted"], [r["line"] for r in body["rejected"]]) == (0, [1])


def test_a_slow_body_is_cut_off(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as sock:
        sock.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: 100\r\n\r\nx")
        assert sock.recv(65536).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("bomb", ["gzip", "zstd"])
def test_a_bomb_is_refused_quickly_and_in_little_memory(bomb: str) -> None:
    if bomb == "gzip":
        machine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        mebibyte = machine.compress(b"\0" * (1 << 20)) + machine.flush(zlib.Z_FULL_FLUSH)  # stands alone, so it can be repeated
        body = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + mebibyte * 1024
    else:
        body = zstandard.ZstdCompressor(level=3).compress(b"\0" * (1 << 30))
    began = time.thread_time()  # this thread's share, whatever else the machine does
    with pytest.raises(TooLarge):
        decompress(body, bomb, 64 << 20)
    seconds = time.thread_time() - began
    tracemalloc.start()
    with pytest.raises(TooLarge):
        decompress(body, bomb, 64 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(body) < 1_200_000
    assert seconds < 1
    assert peak < 100 << 20


def call_grpc(door: Door, service: str, body: bytes, token: str = "") -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{door.grpc_port}", options=[("grpc.max_send_message_length", 1 << 28)]) as channel:
        export = channel.unary_unary(f"/opentelemetry.proto.collector.{service}/Export")
        return bytes(export(body, timeout=10, metadata=[("authorization", f"Bearer {token}")] if token else None))


def test_grpc_keeps_traces_and_logs(door: Door) -> None:
    kept_traces = call_grpc(door, "trace.v1.TraceService", traces(50, NOW, 1))
    kept_logs = call_grpc(door, "logs.v1.LogsService", logs(10, NOW, 1))
    assert ExportTraceServiceResponse.FromString(kept_traces) == ExportTraceServiceResponse()
    assert ExportLogsServiceResponse.FromString(kept_logs) == ExportLogsServiceResponse()
    assert door.kept() == {"spans": 50, "logs": 10, "calls": 10}


def test_grpc_refusals(door: Door) -> None:
    with pytest.raises(grpc.RpcError) as bad:
        call_grpc(door, "trace.v1.TraceService", b"\xff\xff")
    assert bad.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as large:
        call_grpc(door, "trace.v1.TraceService", b"x" * (LIMIT + 1))
    assert large.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    door.away.append(StoreUnavailable("away", retry_after_s=7))
    with pytest.raises(grpc.RpcError) as away:
        call_grpc(door, "trace.v1.TraceService", traces(10, NOW, 1))
    assert away.value.code() is grpc.StatusCode.UNAVAILABLE
    info = RetryInfo()
    status = rpc_status.from_call(away.value)
    assert status is not None
    assert status.details[0].Unpack(info)
    assert info.retry_delay.seconds == 7


def test_many_connections_at_once(door: Door) -> None:
    bodies = [traces(10, NOW + i, i) for i in range(60)]
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda b=b: statuses.append(door.post("/v1/traces", b, PROTOBUF).status)) for b in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 60
    assert door.kept()["spans"] == 600


def _decode(body: bytes) -> None:
    def spans() -> SpanSink:
        return SpanSink(Naming(), RouteCatalogue(), Finder(Naming()))

    for decode, sink in (
        (decode_traces, spans()), (decode_traces_json, spans()), (decode_logs, LogSink()), (decode_logs_json, LogSink()),
    ):
        records = Records()
        try:
            decode(body, records, sink, *([Resources()] if decode in (decode_traces, decode_logs) else []))  # type: ignore[operator]
        except BadInput:
            continue
        sink.close(records)
        masked = Masker(b"k").mask(records)
        for signal in ("spans", "logs", "calls"):
            assert masked.table(signal).num_rows == records.size(signal), "what was decoded is masked, no more and no less"


@examples(150)
@given(st.binary(max_size=300))
def test_decoders_answer_or_refuse_any_bytes(body: bytes) -> None:
    _decode(body)


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([
        "key", "value", "stringValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "values", "attributes", "body", "status",
        "code", "traceId", "spanId", "startTimeUnixNano", "timeUnixNano", "events", "name", "kind"]), inner, max_size=4), max_leaves=15)


@examples(150)
@given(st.lists(st.dictionaries(st.sampled_from([
    "traceId", "spanId", "startTimeUnixNano", "attributes", "events", "status", "timeUnixNano", "body", "name", "kind",
]), _ANY), max_size=3))
def test_decoders_answer_or_refuse_any_json(items: list[object]) -> None:
    for outer, scope, inner in (("resourceSpans", "scopeSpans", "spans"), ("resourceLogs", "scopeLogs", "logRecords")):
        try:
            body = json.dumps({outer: [{scope: [{inner: items}]}]}).encode()
        except ValueError:
            return
        _decode(body)


def test_a_request_message_of_the_generated_class_is_what_the_load_sends() -> None:
    assert len(ExportTraceServiceRequest.FromString(traces(10, NOW, 1)).resource_spans) == 5
