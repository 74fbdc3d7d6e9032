"""WSO2 API Manager: lines of `apim_metrics.log` (`apimMetrics: apim:response, properties :{…}` and `apim:faulty`)."""

from __future__ import annotations

from typing import Any, Final

from collectors.gateways.call import GatewayCall, correlate, partner_among, responder_of
from collectors.gateways.fields import as_object, has_keys, text, whole
from collectors.gateways.times import instant, span
from triage.errors import BadInput

KIND: Final = "wso2"
_MARK: Final = "apimMetrics:"
_NO_ONE: Final = frozenset({"DefaultApplication", "UNKNOWN", "UNAUTHENTICATED"})


def recognise(line: str) -> bool:
    """Whether a line is one of WSO2's."""
    return _MARK in line or has_keys(line, "proxyResponseCode", "apiName")


def parse(entry: str | dict[str, Any]) -> GatewayCall:
    """One entry -> one call. Raises BadInput with the reason."""
    if isinstance(entry, str) and not entry.lstrip().startswith("{"):
        begin, end = entry.find("{", entry.find(_MARK)), entry.rfind("}")
        if _MARK not in entry or not 0 <= begin < end:
            raise BadInput("the line holds no API metrics")
        entry = entry[begin:end + 1]
    found = as_object(entry)
    if "proxyResponseCode" not in found and "requestTimestamp" not in found:
        raise BadInput("the entry is no API metric")
    return _call(found)


def _call(entry: dict[str, Any]) -> GatewayCall:
    status, target = _code(entry.get("proxyResponseCode")), _code(entry.get("targetResponseCode"))
    own_ms = [entry.get(name) for name in ("requestMediationLatency", "responseMediationLatency")]
    code = text(entry.get("errorCode"))
    flag = text(entry.get("errorType"))
    route = text(entry.get("apiContext")) + text(entry.get("apiResourceTemplate"))
    application = text(entry.get("applicationName"))
    return GatewayCall(
        KIND,
        instant(entry.get("requestTimestamp")),
        span(entry.get("responseLatency"), "ms"),
        text(entry.get("apiMethod")).upper(),
        route,
        route=route if route.startswith("/") else "",
        status=status,
        partner=partner_among((
            "" if application in _NO_ONE else application, _known(entry.get("applicationOwner")),
            _known(entry.get("applicationId")),
        ), {}),
        correlation=correlate({}, gateway_request_id=text(entry.get("correlationId"))),
        codes=(code,) if code and code != "0" else (),
        message=text(entry.get("errorMessage")),
        service=text(entry.get("apiName")),
        upstream_status=target,
        responder="" if flag == "TARGET_CONNECTIVITY" else responder_of(status, target),
        flag=flag,
        gateway_ms=sum(map(whole, own_ms)) if all(value is not None for value in own_ms) else -1,
        instance=text(entry.get("regionId")) if entry.get("regionId") != "default" else "",
        network=text(entry.get("userIp")),
        version=text(entry.get("apiVersion")),
        environment=text(entry.get("keyType")).lower(),
    )


def _code(value: object) -> int:
    """An HTTP status; WSO2 writes -1 for none."""
    number = whole(value)
    return number if 100 <= number <= 999 else 0


def _known(value: object) -> str:
    name = text(value)
    return "" if name in _NO_ONE else name
