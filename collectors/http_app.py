"""The front door over HTTP: `/v1/traces`, `/v1/logs`, `/v1/metrics` and `/gateway/<kind>`, as an ASGI application.

The event loop moves bytes and decodes small bodies, for which a change of threads would cost more than the work. Larger ones are
decoded on a bounded pool of threads, which hands them to other processes. What waits is bounded in requests and bytes, and beyond
that senders are told to come back (429 with Retry-After), never left to time out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from collectors.crossing import Crossing
from collectors.gateways import KINDS
from collectors.intake import LARGE, Encoding, Intake, Outcome, Pending
from collectors.limits import Limits, decompress, too_large
from collectors.otlp_answers import CONTENT_TYPE, export_body, logs_response, metrics_response, status_body, traces_response
from triage.errors import BadInput, StoreError, StoreUnavailable, TooLarge, counted_as
from triage.ports.records import Appended

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Authorise = Callable[[str], "str | Future[str | None] | None"]
"""Takes the Authorization header; gives None when ingest is allowed, else the reason why not; a future of it where that takes time."""

# gRPC code by HTTP status, for the `code` of google.rpc.Status
_RPC_CODE: Final = {400: 3, 401: 16, 404: 12, 405: 12, 408: 4, 413: 8, 415: 3, 429: 8, 500: 13, 503: 14}


@dataclass(frozen=True, slots=True)
class Local:
    """The door for commands of this machine, which hand over records that they have decoded and masked themselves."""

    authorise: Authorise
    append: Callable[[bytes], Appended]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response."""

    status: int
    body: bytes
    content_type: str = "application/json"
    retry_after_s: int | None = None
    close: bool = False


class FrontDoor:
    """ASGI application. `authorise` is asked before a body is read."""

    def __init__(self, intake: Intake, limits: Limits, authorise: Authorise, local: Local, workers: int = 4) -> None:
        self._intake, self._limits, self._authorise, self._local = intake, limits, authorise, local
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="intake")
        self._waiting_requests = 0
        self._waiting_bytes = 0
        self._crossing: Crossing | None = None  # made in the loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        answer = await self._answer(scope["method"], scope["path"], headers, receive)
        fields = [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(answer.body)).encode())]
        if answer.retry_after_s is not None:
            fields.append((b"retry-after", str(answer.retry_after_s).encode()))
        if answer.close:
            fields.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": fields})
        await send({"type": "http.response.body", "body": answer.body})

    def close(self) -> None:
        """Finish what was accepted."""
        self._pool.shutdown(wait=True)

    async def _answer(self, method: str, path: str, headers: dict[str, str], receive: Receive) -> Answer:
        if path == "/healthz":
            return Answer(200, b'{"status":"ok"}')
        signal, kind = _target(path)
        encoding: Encoding = "json" if signal in ("gateway", "local") or "json" in headers.get("content-type", "") else "protobuf"
        try:
            refusal = await self._refuse(method, signal, kind, headers)
        except StoreUnavailable as error:
            return self._error(503, str(error), encoding, retry_after_s=error.retry_after_s)
        if refusal:
            return self._error(*refusal, encoding)
        try:
            async with asyncio.timeout(self._limits.read_s):
                body = await self._read(headers, receive)
        except TooLarge as error:
            return self._error(413, error.reason, encoding, close=True)
        except TimeoutError:
            return self._error(408, f"the body did not arrive within {self._limits.read_s:g} s", encoding, close=True)
        except ConnectionResetError:
            return self._error(400, "the sender went away", encoding, close=True)
        if self._full(len(body)):
            return self._error(429, "too much waits to be kept; send again later", encoding, retry_after_s=2)
        self._waiting_requests += 1
        self._waiting_bytes += len(body)
        try:
            return await self._work(signal, kind, headers.get("content-encoding", ""), body, encoding)
        finally:
            self._waiting_requests -= 1
            self._waiting_bytes -= len(body)

    def _full(self, size: int) -> bool:
        limits = self._limits
        if not self._waiting_requests:
            return False
        return self._waiting_requests >= limits.waiting_requests or self._waiting_bytes + size > limits.waiting_bytes

    async def _refuse(self, method: str, signal: str, kind: str, headers: dict[str, str]) -> tuple[int, str] | None:
        if not signal:
            return 404, "there is nothing here; use /v1/traces, /v1/logs, /v1/metrics or /gateway/<kind>"
        if method != "POST":
            return 405, "use POST"
        if signal == "gateway" and kind not in ("auto", "otel") and kind not in KINDS:
            return 404, f"the gateway kind is not known: {kind!r}; known are {', '.join(sorted(KINDS))}, otel and auto"
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if signal not in ("gateway", "local") and content_type not in ("application/x-protobuf", "application/json"):
            return 415, f"the Content-Type is not supported: {content_type!r}; send application/x-protobuf or application/json"
        answer = (self._local.authorise if signal == "local" else self._authorise)(headers.get("authorization", ""))
        reason = await asyncio.wrap_future(answer) if isinstance(answer, Future) else answer
        return (401, reason) if reason else None

    async def _read(self, headers: dict[str, str], receive: Receive) -> bytes:
        limit = self._limits.body_bytes
        if headers.get("content-length", "0").isdigit() and int(headers.get("content-length", "0")) > limit:
            raise too_large(limit)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise too_large(limit)
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)

    async def _work(self, signal: str, kind: str, content_encoding: str, body: bytes, encoding: Encoding) -> Answer:
        loop = asyncio.get_running_loop()
        crossing = self._crossing = self._crossing or Crossing(loop)
        try:
            if len(body) < LARGE and not content_encoding and signal in ("traces", "logs"):
                begun = self._begin(signal, kind, content_encoding, body, encoding)
            else:
                begun = await loop.run_in_executor(self._pool, self._begin, signal, kind, content_encoding, body, encoding)
            if isinstance(begun, Answer):
                return begun
            await crossing.wait(begun.appended)
            return self._kept(signal, self._intake.finish(begun), encoding)
        except TooLarge as error:
            return self._error(413, error.reason, encoding)
        except BadInput as error:
            return self._error(400, error.reason, encoding)
        except StoreUnavailable as error:
            return self._error(503, str(error), encoding, retry_after_s=error.retry_after_s)
        except StoreError as error:
            return self._error(500, str(error), encoding)

    def _begin(self, signal: str, kind: str, content_encoding: str, body: bytes, encoding: Encoding) -> Pending | Answer:
        """Decompress, decode, mask, hand over. What needs no store is answered at once."""
        plain = decompress(body, content_encoding, self._limits.body_bytes)
        if signal == "metrics":
            return Answer(200, export_body(metrics_response(count_points(plain, encoding)), encoding), CONTENT_TYPE[encoding])
        if signal == "local":
            appended = self._local.append(plain)
            return Answer(200, orjson.dumps({"kept": appended.kept, "duplicate": appended.duplicate}))
        return self._intake.accept(signal, encoding, plain, kind or "otlp", kind)

    def _kept(self, signal: str, outcome: Outcome, encoding: Encoding) -> Answer:
        if signal == "traces":
            return Answer(200, export_body(traces_response(outcome), encoding), CONTENT_TYPE[encoding])
        if signal == "logs":
            return Answer(200, export_body(logs_response(outcome), encoding), CONTENT_TYPE[encoding])
        accepted, duplicate = outcome.accepted(), sum(outcome.duplicate.values())
        alone = len(outcome.rejected) == 1 and not accepted + duplicate  # refused for its time, when lines are known no more
        return Answer(200, orjson.dumps({
            "accepted": accepted, "duplicate": duplicate,
            "rejected": [{"line": line or int(alone), "reason": reason} for line, reason in outcome.rejected],
        }))

    def _error(
        self, status: int, message: str, encoding: Encoding, *, retry_after_s: int | None = None, close: bool = False,
    ) -> Answer:
        counters = self._intake.counters
        with counters.lock:
            counters.refused[f"{status} {counted_as(message)}"] += 1
        body = status_body(_RPC_CODE.get(status, 2), message, encoding)
        return Answer(status, body, CONTENT_TYPE[encoding], retry_after_s, close)


def _target(path: str) -> tuple[str, str]:
    if path in ("/v1/traces", "/v1/logs", "/v1/metrics"):
        return path.removeprefix("/v1/"), ""
    if path == "/local/append":
        return "local", ""
    if path.startswith("/gateway/") and path.count("/") == 2:
        return "gateway", path.removeprefix("/gateway/").lower()
    return "", ""


def count_points(body: bytes, encoding: Encoding) -> int:
    """How many data points an ExportMetricsServiceRequest holds. Raises BadInput when it is none."""
    if encoding == "json":
        try:
            document = orjson.loads(body or b"{}")
            metrics = [
                metric for resource in document.get("resourceMetrics", []) for scope in resource.get("scopeMetrics", [])
                for metric in scope.get("metrics", [])
            ]
            return sum(
                len(data.get("dataPoints", [])) for metric in metrics for data in metric.values() if isinstance(data, dict)
            )
        except (orjson.JSONDecodeError, AttributeError, TypeError) as error:
            raise BadInput("the body is not an ExportMetricsServiceRequest in JSON") from error
    try:
        request = ExportMetricsServiceRequest.FromString(body)
    except DecodeError as error:
        raise BadInput("the body is not a protobuf ExportMetricsServiceRequest") from error
    return sum(
        len(getattr(metric, metric.WhichOneof("data")).data_points)
        for resource in request.resource_metrics for scope in resource.scope_metrics for metric in scope.metrics
        if metric.WhichOneof("data")
    )
