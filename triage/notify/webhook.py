"""The HTTP adapter of the Notifier port: one POST to a pinned address, no redirect, bounded time, no secret told."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import orjson
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from triage import __version__
from triage.domain.notice import Attempt, Message
from triage.domain.windows import NS
from triage.errors import BadInput, NotifyError
from triage.notify.destination import Destinations
from triage.notify.formats import PROFILES
from triage.notify.receivers import url_fault
from triage.notify.signing import signed_headers

TIMEOUT_S: Final = 15.0
CONNECT_S: Final = 5.0
_RETRIED_4XX: Final = frozenset({408, 425, 429})
_WORDS: Final = (
    (ssl.SSLCertVerificationError, "the receiver's certificate is not trusted for its name"),
    (ssl.SSLError, "no TLS connection could be made"),
    (ConnectionRefusedError, "the connection was refused"),
    (ConnectionResetError, "the receiver closed the connection without an answer"),
    (http.client.RemoteDisconnected, "the receiver closed the connection without an answer"),
    (TimeoutError, "the receiver did not answer in time"),
    (http.client.HTTPException, "the answer is not HTTP"),
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in the parts that a request needs. `host` without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    def host_header(self) -> str:
        """The Host header: the name, with the port when it is not the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"


class WebhookNotifier:
    """Sends messages by HTTP. `base_url` is the console's address for the links in them, without a slash at its end."""

    def __init__(
        self, destinations: Destinations, base_url: str, *, timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._destinations, self._base_url, self._timeout_s = destinations, base_url, timeout_s
        self._tls = tls or ssl.create_default_context()

    def send(self, message: Message) -> Attempt:
        """See `triage.ports.notifier.Notifier`."""
        started = time.monotonic()
        target = read_target(message.receiver.url)
        profile = PROFILES[message.receiver.format]
        body = orjson.dumps(profile.render(message, self._base_url))
        headers = {
            "Host": target.host_header(), "Content-Type": "application/json",
            "User-Agent": f"gateway-triage/{__version__}",
        }
        if profile.signed:
            headers |= _signature(message, body)
        address = self._destinations.pin(target.host, target.port)
        status, retry_after = self._post(target, address, headers, body)
        judge(status, retry_after, message.at_ns)
        return Attempt(message.at_ns, status, "", time.monotonic() - started)

    def _post(
        self, target: Target, address: str, headers: Mapping[str, str], body: bytes,
    ) -> tuple[int, str | None]:
        """The status and the Retry-After header of the answer; its body is not read. Raises NotifyError."""
        deadline = time.monotonic() + self._timeout_s
        late = NotifyError(f"no complete answer within {self._timeout_s:g} s", retry=True)
        connection = self._connection(target, address)
        # A timeout of a socket counts from byte to byte; only closing it ends an answer that trickles in.
        watchdog = threading.Timer(self._timeout_s, _abort, [connection])
        watchdog.start()
        try:
            connection.connect()
            connection.timeout = max(0.1, deadline - time.monotonic())
            connection.request("POST", target.path, body, headers, preload_content=False)
            answer = connection.getresponse()
            if time.monotonic() >= deadline:  # headers that the watchdog cut off look complete
                raise late
            return answer.status, answer.headers.get("Retry-After")
        except (HTTPError, http.client.HTTPException, OSError) as error:
            failed = NotifyError(describe(error), retry=True)
            raise (late if time.monotonic() >= deadline else failed) from None
        finally:
            watchdog.cancel()
            connection.close()

    def _connection(self, target: Target, address: str) -> HTTPConnection:
        timeout = min(CONNECT_S, self._timeout_s)
        if target.scheme == "http":
            return HTTPConnection(address, target.port, timeout=timeout)
        return HTTPSConnection(
            address, target.port, timeout=timeout, ssl_context=self._tls, server_hostname=target.host,
        )


def read_target(url: str) -> Target:
    """The parts of a receiver's URL. Raises NotifyError that does not show it."""
    fault = url_fault(url)
    if fault:
        raise NotifyError(fault, retry=False)
    parsed = parse_url(url)
    scheme, host = parsed.scheme or "", (parsed.host or "").strip("[]")
    return Target(scheme, host, parsed.port or _DEFAULT_PORTS[scheme], parsed.request_uri)


def judge(status: int, retry_after: str | None, now_ns: int) -> None:
    """Return for a success, else raise NotifyError: whether a retry can help, whether to disable the receiver."""
    if 200 <= status < 300:
        return
    raise NotifyError(
        f"answered {status}{_phrase(status)}", retry=status >= 500 or status in _RETRIED_4XX, status=status,
        retry_after_s=retry_after_seconds(retry_after, now_ns), disable=status == HTTPStatus.GONE,
    )


def retry_after_seconds(header: str | None, now_ns: int) -> float | None:
    """What a Retry-After header (seconds or a date) asks for; None when there is none or it cannot be read."""
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdecimal():
        return float(header)
    try:
        at = parsedate_to_datetime(header).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, at - now_ns / NS)


def describe(error: Exception) -> str:
    """An error of the network in our own words: its text may hold the URL, and a chat's URL is a secret."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, words in _WORDS:
            if isinstance(cause, kind):
                return words
        cause = cause.__cause__ or cause.__context__
    return f"the connection failed ({type(error).__name__})"


def _signature(message: Message, body: bytes) -> dict[str, str]:
    try:
        return signed_headers(message.receiver.secret, message.webhook_id, message.at_ns // NS, body)
    except BadInput as error:
        raise NotifyError(error.reason, retry=False) from None


def _abort(connection: HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):
            # Not the TLS object's own shutdown, which takes the session away from the thread that is reading from it.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""
