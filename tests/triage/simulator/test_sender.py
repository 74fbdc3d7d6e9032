"""Sending to a real HTTP server: counts, patience, refusals, live pacing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from triage.simulator.bank import Bank
from triage.simulator.fault_types import NS
from triage.simulator.sender import Sender, Sent, run_live, send
from triage.simulator.traffic import Payload, Simulator

T0 = 1_790_000_000 * NS


class Door(ThreadingHTTPServer):
    """Answers with `script` first (status, Retry-After), then 200; keeps what was acknowledged."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, str]] = []
        self.kept: list[tuple[str, str, bytes]] = []
        self.tokens: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Door

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, wait = self.server.script.pop(0) if self.server.script else (200, "")
        if status == 200:
            self.server.kept.append((self.path, self.headers["Content-Type"], body))
        self.server.tokens.add(self.headers.get("Authorization", ""))
        self.send_response(status)
        if wait:
            self.send_header("Retry-After", wait)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        return


@pytest.fixture
def door() -> Iterator[Door]:
    server = Door()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_everything_arrives_and_is_counted(bank: Bank, door: Door) -> None:
    payloads = list(Simulator(1, bank).play(T0, T0 + 20 * NS))
    heard: list[int] = []
    sent = send(payloads, door.url, "secret", lambda now: heard.append(now.requests))
    assert [(payload.path, payload.content_type, payload.body) for payload in payloads] == door.kept
    assert (sent.requests, sent.spans, sent.logs) == (
        len(payloads), sum(payload.spans for payload in payloads), sum(payload.logs for payload in payloads))
    assert heard == list(range(1, len(payloads) + 1))
    assert door.tokens == {"Bearer secret"}


def test_a_busy_door_is_asked_again_after_the_time_it_wishes(door: Door) -> None:
    door.script = [(503, "3"), (429, "")]
    pauses: list[float] = []
    sent = Sent()
    Sender(door.url, sleep=pauses.append)(Payload("/v1/logs", "x", b"body", 1, 2, 3), sent)
    assert pauses == [3.0, 0.4]
    assert (sent.requests, sent.retries, sent.logs) == (1, 2, 3)


def test_a_refusal_is_not_repeated(door: Door) -> None:
    door.script = [(400, "")]
    sent = send([Payload("/v1/logs", "x", b"body", 1, 0, 0)], door.url)
    assert (sent.requests, sent.retries, dict(sent.refused)) == (0, 0, {"/v1/logs 400": 1})


def test_an_absent_door_is_given_up_in_the_end() -> None:
    pauses: list[float] = []
    sent = Sent()
    Sender("http://127.0.0.1:9", sleep=pauses.append)(Payload("/v1/logs", "x", b"body", 1, 0, 0), sent)
    assert dict(sent.refused) == {"/v1/logs unreachable": 1}
    assert pauses == sorted(pauses)
    assert len(pauses) == 7


def test_live_traffic_follows_the_clock_without_gap_or_overlap(bank: Bank, door: Door) -> None:
    stop = threading.Event()
    times = iter([T0 + 2 * NS, T0 + 3 * NS, T0 + 5 * NS, T0 + 6 * NS])

    def clock() -> int:
        now = next(times)
        if now == T0 + 6 * NS:
            stop.set()
        return min(now, T0 + 5 * NS)

    sent = run_live(Simulator(1, bank), door.url, clock, stop, slice_s=0.0, since_ns=T0)
    whole = list(Simulator(1, bank).play(T0, T0 + 5 * NS))
    assert (sent.calls, sent.spans) == (sum(item.calls for item in whole), sum(item.spans for item in whole))
