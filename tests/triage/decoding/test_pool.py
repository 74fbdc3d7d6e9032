"""Helper processes give what the service would have made itself, and whoever ends at whatever moment, nothing is lost or made up."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import orjson
import pytest
from bench.otlp_load import logs, traces

from collectors.intake import LARGE, Handed, Intake
from collectors.naming import Naming
from collectors.routes import RouteCatalogue
from triage.decoding.pool import Pool
from triage.decoding.work import Options, intake_of
from triage.domain.columns import SIGNALS
from triage.domain.windows import DAY_NS
from triage.errors import BadInput, StoreUnavailable
from triage.mask.masker import Masker
from triage.ports.masked import MaskedRecords
from triage.ports.records import Appended

NOW = 1_780_000_000_000_000_000
KEY = b"a key of the tests"
OPTIONS = Options(KEY, 30, Naming(gateway_services=frozenset({"edge"})), RouteCatalogue(["/cards/{CardId}"]), {"tpp-1": "acme"})


@dataclass
class Held:
    """A store that remembers what it was given."""

    batches: list[MaskedRecords] = field(default_factory=list)

    def submit(self, batch: MaskedRecords) -> Future[Appended]:
        self.batches.append(batch)
        done: Future[Appended] = Future()
        done.set_result(Appended({s: batch.size(s) for s in SIGNALS}, dict.fromkeys(SIGNALS, 0)))
        return done


@dataclass
class Rig:
    pool: Pool
    store: Held

    def take(self, kind: str, encoding: Any, body: bytes, gateway: str = "") -> Handed | None:
        return self.pool.take(kind, encoding, body, gateway, NOW)


@pytest.fixture
def rig() -> Iterator[Rig]:
    store = Held()
    pool = Pool(OPTIONS, store, helpers=1)
    pool.start()
    pool.wait()
    yield Rig(pool, store)
    pool.close()


def span_json(**fields: object) -> bytes:
    span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "x", "kind": 2,
            "startTimeUnixNano": str(NOW), "endTimeUnixNano": NOW + 10**9} | fields
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})


LINES = b'{"request":"x"}\n10.1.2.3 - - [29/May/2026:10:13:20 +0000] "GET /cards/4111111111111111 HTTP/1.1" 200 5 "-" "curl"\n'
BODIES: dict[str, tuple[str, str, bytes, str]] = {
    "spans": ("traces", "protobuf", traces(200, NOW - 10**9, 1), ""),
    "logs": ("logs", "protobuf", logs(200, NOW - 10**9, 1), ""),
    "spans in JSON": ("traces", "json", span_json(attributes=[{"key": "client_id", "value": {"stringValue": "tpp-1"}},
                                                              {"key": "http.target", "value": {"stringValue": "/cards/123456"}}]), ""),
    "an invalid ID": ("traces", "json", span_json(spanId="00"), ""),
    "too old": ("traces", "json", span_json(startTimeUnixNano=NOW - 40 * DAY_NS, endTimeUnixNano=NOW - 40 * DAY_NS), ""),
    "too long": ("traces", "json", span_json(name="x", attributes=[{"key": "a", "value": {"stringValue": "y" * 40_000}}]), ""),
    "lines": ("gateway", "json", LINES, "apache"),
    "nothing": ("traces", "protobuf", b"", ""),
}


@pytest.fixture(scope="module")
def shared() -> Iterator[Rig]:
    store = Held()
    pool = Pool(OPTIONS, store, helpers=1)
    pool.start()
    pool.wait()
    yield Rig(pool, store)
    pool.close()


@pytest.mark.parametrize("name", BODIES)
def test_a_helper_makes_what_the_service_makes(shared: Rig, name: str) -> None:
    kind, encoding, body, gateway = BODIES[name]
    here, shared.store.batches = Held(), []
    intake = intake_of(OPTIONS, Masker(KEY), here, lambda: NOW)

    mine = intake.begin(intake.decode(kind, encoding, body, gateway=gateway), "s")  # type: ignore[arg-type]
    theirs = shared.take(kind, encoding, body, gateway)

    assert theirs is not None
    assert (theirs.rejected, theirs.newest_ns, theirs.masked, theirs.cut) == (mine.rejected, mine.newest_ns, mine.masked, mine.cut)
    assert theirs.refused == intake.refused.reasons
    assert theirs.appended.result() == mine.appended.result()
    assert len(shared.store.batches) == len(here.batches)
    for one, other in zip(shared.store.batches, here.batches, strict=True):
        assert one.masked == other.masked
        assert all(one.table(signal).equals(other.table(signal)) for signal in SIGNALS)


def test_a_body_that_cannot_be_read_is_refused_and_the_helper_goes_on(rig: Rig) -> None:
    before = rig.pool.pids()
    with pytest.raises(BadInput, match="not a protobuf ExportTraceServiceRequest"):
        rig.take("traces", "protobuf", b"\xff" * 100)

    done = rig.take("traces", "protobuf", traces(10, NOW, 1))

    assert done is not None and done.appended.result().kept["spans"] == 10
    assert rig.pool.pids() == before


def test_a_helper_that_ended_is_replaced(rig: Rig) -> None:
    (first,) = rig.pool.pids()
    os.kill(first, signal.SIGKILL)
    _wait_for_end(first)

    done = rig.take("traces", "protobuf", traces(10, NOW, 1))

    assert done is not None and done.appended.result().kept["spans"] == 10
    assert rig.pool.pids() != [first]


def test_a_helper_that_ends_while_it_decodes_costs_a_retry_and_keeps_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = rig.pool.pids()
    os.kill(first, signal.SIGSTOP)  # it will not answer
    sent = threading.Event()
    monkeypatch.setattr(Connection, "send", _telling(Connection.send, sent))
    killer = threading.Thread(target=lambda: (sent.wait(20), os.kill(first, signal.SIGKILL)))
    killer.start()

    with pytest.raises(StoreUnavailable, match="send it again") as refused:
        rig.take("traces", "protobuf", traces(10, NOW, 1))
    killer.join()

    assert refused.value.retry_after_s == 1
    assert rig.store.batches == []
    done = rig.take("traces", "protobuf", traces(10, NOW, 1))
    assert done is not None and done.appended.result().kept["spans"] == 10


def test_where_no_helper_can_start_the_service_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    pool = Pool(OPTIONS, Held(), helpers=2)
    pool.start()
    pool.wait()

    assert pool.take("traces", "protobuf", traces(10, NOW, 1), "", NOW) is None
    assert pool.pids() == []
    pool.close()


def test_helpers_do_not_outlive_the_service() -> None:
    program = (
        "import sys; from triage.decoding.pool import Pool; from triage.decoding.work import Options; "
        "pool = Pool(Options(b'k', 30), None, helpers=2); pool.start(); pool.wait(); print(*pool.pids(), flush=True); sys.stdin.read()"
    )
    service = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert service.stdout is not None and service.stdin is not None
    pids = [int(pid) for pid in service.stdout.readline().split()]
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, signal.SIGTERM)  # a service manager tells the whole group; the service is still to finish what it accepted
    watched = [os.pidfd_open(pid) for pid in pids]
    service.kill()
    service.wait()
    service.stdin.close()
    service.stdout.close()

    for pid in watched:
        assert select.select([pid], [], [], 20)[0], "a helper runs on without its service"
        os.close(pid)


def test_only_large_bodies_go_elsewhere() -> None:
    class Elsewhere:
        def __init__(self) -> None:
            self.bodies: list[int] = []

        def take(self, kind: str, encoding: Any, body: bytes, gateway: str, now_ns: int) -> Handed | None:
            self.bodies.append(len(body))
            return None if len(self.bodies) == 1 else Handed(Future(), [(3, "r")], {"t": "too old"}, 7, 2, 1)

    intake: Intake = intake_of(OPTIONS, Masker(KEY), Held(), lambda: NOW)
    intake.elsewhere = elsewhere = Elsewhere()
    small, large = traces(5, NOW, 1), traces(500, NOW, 1)
    assert len(small) < LARGE <= len(large)

    assert intake.accept("traces", "protobuf", small, "otlp").appended.result().kept["spans"] == 5
    assert intake.accept("traces", "protobuf", large, "otlp").appended.result().kept["spans"] == 500  # nobody was ready
    there = intake.accept("traces", "protobuf", large, "otlp")

    assert elsewhere.bodies == [len(large)] * 2
    assert (there.rejected, there.source, there.at_ns, there.newest_ns, there.masked, there.cut) == ([(3, "r")], "otlp", NOW, 7, 2, 1)
    assert intake.refused.get("t") == "too old"


def _telling(send: Any, sent: threading.Event) -> Any:
    def told(connection: Connection, thing: Any) -> None:
        send(connection, thing)
        sent.set()

    return told


def _wait_for_end(pid: int) -> None:
    handle = os.pidfd_open(pid)
    assert select.select([handle], [], [], 20)[0]
    os.close(handle)
