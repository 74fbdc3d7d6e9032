"""The product's own logs and traces. Logs are JSON lines on standard error and never hold record content; traces go to an OTLP
endpoint, and only when one is configured."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import orjson
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from triage import __version__

_QUIET: Final = ("elastic_transport", "urllib3", "apscheduler", "waitress", "uvicorn.error", "werkzeug", "grpc")


class JsonLines(logging.Formatter):
    """One JSON object a line. Fields come from `extra={"fields": {...}}`; exceptions by type and place, not by message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            tb = record.exc_info[2]
            while tb and tb.tb_next:
                tb = tb.tb_next
            if tb:
                line["at"] = f"{tb.tb_frame.f_code.co_filename.rpartition('/')[2]}:{tb.tb_lineno}"
        return orjson.dumps(line, default=str).decode()


def set_up_logs(level: str) -> None:
    """Send the product's logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


def log(name: str, level: int, message: str, **fields: Any) -> None:
    """One structured line."""
    logging.getLogger(name).log(level, message, extra={"fields": fields})


class Telemetry:
    """The product's own tracer; does nothing without an endpoint."""

    def __init__(self, endpoint: str) -> None:
        self._provider: TracerProvider | None = None
        if endpoint:
            resource = Resource.create({"service.name": "gateway-triage", "service.version": __version__})
            self._provider = TracerProvider(resource=resource)
            self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
            self._tracer: trace.Tracer = self._provider.get_tracer("triage")
        else:
            self._tracer = trace.NoOpTracer()

    @contextmanager
    def span(self, name: str, **attributes: str | int | float) -> Iterator[trace.Span]:
        """A span around a piece of work."""
        with self._tracer.start_as_current_span(name, attributes=attributes) as span:
            yield span

    def close(self) -> None:
        """Send what waits."""
        if self._provider:
            self._provider.shutdown()
