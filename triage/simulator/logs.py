"""Write the application logs of calls as OTLP log records, careless with personal data as real ones are."""

from __future__ import annotations

from typing import Final

from triage.simulator import wire
from triage.simulator.apis import GATEWAY
from triage.simulator.calls import Call
from triage.simulator.failures import Failure
from triage.simulator.spans import ResourceKey, SpanWriter, exception_attributes, origin
from triage.simulator.wire import LOG_ATTRIBUTES

INFO: Final = (9, "INFO")
WARN: Final = (13, "WARN")
ERROR: Final = (17, "ERROR")
_INFO_SHARE: Final = 0.12
_REJECTION_SHARE: Final = 0.6
_LINES: Final[dict[str, tuple[str, ...]]] = {
    "consent-service": (
        "Consent {id} checked for client {partner} in {ms} ms",
        "Token issued to client {partner}, valid for 300 s",
    ),
    "accounts-service": (
        "Read 25 entries of account {account} in {ms} ms",
        "Cache miss for account {account}, asking the core",
    ),
    "payments-service": (
        "Payment from {iban} accepted in {ms} ms",
        "Confirmation of payment sent to {email}",
    ),
    "card-service": ("Fetched transactions of card {pan} in {ms} ms",),
}
_REJECTED: Final[dict[int, str]] = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    429: "Too Many Requests",
}


class LogWriter:
    """Encodes the log records of calls, with the IDs of the spans that `spans` writes."""

    def __init__(self, spans: SpanWriter, languages: dict[str, str]) -> None:
        self._spans, self._languages = spans, languages
        self._logger = {
            name: wire.attribute(LOG_ATTRIBUTES, "log.logger", _logger(name, languages[name]))
            for name in languages
        }

    def write(self, call: Call, into: dict[ResourceKey, list[bytes]]) -> int:
        """Append the call's log records to the lists of their resources; returns how many."""
        if call.failure is None:
            return self._success(call, into)
        if call.status >= 500:
            return self._breakdown(call, call.failure, into)
        if call.lot >> 48 & 127 < _REJECTION_SHARE * 128:
            service = GATEWAY if call.failure.by_gateway else call.api.hops[call.failing_hop].service
            text = f"{_REJECTED.get(call.status, 'Rejected')}: {call.fill(call.failure.message)}"
            self._add(call, into, service, call.failing_hop, WARN, text)
            return 1
        return 0

    def _success(self, call: Call, into: dict[ResourceKey, list[bytes]]) -> int:
        service = call.upstream()
        lines = _LINES.get(service)
        if lines is None or call.lot >> 48 & 127 >= _INFO_SHARE * 128:
            return 0
        hop = next(place for place, hop in enumerate(call.api.hops) if hop.service == service)
        self._add(call, into, service, hop, INFO, call.fill(lines[(call.lot >> 55) % len(lines)]))
        return 1

    def _breakdown(self, call: Call, failure: Failure, into: dict[ResourceKey, list[bytes]]) -> int:
        asked, message = f"{call.api.method} {call.path}", call.fill(failure.message)
        if failure.by_gateway:
            self._add(call, into, GATEWAY, 0, ERROR, f"{message} for {asked}")
        else:
            self._add(call, into, GATEWAY, 0, WARN, f"upstream answered {call.status} to {asked}: {message}")
        if failure.thrown is None:
            return 1
        place = origin(call)
        service = call.api.hops[place].service
        if self._languages[service] == "python":
            body = f"unhandled exception in {call.api.hops[place].name}\n{call.fill(failure.thrown.stack)}"
            self._add(call, into, service, place, ERROR, body)
        else:
            extra = exception_attributes(LOG_ATTRIBUTES, call, failure.thrown)
            text = call.fill(failure.thrown.message)
            body = f"{call.api.hops[place].name} failed for customer {call.customer.email}: {text}"
            self._add(call, into, service, place, ERROR, body, extra)
        return 2

    def _add(
        self,
        call: Call,
        into: dict[ResourceKey, list[bytes]],
        service: str,
        hop: int,
        level: tuple[int, str],
        body: str,
        extra: bytes = b"",
    ) -> None:
        at_ns = call.start + call.begins[hop] + call.totals[hop] - 1500
        record = wire.log_record(
            at_ns, *level, body, self._logger[service] + extra, call.trace_id, call.span_id(hop)
        )
        into.setdefault(self._spans.resource_of(call, service), []).append(record)


def _logger(service: str, language: str) -> str:
    words = service.split("-")
    if language == "java":
        return f"com.acmebank.{words[0]}.{''.join(word.title() for word in words)}"
    return ".".join(words)
