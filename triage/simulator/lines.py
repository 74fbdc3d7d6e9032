"""Write calls as access-log lines: Kong's http-log format, an nginx JSON log, an Envoy JSON log.

Kong: the fields of kong/pdk/log.lua. nginx and Envoy know no fixed keys; theirs are variables that a bank would choose.
A line agrees with the call's gateway span in method, status, trace ID, request ID and time.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import orjson

from triage.simulator.bank import Bank
from triage.simulator.calls import LINE_ONLY, Call
from triage.simulator.parts import Api, Front

_MS: Final = 1_000_000
_HOST: Final = "api.acmebank.example"


def line(call: Call, bank: Bank) -> bytes:
    """One JSON line, without its end, in the format of the API's gateway."""
    writers = {"kong": _kong, "nginx": _nginx, "envoy": _envoy}
    return orjson.dumps(writers[call.api.front](call, bank))


def fronts() -> tuple[Front, ...]:
    """The kinds of gateway, in the order in which their lines are sent."""
    return ("kong", "nginx", "envoy")


def _traceparent(call: Call) -> str:
    sampled = "00" if call.mode == LINE_ONLY else "01"
    return f"00-{call.trace_hex}-{call.span_id(0).hex()}-{sampled}"


def _route_pattern(api: Api) -> str:
    """The route as Kong holds it: a regular expression with named parts."""
    parts = [
        f"(?<{part[1:-1].replace('-', '_')}>[^/]+)" if part.startswith("{") else part.replace(".", r"\.")
        for part in api.route.split("/")
    ]
    return "~" + "/".join(parts) + "$"


def _headers(call: Call) -> dict[str, str]:
    headers = {
        "host": _HOST,
        "accept": "application/json",
        "user-agent": f"{call.partner.id}/2.4 (+https://{call.partner.id}.example)",
        "authorization": "REDACTED",
        "traceparent": _traceparent(call),
        "x-consumer-username": call.partner.id,
    }
    if call.interaction_id:
        headers["x-fapi-interaction-id"] = call.interaction_id
    if call.present:
        headers["x-fapi-customer-ip-address"] = call.address
    if call.payment_id and call.api.method == "POST":
        headers["x-idempotency-key"] = call.ids[24:36].hex()
        headers["x-jws-signature"] = f"eyJhbGciOiJQUzI1NiJ9..{call.ids[16:40].hex()}"
    return headers


def _kong(call: Call, bank: Bank) -> dict[str, Any]:
    total, upstream = call.totals[0] // _MS, call.upstream_ns // _MS
    own = bool(call.failure and call.failure.by_gateway)
    made: dict[str, Any] = {
        "request": _kong_request(call),
        "response": {
            "status": call.status, "size": call.response_bytes + 320, "headers": _kong_answer(call, total, upstream, own),
        },
        "latencies": {"kong": total - upstream, "proxy": -1 if own else upstream, "request": total, "receive": 0},
        "tries": [],
        "client_ip": call.source,
        "started_at": call.start // _MS,
        "source": "kong" if own else "upstream",
        **_kong_parties(call),
        "trace_id": {"w3c": call.trace_hex},
        "workspace_name": "default",
        "upstream_uri": call.path,
        "node": bank.services[0].instances[call.gateway],
    }
    if not own:
        made["upstream_status"] = str(call.status)
        made["tries"] = [{
            "ip": f"10.20.3.{call.lot % 3 + 1}", "port": 8080, "balancer_start": call.start // _MS + 1, "balancer_latency": 0,
        }]
    return made


def _kong_request(call: Call) -> dict[str, Any]:
    return {
        "id": call.gateway_request_id,
        "method": call.api.method,
        "uri": call.path,
        "url": f"https://{_HOST}:8443{call.path}",
        "querystring": {},
        "size": 900 + call.lot % 400,
        "headers": _headers(call),
        "tls": {
            "version": "TLSv1.3",
            "cipher": "TLS_AES_256_GCM_SHA384",
            "client_verify": call.failure.verify if call.failure and call.failure.verify else "SUCCESS",
        },
    }


def _kong_parties(call: Call) -> dict[str, Any]:
    """Who called what: consumer, route and the service behind it."""
    service = call.upstream()
    return {
        "consumer": {"id": call.partner.client_id, "username": call.partner.id, "custom_id": call.partner.organisation},
        "authenticated_entity": {"id": call.partner.client_id},
        "route": {
            "id": call.api.key, "name": call.api.key, "paths": [_route_pattern(call.api)], "methods": [call.api.method],
        },
        "service": {"id": service, "name": service, "host": f"{service}.internal", "port": 8080, "protocol": "http"},
    }


def _kong_answer(call: Call, total: int, upstream: int, own: bool) -> dict[str, str]:
    headers = {"content-type": "application/json", "x-kong-request-id": call.gateway_request_id}
    if call.interaction_id:
        headers["x-fapi-interaction-id"] = call.interaction_id
    if own:
        headers["x-kong-response-latency"] = str(total)
    else:
        headers |= {
            "x-kong-proxy-latency": str(total - upstream),
            "x-kong-upstream-latency": str(upstream),
            "x-kong-upstream-status": str(call.status),
        }
    if call.code:
        headers["x-ob-error-code"] = call.code
    return headers


def _nginx(call: Call, bank: Bank) -> dict[str, Any]:
    end_ns = call.start + call.totals[0]
    own = bool(call.failure and call.failure.by_gateway)
    return {
        "time_iso8601": datetime.fromtimestamp(end_ns // 1_000_000_000, UTC).isoformat(),
        "msec": f"{end_ns / 1e9:.3f}",
        "remote_addr": call.source,
        "request_method": call.api.method,
        "uri": call.path,
        "request": f"{call.api.method} {call.path} HTTP/1.1",
        "route": call.api.route,
        "status": call.status,
        "request_length": 900 + call.lot % 400,
        "body_bytes_sent": call.response_bytes,
        "request_time": round(call.totals[0] / 1e9, 3),
        "upstream_addr": "-" if own else f"10.20.3.{call.lot % 3 + 1}:8080",
        "upstream_status": "-" if own else str(call.status),
        "upstream_response_time": "-" if own else f"{call.upstream_ns / 1e9:.3f}",
        "upstream_name": call.upstream(),
        "request_id": call.gateway_request_id,
        "http_x_request_id": call.request_id,
        "traceparent": _traceparent(call),
        "http_consent_id": call.consent_id,
        "http_x_consumer_username": call.partner.id,
        "ssl_client_s_dn": call.partner.subject,
        "ssl_client_verify": call.failure.verify if call.failure and call.failure.verify else "SUCCESS",
        "http_psu_ip_address": call.address if call.present else "",
        "ob_error_code": call.code,
        "http_user_agent": f"{call.partner.id}/2.4",
        "hostname": bank.services[0].instances[call.gateway],
    }


def _envoy(call: Call, bank: Bank) -> dict[str, Any]:
    own = bool(call.failure and call.failure.by_gateway)
    start = datetime.fromtimestamp(call.start // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {
        "start_time": f"{start}.{call.start // _MS % 1000:03d}Z",
        "method": call.api.method,
        "path": call.path,
        "protocol": "HTTP/2",
        "response_code": call.status,
        "response_flags": call.failure.flag if call.failure and call.failure.flag else "-",
        "response_code_details": call.failure.name.replace("-", "_")
        if own and call.failure
        else "via_upstream",
        "bytes_received": 300 + call.lot % 400,
        "bytes_sent": call.response_bytes,
        "duration": call.totals[0] // _MS,
        "upstream_service_time": None if own else str(call.upstream_ns // _MS),
        "upstream_host": None if own else f"10.20.4.{call.lot % 3 + 1}:8080",
        "upstream_cluster": call.upstream(),
        "route_name": call.api.route,
        "authority": _HOST,
        "x_request_id": call.request_id,
        "x_fapi_interaction_id": call.interaction_id or None,
        "x_fapi_customer_ip_address": call.address if call.present else None,
        "x_consumer_username": call.partner.id,
        "downstream_peer_subject": call.partner.subject,
        "traceparent": _traceparent(call),
        "trace_id": call.trace_hex,
        "x_forwarded_for": call.source,
        "user_agent": f"{call.partner.id}/2.4",
        "ob_error_code": call.code or None,
        "node_id": bank.services[0].instances[call.gateway],
    }
