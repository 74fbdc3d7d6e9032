"""AWS API Gateway: JSON access logs with keys made of `$context` variables; REST and HTTP APIs. All values are strings."""

from __future__ import annotations

from typing import Any, Final

from collectors.gateways.call import GatewayCall
from collectors.gateways.fields import Names, as_object, flat_call, has_keys, text

KIND: Final = "aws"
NAMES: Final[Names] = {
    "time": ("requesttimeepoch", "request_time_epoch", "requesttime", "request_time"),
    "duration_ms": ("responselatency", "response_latency"),
    "method": ("httpmethod", "http_method"),
    "path": ("path", "resourcepath", "resource_path"),
    "route": ("resourcepath", "resource_path"),
    "bytes_out": ("responselength", "response_length"),
    "partner": (
        "authorizer_claims_client_id", "authorizer_client_id", "clientid", "apikeyid", "identity_apikeyid",
        "clientcertsubjectdn", "identity_clientcert_subjectdn", "authorizer_principalid", "principalid", "user", "caller",
    ),
    "service": ("apiname", "apiid", "api_id"),
    "upstream_status": ("integrationstatus", "integration_status", "integration_integrationstatus"),
    "upstream_ms": ("integrationlatency", "integration_latency"),
    "flag": ("errorresponsetype", "error_responsetype"),
    "message": ("integrationerrormessage", "integration_error", "errormessage", "error_message"),
    "gateway_request_id": ("requestid", "request_id", "extendedrequestid"),
    "client_address": ("identity_sourceip", "sourceip", "source_ip", "ip"),
    "environment": ("stage",),
    "request_id": ("header_x_request_id",),
}


def recognise(line: str) -> bool:
    """Whether a line is one of AWS API Gateway's."""
    return has_keys(line, "requestId") and ('"httpMethod"' in line or '"routeKey"' in line)


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    found = dict(as_object(entry))
    key = text(found.get("routeKey"))
    if " " in key:  # 'GET /pets/{petId}' of an HTTP API
        found.setdefault("httpMethod", key.partition(" ")[0])
        found.setdefault("resourcePath", key.partition(" ")[2])
    trace = text(found.get("xrayTraceId"))
    if trace:
        found.setdefault("x-amzn-trace-id", trace)
    found["request_id"] = ""  # what AWS calls the request ID is the gateway's
    found["gateway_request_id"] = text(found.get("requestId")) or text(found.get("extendedRequestId"))
    return flat_call(KIND, found, NAMES)
