"""Load for the benchmarks: OTLP bodies encoded before the clock, and senders that cost little.

Span shape: gateway calls of 5 spans over 5 services, 8 attributes on the root and 2 on each of the others, about 225 bytes a span.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

SERVICES = ("api-gateway", "consent-service", "payments-service", "core-banking", "fraud-check")
SPANS_A_CALL = len(SERVICES)


def pair(key: str, value: str | int) -> KeyValue:
    """One attribute."""
    return KeyValue(key=key, value=AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value))


def resource(target: object, service: str) -> None:
    """Resource attributes of a service."""
    target.resource.attributes.extend([  # type: ignore[attr-defined]
        pair("service.name", service), pair("service.version", "4.7.0"), pair("service.instance.id", f"{service}-1"),
        pair("deployment.environment.name", "production"),
    ])


def uuid_of(rnd: random.Random) -> str:
    """A random UUID text."""
    text = rnd.randbytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def traces(spans: int, start_ns: int, seed: int, *, step_ns: int = 2_000_000, error_share: float = 0.01) -> bytes:
    """An ExportTraceServiceRequest with so many spans, one call every `step_ns`."""
    rnd = random.Random(seed)
    request = ExportTraceServiceRequest()
    blocks = {}
    for service in SERVICES:
        block = request.resource_spans.add()
        resource(block, service)
        blocks[service] = block.scope_spans.add()
    for number in range(max(spans // SPANS_A_CALL, 1)):
        trace_id, parent, at = rnd.randbytes(16), b"", start_ns + number * step_ns
        status = 503 if rnd.random() < error_share else 201
        for depth, service in enumerate(SERVICES[: min(SPANS_A_CALL, spans)]):
            span = blocks[service].spans.add()
            span.trace_id, span.span_id, span.parent_span_id = trace_id, rnd.randbytes(8), parent
            span.name, span.kind = ("POST /domestic-payments", 2) if depth == 0 else (f"operation-{depth}", 2 + depth % 2)
            span.start_time_unix_nano, span.end_time_unix_nano = at + depth * 1000, at + 50_000_000 - depth * 1000
            span.attributes.extend(_root(rnd, status) if depth == 0 else _inner(service, status))
            parent = span.span_id
    return bytes(request.SerializeToString())


class Renewed:
    """Bodies of spans that are cheap to make anew: in a few, trace IDs are replaced and times moved, so that no span comes twice."""

    def __init__(self, bodies: Sequence[bytes]) -> None:
        self._bodies = [(body, *_places(body)) for body in bodies]

    def body(self, number: int, later_ns: int) -> bytes:
        """The body of a number from 0, its spans so much later; different numbers have no span in common."""
        body, places, times = self._bodies[number % len(self._bodies)]
        made, mark = bytearray(body), (number // len(self._bodies)).to_bytes(8, "big")
        for place in places:
            made[place : place + 8] = mark
        for place, time_ns in times:
            made[place : place + 8] = (time_ns + later_ns).to_bytes(8, "little")
        return bytes(made)


def _places(body: bytes) -> tuple[list[int], list[tuple[int, int]]]:
    """Where the trace IDs of its spans stand in a body, and where its times, with the times."""
    at, ids, times = 0, list[int](), list[tuple[int, int]]()
    for block in ExportTraceServiceRequest.FromString(body).resource_spans:
        for span in block.scope_spans[0].spans:
            at = body.index(span.trace_id, at)
            ids.append(at)
            for time_ns in (span.start_time_unix_nano, span.end_time_unix_nano):
                at = body.index(time_ns.to_bytes(8, "little"), at)
                times.append((at, time_ns))
    return ids, times


def _root(rnd: random.Random, status: int) -> list[KeyValue]:
    return [
        pair("http.request.method", "POST"), pair("http.route", "/open-banking/v4.0/pisp/domestic-payments"),
        pair("url.path", "/open-banking/v4.0/pisp/domestic-payments"), pair("http.response.status_code", status),
        pair("http.request.header.x-consumer-username", f"tpp-{rnd.randint(1, 40)}"),
        pair("http.request.header.x-fapi-interaction-id", uuid_of(rnd)),
        pair("enduser.pseudo.id", f"c{rnd.randint(1, 99_999)}"), pair("openbanking.consent.id", f"consent-{rnd.randint(1, 99_999)}"),
    ]


def _inner(service: str, status: int) -> list[KeyValue]:
    return [pair("server.address", f"{service}.payments.svc.cluster.local"), pair("http.response.status_code", status)]


def logs(records: int, start_ns: int, seed: int) -> bytes:
    """An ExportLogsServiceRequest with so many records."""
    rnd = random.Random(seed)
    request = ExportLogsServiceRequest()
    for service in SERVICES:
        block = request.resource_logs.add()
        resource(block, service)
        scope = block.scope_logs.add()
        for number in range(records // SPANS_A_CALL):
            log = scope.log_records.add()
            log.time_unix_nano = start_ns + number * 1_000_000
            log.severity_number, log.trace_id, log.span_id = 9, rnd.randbytes(16), rnd.randbytes(8)
            payment, account = rnd.randint(1, 10**9), rnd.randint(1, 10**6)
            log.body.string_value = f"payment {payment} of account {account} accepted in {rnd.randint(1, 99)} ms"
            log.attributes.extend([pair("code.function", "accept"), pair("thread.name", f"worker-{rnd.randint(1, 16)}")])
    return bytes(request.SerializeToString())


@dataclass(slots=True)
class Sent:
    """What a load run measured. Times in seconds."""

    seconds: float = 0.0
    accepted: int = 0
    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def p(self, share: float) -> float:
        """A quantile of the time until the acknowledgement, seconds."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


def requests_of(path: str, bodies: Sequence[bytes], host: str) -> list[bytes]:
    """Complete HTTP requests, ready to be written to a socket."""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n"
    return [(head % len(body)).encode() + body for body in bodies]


def run(host: str, port: int, requests: Sequence[bytes], connections: int) -> Sent:
    """Send every request once over so many keep-alive connections, each waiting for its acknowledgement."""
    sent, lock, place = Sent(), threading.Lock(), iter(range(len(requests)))

    def work() -> None:
        with socket.create_connection((host, port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                with lock:
                    number = next(place, None)
                if number is None:
                    return
                began = time.perf_counter()
                sock.sendall(requests[number])
                status = _answer(sock)
                took = time.perf_counter() - began
                with lock:
                    sent.latencies.append(took)
                    if status == b"200":
                        sent.accepted += 1
                    else:
                        sent.errors.append(status.decode("latin-1"))

    began = time.perf_counter()
    _together(work, connections)
    sent.seconds = time.perf_counter() - began
    return sent


def _together(work: Callable[[], None], number: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _answer(sock: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            return b"closed"
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += sock.recv(65536)
    return head.split(b" ", 2)[1]
