"""A small bank service with the real OpenTelemetry SDK: `python flask_service.py PORT OTLP_ENDPOINT`."""

from __future__ import annotations

import sys

from flask import Flask
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def main(port: int, endpoint: str) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "payments-service", "service.version": "1.0.0"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint + "/v1/traces"), schedule_delay_millis=500))
    trace.set_tracer_provider(provider)
    app = Flask("payments")
    FlaskInstrumentor().instrument_app(app, excluded_urls="health")

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.get("/accounts/<account>")
    def accounts(account: str) -> dict[str, str]:
        return {"account": account}

    @app.get("/payments/boom")
    def payments() -> dict[str, str]:
        raise RuntimeError("the ledger does not answer")

    app.run("127.0.0.1", port)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
