from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from triage.domain.incident import Incident, Notice
from triage.domain.notice import Message, Receiver
from triage.domain.windows import from_rfc3339
from triage.errors import NotifyError
from triage.notify.destination import Destinations, parse_networks
from triage.notify.webhook import WebhookNotifier, judge, retry_after_seconds

NOW = from_rfc3339("2026-03-02T10:00:00Z")
LOOPBACK = parse_networks(["127.0.0.0/8"])
SECRETS = ("path-secret", "query-secret", "MDEyMzQ1")


@pytest.fixture
def webhook() -> WebhookNotifier:
    return WebhookNotifier(Destinations(LOOPBACK), "https://triage.bank.example")


@pytest.fixture
def message(incident: Incident, receiver: Receiver, http_receiver: Any) -> Message:
    aimed = replace(receiver, url=http_receiver.url())
    return Message(aimed, incident, Notice("n1", "incident.opened", NOW, "new"), "msg_1", NOW)


def failure(webhook: WebhookNotifier, message: Message) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        webhook.send(message)
    assert not [secret for secret in SECRETS if secret in str(caught.value) + repr(caught.value)]
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def test_the_message_arrives_signed(webhook: WebhookNotifier, message: Message, http_receiver: Any) -> None:
    now_ns = time.time_ns()
    attempt = webhook.send(replace(message, at_ns=now_ns))

    path, headers, body = http_receiver.requests[0]
    assert (now_ns, 204, "") == (attempt.at_ns, attempt.status, attempt.error)
    assert 0 < attempt.seconds < 15
    assert path == "/hook/path-secret?key=query-secret"
    assert (f"127.0.0.1:{http_receiver.port}", "application/json") == (headers["host"], headers["content-type"])
    assert headers["user-agent"].startswith("gateway-triage/")
    assert Webhook(message.receiver.secret).verify(body, headers)["type"] == "incident.opened"
    assert headers["webhook-id"] == "msg_1"


def test_repetitions_have_the_same_body(webhook: WebhookNotifier, message: Message, http_receiver: Any) -> None:
    webhook.send(message)
    webhook.send(replace(message, at_ns=NOW + 10**12))

    first, second = http_receiver.requests
    assert first[2] == second[2]
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    assert first[1]["webhook-signature"] != second[1]["webhook-signature"]


def test_a_chat_is_not_sent_a_signature(webhook: WebhookNotifier, message: Message, http_receiver: Any) -> None:
    webhook.send(replace(message, receiver=replace(message.receiver, format="slack", secret="")))

    _, headers, body = http_receiver.requests[0]
    assert "webhook-signature" not in headers
    assert "text" in json.loads(body)


RETRIED = {408, 425, 429, *range(500, 600)}


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status_says_whether_a_retry_can_help(status: int) -> None:
    if status < 300:
        judge(status, None, NOW)
        return
    with pytest.raises(NotifyError) as caught:
        judge(status, None, NOW)

    error = caught.value
    assert (status in RETRIED, status == 410, status) == (error.retry, error.disable, error.status)
    assert str(error).startswith(f"answered {status}")


@pytest.mark.parametrize("status", [302, 400, 410, 429, 503])
def test_a_refusal_is_told_with_its_status(
    webhook: WebhookNotifier, message: Message, http_receiver: Any, status: int
) -> None:
    http_receiver.answers = [(status, {"Location": "http://127.0.0.1:1/", "Retry-After": "7"})]

    error = failure(webhook, message)

    assert (status, 7.0) == (error.status, error.retry_after_s)
    assert len(http_receiver.requests) == 1  # redirects are not followed


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("120", 120.0), ("0", 0.0), (" 5 ", 5.0), ("Mon, 02 Mar 2026 10:02:00 GMT", 120.0),
        ("Mon, 02 Mar 2026 09:00:00 GMT", 0.0), ("soon", None), ("-5", None), ("1e9", None), ("", None), ("²", None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert seconds == retry_after_seconds(header, NOW)


def test_inner_addresses_are_refused_before_a_connection(message: Message, http_receiver: Any) -> None:
    error = failure(WebhookNotifier(Destinations(), "https://triage.bank.example"), message)

    assert not error.retry
    assert http_receiver.requests == []


def test_the_connection_goes_to_the_address_that_was_judged(message: Message, http_receiver: Any) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])  # a name that changes its mind
    rebinding = Destinations(LOOPBACK, resolve=lambda host, port: next(answers))
    url = f"http://hooks.example.com:{http_receiver.port}/x"

    WebhookNotifier(rebinding, "").send(replace(message, receiver=replace(message.receiver, url=url)))

    assert f"hooks.example.com:{http_receiver.port}" == http_receiver.requests[0][1]["host"]


def test_a_refused_connection_may_be_tried_again(webhook: WebhookNotifier, message: Message) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/path-secret"
        error = failure(webhook, replace(message, receiver=replace(message.receiver, url=url)))

    assert (error.retry, error.status, str(error)) == (True, None, "the connection was refused")


Serve = Callable[[Callable[[socket.socket, threading.Event], None]], int]


@pytest.fixture
def raw_server() -> Iterator[Serve]:
    """A TCP server whose one connection is served by a function; the event is set at the end of the test."""
    over = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def start(serve: Callable[[socket.socket, threading.Event], None]) -> int:
        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                serve(connection, over)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        port: int = listener.getsockname()[1]
        return port

    yield start
    over.set()
    for thread in threads:
        thread.join()
    listener.close()


def silent(connection: socket.socket, over: threading.Event) -> None:
    over.wait(30)


def trickling(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not over.wait(0.02):
        try:
            connection.sendall(b"z")
        except OSError:
            return


def closing(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(100_000)


def talking_nonsense(connection: socket.socket, over: threading.Event) -> None:
    connection.recv(100_000)
    connection.sendall(b"220 mail.example.com ESMTP\r\n")


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (silent, "no complete answer within 0.3 s"),
        (trickling, "no complete answer within 0.3 s"),
        (closing, "closed the connection without an answer"),
        (talking_nonsense, "not HTTP"),
    ],
)
def test_a_receiver_that_misbehaves_is_given_up_in_time(
    message: Message, raw_server: Serve, serve: Callable[[socket.socket, threading.Event], None], words: str
) -> None:
    url = f"http://127.0.0.1:{raw_server(serve)}/path-secret"
    hasty = WebhookNotifier(Destinations(LOOPBACK), "", timeout_s=0.3)

    error = failure(hasty, replace(message, receiver=replace(message.receiver, url=url)))

    assert error.retry
    assert words in str(error)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    made = (folder / "cert.pem", folder / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=hooks.example.com", "-addext", "subjectAltName=DNS:hooks.example.com",
         "-out", str(made[0]), "-keyout", str(made[1])],
        check=True, capture_output=True,
    )
    return made


@pytest.mark.parametrize(
    ("host", "trusted", "error"),
    [
        ("hooks.example.com", True, None),
        ("other.example.com", True, "certificate is not trusted"),
        ("hooks.example.com", False, "certificate is not trusted"),
    ],
)
def test_tls_is_checked_against_the_name_although_the_address_is_pinned(
    message: Message, http_receiver: Any, certificate: tuple[Path, Path], host: str, trusted: bool, error: str | None
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)
    http_receiver.server.socket = server.wrap_socket(http_receiver.server.socket, server_side=True)
    client = ssl.create_default_context(cafile=str(certificate[0]) if trusted else None)
    pinned = Destinations(LOOPBACK, resolve=lambda host, port: ["127.0.0.1"])
    webhook = WebhookNotifier(pinned, "", tls=client)
    aimed = replace(message, receiver=replace(message.receiver, url=f"https://{host}:{http_receiver.port}/path-secret"))

    if error is None:
        assert webhook.send(aimed).status == 204
    else:
        assert error in str(failure(webhook, aimed))


@pytest.mark.parametrize("url", ["file:///etc/path-secret", "https://u:path-secret@h.example/", "https://[x/path-secret"])
def test_a_wrong_url_fails_without_being_shown(webhook: WebhookNotifier, message: Message, url: str) -> None:
    assert not failure(webhook, replace(message, receiver=replace(message.receiver, url=url))).retry


def test_a_wrong_secret_fails_without_being_shown(webhook: WebhookNotifier, message: Message) -> None:
    wrong = replace(message, receiver=replace(message.receiver, secret="path-secret"))

    assert not failure(webhook, wrong).retry
