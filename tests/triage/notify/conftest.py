"""What the tests of this room share: a store, a clock, valid incidents and receivers, a notifier on a script, a real receiver."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from triage.domain.codec import to_body
from triage.domain.incident import ApiImpact, Impact, Incident, Notice, Suspect
from triage.domain.notice import Attempt, Message, Receiver
from triage.domain.windows import NS, from_rfc3339
from triage.notify.receivers import RECEIVER
from triage.ports.state import StateStore
from triage.store.memory import MemoryStateStore

NOW = from_rfc3339("2026-03-02T10:00:00Z")
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Clock:
    def __init__(self) -> None:
        self.now_ns = NOW

    def __call__(self) -> int:
        return self.now_ns

    def forward(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS)


@dataclass
class ScriptedNotifier:
    """Answers each message by `answer`, which may raise; remembers what was sent."""

    answer: Callable[[Message], None] = lambda message: None
    sent: list[Message] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, message: Message) -> Attempt:
        with self.lock:
            self.sent.append(message)
        self.answer(message)
        return Attempt(message.at_ns, 204, "", 0.25)

    def told(self) -> list[tuple[str, str, str]]:
        return [(message.receiver.id, message.incident.id, message.notice.type) for message in self.sent]


class HttpReceiver:
    """A real receiver on loopback. `answers` are used up from the front; the last one stays."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str]]] = [(204, {})]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
                status, headers = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def url(self, path: str = "/hook/path-secret?key=query-secret") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def state() -> StateStore:
    return MemoryStateStore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notifier() -> ScriptedNotifier:
    return ScriptedNotifier()


@pytest.fixture
def http_receiver() -> Iterator[HttpReceiver]:
    receiver = HttpReceiver()
    yield receiver
    receiver.close()


@pytest.fixture
def incident() -> Incident:
    return Incident(
        id="INC-7", key="payments", title="Payments fail at core-banking", state="open", severity="high", kind="errors",
        whose_side="bank", summary="1,204 of 5,016 payment calls failed since 09:52; all pass core-banking 4.7.0.",
        scope="POST /payments of every partner", first_seen_ns=NOW - 480 * NS, last_seen_ns=NOW - 5 * NS, opened_ns=NOW,
        failed_calls=1204, total_calls=5016, customers=611,
        partners=[Impact("tpp-1", "Aurora Pay", 800, 2000), Impact("tpp-2", "Birch & Co", 404, 3016)],
        apis=[ApiImpact("POST", "/payments", 1204, 5016)], services=["core-banking", "payments"],
        instances=["core-1"], suspects=[
            Suspect("change", "core-banking 4.7.0", 0.91, ["98 % of failing calls pass it"], ["one host is healthy"]),
        ],
        groups=["g-1"], trace_ids=["0af7651916cd43dd8448eb211c80319c"],
        notices=[Notice("n1", "incident.opened", NOW, "a new problem of severity high")], version=3,
    )


@pytest.fixture
def add_incident(state: StateStore) -> Callable[[Incident], Incident]:
    """Writes an incident with its notices as the incident room does."""

    def add(incident: Incident) -> Incident:
        tags = [f"state:{incident.state}", "unsent:yes"]
        state.put("incident", incident.id, to_body(incident), version=None, sort=incident.first_seen_ns, tags=tags)
        return incident

    return add


@pytest.fixture
def receiver() -> Receiver:
    return Receiver(
        id="rcv-a", name="Payments on-call", url="https://hooks.example.com/path-secret", format="native", secret=SECRET,
        created_ns=NOW,
    )


@pytest.fixture
def add_receiver(state: StateStore, receiver: Receiver) -> Callable[..., Receiver]:
    """Writes a receiver: the valid one with overrides."""

    def add(**overrides: Any) -> Receiver:
        made = replace(receiver, **overrides)
        state.put(RECEIVER, made.id, to_body(made), version=None, sort=made.created_ns)
        return made

    return add
