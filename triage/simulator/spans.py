"""Write calls as OTLP spans: the gateway's SERVER span as root, CLIENT and SERVER spans behind it.

Names follow the OpenTelemetry semantic conventions 1.44; one old service still writes the names of before 1.20.
"""

from __future__ import annotations

from typing import Final

import orjson

from triage.simulator import wire
from triage.simulator.apis import GATEWAY
from triage.simulator.bank import Bank
from triage.simulator.calls import Call, Versions, instance_place
from triage.simulator.failures import Failure, Thrown
from triage.simulator.parts import Api, Hop, Partner
from triage.simulator.tables import Tables, chain
from triage.simulator.wire import SPAN_ATTRIBUTES, TextAttribute

ResourceKey = tuple[str, int, str]  # service, place of the instance, version
_HEADER: Final = "http.request.header."
_UPSTREAM_STATUS: Final = "http.response.header.x-kong-upstream-status"
_NETWORK_NS: Final = 100_000
"""Time on the wire before and after a hop; the caller's own time around the hop is always longer."""


class Resources:
    """Resource fields of service instances, made once each."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._made: dict[ResourceKey, bytes] = {}

    def field(self, key: ResourceKey) -> bytes:
        """The encoded resource of an instance at a version."""
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(*key)
        return made

    def _make(self, name: str, place: int, version: str) -> bytes:
        service = self._bank.service(name)
        environment = "deployment.environment" if service.legacy else "deployment.environment.name"
        return wire.resource(
            {
                "service.name": name,
                "service.namespace": "open-banking",
                "service.version": version,
                "service.instance.id": service.instances[place],
                environment: self._bank.environment,
                "host.name": service.instances[place],
                "telemetry.sdk.language": service.language,
            }
        )


class SpanWriter:
    """Encodes the spans of calls. One writer serves one bank."""

    def __init__(self, bank: Bank, tables: Tables, versions: Versions) -> None:
        self._bank, self._versions = bank, versions
        self._places = {name: place for place, name in enumerate(tables.services)}
        self._services = {service.name: service for service in bank.services}
        self._partner = [_partner_attributes(partner) for partner in bank.partners]
        self._root = [_root_fixed(api) for api in bank.apis]
        self._root_attributes = [_root_attributes(api) for api in bank.apis]
        self._fixed: dict[tuple[int, int, bool], tuple[bytes, bytes]] = {}
        self._sizes: dict[int, bytes] = {}
        self._chains: dict[tuple[int, int], tuple[int, ...]] = {}
        self._status = {status: self._statuses(status) for status in range(100, 600)}
        self._text = {
            key: TextAttribute(SPAN_ATTRIBUTES, key)
            for key in (
                "url.path",
                "client.address",
                "url.full",
                "http.url",
                "server.address",
                "net.peer.name",
                "http.target",
                "enduser.pseudo.id",
                "openbanking.consent.id",
                "openbanking.payment.id",
                "openbanking.error.code",
                "gateway.request.id",
                "gateway.response.flag",
                "gateway.upstream.status",
                "http.response.body",
                "error.type",
            )
        }
        self._listed = {
            key: TextAttribute(SPAN_ATTRIBUTES, key, listed=True)
            for key in (
                _HEADER + "x-fapi-interaction-id",
                _HEADER + "x-request-id",
                _HEADER + "x-fapi-customer-ip-address",
                _HEADER + "psu-ip-address",
                _HEADER + "x-idempotency-key",
                "http.response.header.x-kong-request-id",
                _UPSTREAM_STATUS,
            )
        }
        self._by = {
            name: wire.attribute(SPAN_ATTRIBUTES, "gateway.response.source", name)
            for name in ("gateway", "upstream")
        }

    def _size(self, size: int) -> bytes:
        made = self._sizes.get(size)
        if made is None:
            made = self._sizes[size] = wire.attribute(SPAN_ATTRIBUTES, "http.response.body.size", size)
        return made

    @staticmethod
    def _statuses(status: int) -> tuple[bytes, bytes]:
        return (
            wire.attribute(SPAN_ATTRIBUTES, "http.response.status_code", status),
            wire.attribute(SPAN_ATTRIBUTES, "http.status_code", status),
        )

    def resource_of(self, call: Call, service: str) -> ResourceKey:
        """Which instance and version of a service took part in the call."""
        if service == GATEWAY:
            return service, call.gateway, self._versions.at(service, call.gateway, call.start)
        place = instance_place(call, self._places[service], len(self._services[service].instances))
        return service, place, self._versions.at(service, place, call.start)

    def failed_hops(self, call: Call) -> tuple[int, ...]:
        """The failing hop and its callers; empty for a call that went well."""
        if call.failing_hop < 0:
            return ()
        key = (call.api_place, call.failing_hop)
        links = self._chains.get(key)
        if links is None:
            links = self._chains[key] = chain(call.api.hops, call.failing_hop)
        return links

    def write(self, call: Call, into: dict[ResourceKey, list[bytes]]) -> int:
        """Append the call's spans to the lists of their resources; returns how many."""
        failed = self.failed_hops(call)
        into.setdefault(self.resource_of(call, GATEWAY), []).append(self._gateway_span(call))
        count = 1
        last = call.failing_hop if failed else len(call.api.hops) - 1
        for place in range(1, last + 1):
            count += self._hop(call, place, place in failed, into)
        return count

    def _gateway_span(self, call: Call) -> bytes:
        rest = [
            self._root_attributes[call.api_place],
            self._partner[call.partner_place],
            self._text["url.path"](call.path.encode()),
            self._text["client.address"](call.source.encode()),
            self._status[call.status][0],
            self._size(call.response_bytes),
            self._text["enduser.pseudo.id"](call.customer.pseudonym),
            *self._identity(call),
        ]
        if call.failure is not None:
            rest += self._failure(call, call.failure)
        else:
            rest += self._answered(call)
        ids = wire.span_ids(call.trace_id, call.span_id(0), b"")
        return wire.span(
            ids, self._root[call.api_place], call.start, call.start + call.totals[0], b"".join(rest)
        )

    def _identity(self, call: Call) -> list[bytes]:
        """Attributes by which support can find the call again."""
        made = []
        gateway_id = call.gateway_request_id.encode()
        if call.interaction_id:
            made.append(self._listed[_HEADER + "x-fapi-interaction-id"](call.interaction_id.encode()))
        if call.request_id:
            made.append(self._listed[_HEADER + "x-request-id"](call.request_id.encode()))
        if call.api.front == "kong":
            made.append(self._listed["http.response.header.x-kong-request-id"](gateway_id))
        elif call.api.front == "nginx":
            made.append(self._text["gateway.request.id"](gateway_id))
        if call.consent_id:
            made.append(self._text["openbanking.consent.id"](call.consent_id.encode()))
        if call.payment_id:
            made.append(self._text["openbanking.payment.id"](call.payment_id.encode()))
        if call.present:
            header = "psu-ip-address" if call.api.standard == "berlin" else "x-fapi-customer-ip-address"
            made.append(self._listed[_HEADER + header](call.address.encode()))
        if call.payment_id and call.api.method == "POST":
            made.append(self._listed[_HEADER + "x-idempotency-key"](call.ids[24:36].hex().encode()))
        return made

    def _answered(self, call: Call) -> list[bytes]:
        """The service behind the gateway gave the answer."""
        encode = (
            self._listed[_UPSTREAM_STATUS]
            if call.api.front == "kong"
            else self._text["gateway.upstream.status"]
        )
        return [self._by["upstream"], encode(str(call.status).encode())]

    def _failure(self, call: Call, failure: Failure) -> list[bytes]:
        code, status = call.code, str(call.status).encode()
        made = [self._by["gateway"]] if failure.by_gateway else self._answered(call)
        if code and call.api.standard == "berlin":
            body = {"tppMessages": [{"category": "ERROR", "code": code, "text": call.fill(failure.message)}]}
            made.append(self._text["http.response.body"](orjson.dumps(body)))
        elif code:
            made.append(self._text["openbanking.error.code"](code.encode()))
        if failure.flag and call.api.front == "envoy":
            made.append(self._text["gateway.response.flag"](failure.flag.encode()))
        if call.status >= 500:
            made += [self._text["error.type"](status), wire.STATUS_ERROR]
        return made

    def _hop(self, call: Call, place: int, failed: bool, into: dict[ResourceKey, list[bytes]]) -> int:
        """The CLIENT span in front of a hop and the SERVER span of it, as far as they exist."""
        hop = call.api.hops[place]
        caller = call.api.hops[hop.parent].service
        parent_id = call.span_id(hop.parent)
        count = 0
        lost = failed and place == call.failing_hop and call.failure is not None and call.failure.lost
        if hop.called or hop.kind != "service":
            own_id = call.client_span_id(place) if hop.called else call.span_id(place)
            into.setdefault(self.resource_of(call, caller), []).append(
                self._client_span(call, place, failed, lost, own_id, parent_id)
            )
            parent_id, count = own_id, 1
        if hop.kind == "service" and not lost:
            into.setdefault(self.resource_of(call, hop.service), []).append(
                self._server_span(call, place, failed, parent_id)
            )
            count += 1
        return count

    def _client_span(
        self, call: Call, place: int, failed: bool, lost: bool, own_id: bytes, parent_id: bytes
    ) -> bytes:
        hop = call.api.hops[place]
        head, attributes = self._fixed_of(call, place, client=True)
        start = call.start + call.begins[place]
        end = start + call.totals[place]
        if hop.called:
            start, end = start - _NETWORK_NS, end + _NETWORK_NS
        rest = b"" if hop.kind == "database" else self._peer(call, hop, failed, lost)
        if failed:
            thrown = call.failure.thrown if call.failure and (lost or hop.kind == "database") else None
            kind = thrown.type if thrown else str(call.status)
            rest += self._text["error.type"](kind.encode()) + wire.STATUS_ERROR
        return wire.span(wire.span_ids(call.trace_id, own_id, parent_id), head, start, end, attributes + rest)

    def _peer(self, call: Call, hop: Hop, failed: bool, lost: bool) -> bytes:
        """Whom a CLIENT span asked, and the status of the answer if one came."""
        legacy = self._legacy(call, hop)
        host = f"api.{hop.service}.example"
        if hop.kind == "service":
            name, place, _ = self.resource_of(call, hop.service)
            host = self._services[name].instances[place]
        rest = self._text["net.peer.name" if legacy else "server.address"](host.encode())
        rest += self._text["http.url" if legacy else "url.full"](_url(call, hop).encode())
        if lost:
            return rest
        status = (503 if hop.kind == "external" else call.status) if failed else 200
        return rest + self._status[status][1 if legacy else 0]

    def _server_span(self, call: Call, place: int, failed: bool, parent_id: bytes) -> bytes:
        hop = call.api.hops[place]
        head, attributes = self._fixed_of(call, place, client=False)
        start = call.start + call.begins[place]
        end = start + call.totals[place]
        legacy = self._services[hop.service].legacy
        target = hop.name.split(" ", 1)[1].replace("{id}", call.account).encode()
        rest = self._text["http.target" if legacy else "url.path"](target)
        rest += self._status[call.status if failed else 200][1 if legacy else 0]
        if failed and call.status >= 500:
            rest += (
                self._text["error.type"](str(call.status).encode())
                + self._exception(call, place, end)
                + wire.STATUS_ERROR
            )
        return wire.span(
            wire.span_ids(call.trace_id, call.span_id(place), parent_id), head, start, end, attributes + rest
        )

    def _exception(self, call: Call, place: int, at_ns: int) -> bytes:
        """The exception event where the failure came up; Python services report theirs in the log alone."""
        thrown = call.failure.thrown if call.failure else None
        if (
            thrown is None
            or place != origin(call)
            or self._services[call.api.hops[place].service].language == "python"
        ):
            return b""
        return wire.event(
            at_ns - 1000, "exception", exception_attributes(wire.EVENT_ATTRIBUTES, call, thrown)
        )

    def _legacy(self, call: Call, hop: Hop) -> bool:
        return self._services[call.api.hops[hop.parent].service].legacy

    def _fixed_of(self, call: Call, place: int, *, client: bool) -> tuple[bytes, bytes]:
        key = (call.api_place, place, client)
        made = self._fixed.get(key)
        if made is None:
            make = _client_fixed if client else _server_fixed
            hop = call.api.hops[place]
            legacy = self._legacy(call, hop) if client else self._services[hop.service].legacy
            made = self._fixed[key] = make(hop, legacy)
        return made


def origin(call: Call) -> int:
    """Place of the hop whose service reports the failure: the caller's for a database, a provider or a lost hop."""
    hop = call.api.hops[call.failing_hop]
    if hop.kind != "service" or (call.failure and call.failure.lost):
        return hop.parent
    return call.failing_hop


def _url(call: Call, hop: Hop) -> str:
    if hop.kind == "external":
        return f"https://api.{hop.service}.example/v2/cards/{call.customer.pan}/transactions"
    return f"http://{hop.service}.internal{hop.name.split(' ', 1)[1]}".replace("{id}", call.account)


def exception_attributes(tag: bytes, call: Call, thrown: Thrown) -> bytes:
    """Type, message and stack trace under the names of the semantic conventions."""
    return wire.attributes(
        tag,
        {
            "exception.type": thrown.type,
            "exception.message": call.fill(thrown.message),
            "exception.stacktrace": call.fill(thrown.stack),
        },
    )


def _root_fixed(api: Api) -> bytes:
    return wire.span_head(f"{api.method} {api.route}", wire.SERVER)


def _root_attributes(api: Api) -> bytes:
    return wire.attributes(
        SPAN_ATTRIBUTES,
        {
            "http.request.method": api.method,
            "http.route": api.route,
            "url.scheme": "https",
            "server.address": "api.acmebank.example",
            "network.protocol.version": "1.1",
            "gateway.kind": api.front,
        },
    )


def _partner_attributes(partner: Partner) -> bytes:
    return wire.attributes(
        SPAN_ATTRIBUTES,
        {
            _HEADER + "x-consumer-username": [partner.id],
            "oauth.client_id": partner.client_id,
            "tls.client.subject": partner.subject,
            "user_agent.original": f"{partner.id}/2.4 (+https://{partner.id}.example)",
        },
    )


def _server_fixed(hop: Hop, legacy: bool) -> tuple[bytes, bytes]:
    method, route = hop.name.split(" ", 1)
    names = ("http.method", "net.host.name") if legacy else ("http.request.method", "server.address")
    pairs = {names[0]: method, "http.route": route, names[1]: f"{hop.service}.internal"}
    return wire.span_head(hop.name, wire.SERVER), wire.attributes(SPAN_ATTRIBUTES, pairs)


def _client_fixed(hop: Hop, legacy: bool) -> tuple[bytes, bytes]:
    if hop.kind == "database":
        pairs = {
            "db.system.name": "oracle.db",
            "db.namespace": hop.service,
            "db.operation.name": hop.name.split(" ")[0],
            "db.collection.name": hop.name.split(" ")[1],
            "server.address": f"{hop.service}.internal",
        }
        return wire.span_head(hop.name, wire.CLIENT), wire.attributes(SPAN_ATTRIBUTES, pairs)
    method = hop.name.split(" ")[0]
    pairs = {"http.method" if legacy else "http.request.method": method, "service.peer.name": hop.service}
    return wire.span_head(method, wire.CLIENT), wire.attributes(SPAN_ATTRIBUTES, pairs)
