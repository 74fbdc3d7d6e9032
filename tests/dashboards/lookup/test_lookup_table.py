"""Over two hundred questions to the complaint desk: every kind of ID in every spelling, there and not there, each with the answer
that is right. The same table on every store: nobody can tell which one answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from builders import call, log, masked, span
from elasticsearch import Elasticsearch

from collectors.refused import RefusedBook
from triage.domain.windows import DAY_NS, MINUTE_NS, day_of, from_rfc3339
from triage.errors import StoreUnavailable
from triage.mask.transfer import from_bytes, to_bytes
from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended, RecordStore
from triage.store.dead_letters import DeadLetters
from triage.store.elastic.records import ElasticRecordStore
from triage.store.embedded.records import EmbeddedRecordStore
from triage.store.memory import MemoryRecordStore, MemoryStateStore
from triage.store.spool import SpooledRecordStore

NOW: Final = from_rfc3339("2026-03-02T03:15:00Z")
GONE: Final = NOW - 20 * DAY_NS
HEX: Final = ("trace_id", "span_id")
UUIDS: Final = ("interaction_id", "request_id")
NAMED: Final = ("gateway_request_id", "consent_id", "payment_id")
KINDS: Final = (*HEX, *UUIDS, *NAMED)


def ids_of(mark: str) -> dict[str, str]:
    """The IDs of a call, kind by kind; `mark` is a hex letter that tells them from those of other calls."""
    return {
        "trace_id": f"{mark}bf92f3577b34da6a3ce929d0e0e473{mark}", "span_id": f"{mark}0f067aa0ba902b{mark}",
        "interaction_id": f"93bac54{mark}-d2de-4546-b106-880a5018460{mark}",
        "request_id": f"7c9e667{mark}-7425-40de-944b-e07fc1f9fab{mark}",
        "gateway_request_id": f"{mark}cd1f4d3ab5e8b1d0c6a41c9b7a0e53{mark}",
        "consent_id": f"urn-acme-consent-00{mark}7", "payment_id": f"pay-2026-00{mark}41",
    }


LIVE, OLD, REFUSED, WAITING, NEVER, EVIDENCE = (ids_of(mark) for mark in "4e7acb")
SHORT: Final = {  # begin with zeros, which tools like to drop
    "trace_id": "0000000000000000053995c3f42cd8ad", "span_id": "000f067aa0ba902b",
    "interaction_id": "00000bad-d2de-4546-b106-880a50184601",
}
UNSAMPLED: Final = {"trace_id": "5af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}
Spell = Callable[[str], str]

ANYWHERE: Final[dict[str, Spell]] = {
    "plain": lambda v: v, "upper case": str.upper, "spaces around": lambda v: f"  {v}\n", "brackets": lambda v: f"<{v}>",
    "a sentence": lambda v: f"Dear bank, my app shows error ({v}). Please help, 12.03.2026, 120.50 EUR. Jo",
    "quotes": lambda v: f"“{v}”,", "an address": lambda v: f"https://app.example/err/{v}?lang=en",
    "a header": lambda v: f"X-Some-Id: {v}", "a log line": lambda v: f'2026-03-02T03:04:00Z ERROR [pay] id={v} took 30.1s status=504',
    "JSON": lambda v: f'{{"level":"error","ref":"{v}","ms":30012}}',
    "percent-encoded": lambda v: f"q%3D{quote(v).replace('-', '%2D')}%26a%3D1",
    "quoted-printable": lambda v: f"reference=3D{v[:9]}=\r\n{v[9:]} for you", "markdown": lambda v: f"**_{v}_**",
    "with an absent one": lambda v: f"{NEVER['interaction_id']} or {v}",
}
OF_UUIDS: Final[dict[str, Spell]] = {
    "no dashes": lambda v: v.replace("-", ""), "no dashes, upper case": lambda v: v.replace("-", "").upper(),
    "braces": lambda v: f"{{{v}}}", "broken by a mail": lambda v: f"> {v[:24]}\n> {v[24:]}",
    "long dashes": lambda v: v.replace("-", "\u2011"), "groups": lambda v: v.replace("-", " "),
}
OF_HEX: Final[dict[str, Spell]] = {"0x": lambda v: f"0x{v}", "key=value": lambda v: f"trace_id={v} span_id=-"}
OF_TRACES: Final[dict[str, Spell]] = {
    "as a UUID": lambda v: f"{v[:8]}-{v[8:12]}-{v[12:16]}-{v[16:20]}-{v[20:]}", "traceparent": lambda v: f"00-{v}-{NEVER['span_id']}-01",
    "b3": lambda v: f"b3: {v}-{NEVER['span_id']}-1", "uber-trace-id": lambda v: f"uber-trace-id: {v}:{NEVER['span_id']}:0:1",
    "X-Ray": lambda v: f"Root=1-{v[:8]}-{v[8:]};Parent={NEVER['span_id']};Sampled=1",
}
SOME: Final = ("plain", "upper case", "a sentence")
MALFORMED: Final = (
    "", "   ", "help me please", "Jo Miller", "jo@example.com", "12.03.2026", "2026-03-02", "2026-03-02T03:04:00Z", "03:04", "120.50",
    "ab1", "0" * 32, "?!", "the app shows an error since yesterday", "facade",
)


@dataclass(frozen=True)
class Case:
    """One question; `kind` is '' where nothing matches, `reason` '' where something does."""

    name: str
    query: str
    kind: str
    value: str
    reason: str
    role: str = "support"


def cases() -> Iterator[Case]:
    """The table."""
    for kind, value in LIVE.items():
        spellings = ANYWHERE | (OF_UUIDS if kind in UUIDS else OF_HEX if kind in HEX else {}) | (OF_TRACES if kind == "trace_id" else {})
        for name, spell in spellings.items():
            yield Case(f"{kind} {name}", spell(value), kind, value, "")
    for kind, value in SHORT.items():
        yield Case(f"{kind} zeros lost", value.lstrip("0"), kind, value, "")
        yield Case(f"{kind} zeros lost, upper case", value.lstrip("0").upper(), kind, value, "")
    yield from complaints()
    for reason, ids, names in (
        ("never_seen", NEVER, SOME), ("expired", OLD, SOME), ("rejected_at_ingest", REFUSED, SOME), ("not_yet_indexed", WAITING, SOME),
    ):
        for kind, value in ids.items():
            for name in names:
                known = not (kind == "span_id" and reason == "expired")  # span IDs go with their records
                yield Case(f"{reason} {kind} {name}", ANYWHERE[name](value), "", "", reason if known else "never_seen")
    yield Case("never_seen as traceparent", f"00-{NEVER['trace_id']}-{NEVER['span_id']}-01", "", "", "never_seen")
    yield Case("sampled_out by its own flags", f"00-{NEVER['trace_id']}-{NEVER['span_id']}-00", "", "", "sampled_out")
    for kind, value in UNSAMPLED.items():
        yield Case(f"sampled_out {kind}", value, kind, value, "sampled_out")
        yield Case(f"sampled_out {kind} upper case", value.upper(), kind, value, "sampled_out")
    for number, text in enumerate(MALFORMED):
        yield Case(f"malformed {number}", text, "", "", "malformed")
    for role in ("support", "responder", "administrator"):
        yield Case(f"not_permitted {role}", "INC-212", "", "", "not_permitted", role)
    yield Case("not_permitted lower case", "inc-212", "", "", "not_permitted")


def complaints() -> Iterator[Case]:
    """Numbers of complaints: of a call that is there, of one that was never seen, of one whose day is gone; of none."""
    spellings: dict[str, Spell] = {
        "plain": str, "lower case": str.lower, "a sentence": lambda v: f"About {v}: any news?", "brackets": lambda v: f"<{v}>"}
    for name, spell in spellings.items():
        for number in ("CMP-1", "CMP-2", "CMP-3"):
            yield Case(f"complaint_id {number} {name}", spell(number), "complaint_id", number, "")
    for kind, value in EVIDENCE.items():
        yield Case(f"{kind} kept as evidence", value, kind, value, "")
    yield Case("never_seen complaint_id", "CMP-4711", "", "", "never_seen")


CASES: Final = list(cases())


class Away:
    """A store that can be read; once `away` is set it takes nothing."""

    def __init__(self, inner: RecordStore) -> None:
        self._inner, self.away = inner, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        if not self.away:
            return self._inner.submit(batch)
        refused: Future[Appended] = Future()
        refused.set_exception(StoreUnavailable("Elasticsearch is away"))
        return refused


def fill(records: RecordStore, inner: Away, ask: Callable[..., Any], book: RefusedBook) -> None:
    """Everything that the table asks for."""
    trace = {"trace_id": LIVE["trace_id"], "time_ns": NOW - 9 * MINUTE_NS}
    failed = {"status": 504, "outcome": "bank_error", "partner": "moneta", "method": "POST", "route": "/domestic-payments"}
    records.append(masked(
        [span(1, span_id=LIVE["span_id"], **trace), span(2, span_id=SHORT["span_id"], trace_id=SHORT["trace_id"], time_ns=NOW)],
        [log(1, span_id=LIVE["span_id"], **trace)],
        [call(900, **(LIVE | {"span_id": ""}), time_ns=trace["time_ns"], **failed),
         call(901, trace_id=SHORT["trace_id"], interaction_id=SHORT["interaction_id"], time_ns=NOW - MINUTE_NS),
         call(902, **UNSAMPLED, interaction_id="", sampled=False, time_ns=NOW - MINUTE_NS)],
    ))
    records.append(masked(
        [span(n, trace_id=ids["trace_id"], span_id=ids["span_id"], time_ns=GONE) for n, ids in ((3, OLD), (5, EVIDENCE))], (),
        [call(n, **ids, time_ns=GONE) for n, ids in ((903, OLD), (905, EVIDENCE))]))
    records.settle_reads()
    for query in (LIVE["payment_id"], NEVER["payment_id"], EVIDENCE["payment_id"]):
        assert ask("/complaints", {"query": query, "note": "no money", "channel": "phone"}).status_code == 201
    for signal in ("spans", "logs", "calls"):
        records.drop_day(signal, day_of(GONE))
    records.settle_reads()
    book.write(dict.fromkeys(REFUSED.values(), "older than the retention"))
    inner.away = True
    records.append(masked([span(4, trace_id=WAITING["trace_id"], span_id=WAITING["span_id"], time_ns=NOW)], (),
                          [call(904, **WAITING, time_ns=NOW)]))


Ask = Callable[[Case], dict[str, Any]]


@pytest.fixture(scope="module", params=["memory", "embedded", pytest.param("elastic", marks=pytest.mark.elastic)])
def ask(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, world_over: Any) -> Iterator[Ask]:
    """The console's interface over each store, filled."""
    folder: Path = tmp_path_factory.mktemp("table")
    inner = Away(_open(request, folder))
    dead = DeadLetters(folder / "dead", to_bytes, from_bytes, limit=1 << 20)
    records = SpooledRecordStore(inner, folder / "spool", dead, to_bytes, from_bytes, limit=1 << 20, patience_s=600)  # type: ignore[arg-type]
    state = MemoryStateStore()
    book = RefusedBook(state)
    world = world_over(records, state, lambda parts: replace(parts, refused=book.reason))
    by_role = {case.role: world.api(case.role) for case in CASES}
    fill(records, inner, by_role["support"], book)
    try:
        yield lambda case: by_role[case.role](f"/lookup?q={quote(case.query)}").get_json()
    finally:
        records.close()


def _open(request: pytest.FixtureRequest, folder: Path) -> RecordStore:
    if request.param == "memory":
        return MemoryRecordStore()
    if request.param == "embedded":
        return EmbeddedRecordStore(folder / "data")
    client: Elasticsearch = request.getfixturevalue("elastic_client")
    request.addfinalizer(lambda: [client.indices.delete(index=name) for name in client.indices.get_alias(index="table-*").body])
    return ElasticRecordStore(client, "table")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_answer_is_right(ask: Ask, case: Case) -> None:
    body = ask(case)
    matched = body["matched"] or {"kind": "", "value": ""}
    assert (matched["kind"], matched["value"], body["reason"] or "") == (case.kind, case.value, case.reason), body
    assert bool(body["calls"]) == bool(case.kind) or case.value == "CMP-2"
    assert all(body["answer"][name] for name in ("headline", "what_happened", "whose_side", "known_incident", "tell_customer"))
    if case.reason == "not_permitted":
        assert "Payday" not in str(body) and "accounts" not in str(body)


def test_the_table_has_what_it_promises() -> None:
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.kind for case in CASES} == {"", "complaint_id", *KINDS}
    assert {case.reason for case in CASES} == {
        "", "malformed", "never_seen", "not_yet_indexed", "expired", "not_permitted", "rejected_at_ingest", "sampled_out"}
    for kind in KINDS:
        assert {bool(case.kind) for case in CASES if kind in case.name} == {True, False}, kind
