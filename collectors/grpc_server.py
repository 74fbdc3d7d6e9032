"""OTLP over gRPC. Requests stay bytes until the intake decodes them, so that both doors share one decoder."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from collectors.http_app import Authorise, count_points
from collectors.intake import Intake
from collectors.limits import Limits
from collectors.otlp_answers import export_body, logs_response, metrics_response, traces_response
from triage.errors import BadInput, StoreError, StoreUnavailable

_SERVICES: Final = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
}
Handler = Callable[[bytes, Any], bytes]


def start_grpc(intake: Intake, limits: Limits, authorise: Authorise, address: str, workers: int = 16) -> tuple[grpc.Server, int]:
    """Start the server and return it with the port that it listens on. Raises OSError when the address is taken."""
    server = grpc.server(
        ThreadPoolExecutor(workers, thread_name_prefix="grpc"), maximum_concurrent_rpcs=limits.waiting_requests,
        options=[("grpc.max_receive_message_length", limits.body_bytes), ("grpc.so_reuseport", 0)],
    )
    for service, signal in _SERVICES.items():
        handler = grpc.unary_unary_rpc_method_handler(_export(intake, authorise, signal))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address} for OTLP/gRPC: the address is taken or not ours") from error
    if not port:
        raise OSError(f"cannot listen on {address} for OTLP/gRPC: the address is taken or not ours")
    server.start()
    return server, port


def _export(intake: Intake, authorise: Authorise, signal: str) -> Handler:
    def export(body: bytes, context: Any) -> bytes:
        metadata = dict(context.invocation_metadata())
        try:
            answer = authorise(metadata.get("authorization", ""))
            reason = answer.result() if isinstance(answer, Future) else answer
            if reason:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, reason)
            if signal == "traces":
                return export_body(traces_response(intake.finish(intake.accept("traces", "protobuf", body, "otlp"))), "protobuf")
            if signal == "logs":
                return export_body(logs_response(intake.finish(intake.accept("logs", "protobuf", body, "otlp"))), "protobuf")
            return export_body(metrics_response(count_points(body, "protobuf")), "protobuf")
        except BadInput as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.reason)
        except StoreUnavailable as error:
            context.abort_with_status(_come_back(str(error), error.retry_after_s))
        except StoreError as error:
            context.abort(grpc.StatusCode.INTERNAL, str(error))
        raise AssertionError("abort raises")

    return export


def _come_back(message: str, seconds: int) -> Any:
    detail = AnyMessage()
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=seconds)))
    return rpc_status.to_status(Status(code=grpc.StatusCode.UNAVAILABLE.value[0], message=message, details=[detail]))
