"""Answers of the OTLP endpoints, in the encoding of the request: export responses, and `google.rpc.Status` for every error."""

from __future__ import annotations

import orjson
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from collectors.intake import Encoding, Outcome

CONTENT_TYPE = {"protobuf": "application/x-protobuf", "json": "application/json"}


def reasons_of(outcome: Outcome) -> str:
    """The reasons of what was refused, each once."""
    return "; ".join(dict.fromkeys(reason for _, reason in outcome.rejected))[:1000]


def traces_response(outcome: Outcome) -> ExportTraceServiceResponse:
    """Partial success is set only when something was refused."""
    response = ExportTraceServiceResponse()
    if outcome.rejected:
        response.partial_success.rejected_spans = len(outcome.rejected)
        response.partial_success.error_message = reasons_of(outcome)
    return response


def logs_response(outcome: Outcome) -> ExportLogsServiceResponse:
    """Partial success is set only when something was refused."""
    response = ExportLogsServiceResponse()
    if outcome.rejected:
        response.partial_success.rejected_log_records = len(outcome.rejected)
        response.partial_success.error_message = reasons_of(outcome)
    return response


def metrics_response(points: int) -> ExportMetricsServiceResponse:
    """Metrics are not kept, and the sender is told so."""
    response = ExportMetricsServiceResponse()
    if points:
        response.partial_success.rejected_data_points = points
        response.partial_success.error_message = "metrics are not kept; send traces and logs"
    return response


def export_body(
    response: ExportTraceServiceResponse | ExportLogsServiceResponse | ExportMetricsServiceResponse, encoding: Encoding,
) -> bytes:
    """The response as bytes."""
    if encoding == "protobuf":
        return bytes(response.SerializeToString())
    partial = response.partial_success
    for field, name in (
        ("rejected_spans", "rejectedSpans"), ("rejected_log_records", "rejectedLogRecords"),
        ("rejected_data_points", "rejectedDataPoints"),
    ):
        if getattr(partial, field, 0):
            return orjson.dumps({"partialSuccess": {name: str(getattr(partial, field)), "errorMessage": partial.error_message}})
    return b"{}"


def status_body(code: int, message: str, encoding: Encoding) -> bytes:
    """A `google.rpc.Status`."""
    if encoding == "protobuf":
        return bytes(Status(code=code, message=message).SerializeToString())
    return orjson.dumps({"code": code, "message": message})
