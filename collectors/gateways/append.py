"""GatewayCall -> a row of the `calls` columns."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import Any, Protocol

import orjson

from collectors.gateways.call import GatewayCall
from collectors.gateways.caller import caller_of
from collectors.routes import RouteCatalogue, ids_in_path, path_of, resource_in, template_of
from triage.domain.calls import outcome_of
from triage.domain.columns import CALL_COLUMNS
from triage.domain.records import Records


class Seen(Protocol):
    """How often each entry was seen, by its hash; 0 for a new one."""

    def __getitem__(self, digest: bytes, /) -> int: ...

    def __setitem__(self, digest: bytes, times: int, /) -> None: ...


class Identities:
    """IDs of entries: a hash of the content and the ordinal among identical ones. One instance a request or file; `seen` carries
    the ordinals on where a file is read over a long time."""

    def __init__(self, seen: Seen | None = None) -> None:
        self._seen: Seen = Counter() if seen is None else seen

    def of(self, entry: str | dict[str, Any]) -> str:
        """16 hex digits. An object counts as the same whatever the order of its keys; the time of arrival never enters."""
        digest = blake2b(_canonical(entry), digest_size=8).digest()
        ordinal = self._seen[digest]
        self._seen[digest] += 1
        return digest.hex() if not ordinal else blake2b(digest + ordinal.to_bytes(8, "big"), digest_size=8).hexdigest()


def _canonical(entry: str | dict[str, Any]) -> bytes:
    if isinstance(entry, str):
        return entry.strip().encode("utf-8", "replace")
    try:
        return orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # lone surrogates
        return repr(sorted(entry.items(), key=lambda item: item[0])).encode("utf-8", "replace")


def append_call(records: Records, call: GatewayCall, witness_id: str, routes: RouteCatalogue) -> None:
    """Append a call. Customer, idempotency key and resource stay raw here; the masker makes pseudonyms of them."""
    path = path_of(call.path)
    consent, payment = ids_in_path(path)
    ids = call.correlation
    codes = tuple(sorted(set(call.codes)))
    row = {
        "witness_id": witness_id, "witness": "line", "time_ns": call.time_ns, "duration_ns": call.duration_ns,
        "partner": call.partner, "method": call.method, "route": call.route or routes.match(path) or template_of(path),
        "status": call.status,
        "outcome": outcome_of(call.status, responder=call.responder, upstream_status=call.upstream_status, flag=call.flag,
                              codes=codes),
        "codes": " ".join(codes), "message": call.message, "trace_id": ids.trace_id, "span_id": ids.span_id,
        "interaction_id": ids.interaction_id, "request_id": ids.request_id, "gateway_request_id": ids.gateway_request_id,
        "consent_id": ids.consent_id or consent, "payment_id": ids.payment_id or payment, "idempotency": ids.idempotency,
        "customer": ids.customer, "customer_present": ids.customer_present, "resource_ref": resource_in(path),
        "service": call.service, "upstream_status": call.upstream_status, "responder": call.responder, "flag": call.flag,
        "gateway_ms": call.gateway_ms, "bytes_in": call.bytes_in, "bytes_out": call.bytes_out, "source": call.kind,
        "instance": call.instance, "version": call.version, "environment": call.environment, "sampled": ids.sampled,
        "network": caller_of(call.network),
    }
    for column in CALL_COLUMNS:
        records.calls[column].append(row[column])
