"""In: bytes from gateways and SDKs. Out: Records. The front door: OTLP, gateway logs, files."""
