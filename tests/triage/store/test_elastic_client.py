"""What a client sends as credentials, and what Elasticsearch's answers mean to us."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from triage.errors import StoreError, StoreUnavailable
from triage.store.elastic.client import ElasticSettings, connect, translated
from triage.store.elastic.records import ElasticRecordStore


class Server(HTTPServer):
    """Answers everything with one status and remembers what it was sent."""

    status = 200
    retry_after = ""
    body = b"{}"
    authorization: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.authorization = self.headers["Authorization"]
        self.send_response(self.server.status)
        self.send_header("X-Elastic-Product", "Elasticsearch")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.body)))
        if self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(server: Server, api_key: str = "", username: str = "", password: str = "") -> None:
    settings = ElasticSettings((server.url,), api_key=api_key, username=username, password=password)
    with translated(), connect(settings) as client:
        client.cluster.health()


def test_credentials(server: Server) -> None:
    ask(server)
    assert server.authorization is None
    ask(server, api_key="key", username="ignored")
    assert server.authorization == "ApiKey key"
    ask(server, username="u", password="p")
    assert server.authorization == "Basic " + base64.b64encode(b"u:p").decode()


def test_secrets_do_not_show() -> None:
    assert "hush" not in repr(ElasticSettings(("http://x",), api_key="hush-1", username="u", password="hush-2"))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408, 401, 403])
def test_answers_after_which_a_retry_can_help(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(StoreUnavailable):
        ask(server)


def test_retry_after_is_passed_on(server: Server) -> None:
    server.status, server.retry_after = 503, "17"
    with pytest.raises(StoreUnavailable) as caught:
        ask(server)
    assert caught.value.retry_after_s == 17


def test_other_refusals_name_their_kind_and_quote_nothing(server: Server) -> None:
    server.status, server.body = 400, b'{"error":{"type":"parsing_exception","reason":"value 4711"}}'
    with pytest.raises(StoreError, match="400 parsing_exception") as caught:
        ask(server)
    assert not isinstance(caught.value, StoreUnavailable)
    assert "4711" not in str(caught.value)


def test_the_next_host_answers_for_one_that_is_away(server: Server) -> None:
    hosts = (f"http://127.0.0.1:{free_port()}", server.url)
    with connect(ElasticSettings(hosts)) as client:
        for _ in range(4):
            client.cluster.health()


def test_an_elasticsearch_that_is_away_is_unavailable() -> None:
    with connect(ElasticSettings((f"http://127.0.0.1:{free_port()}",))) as client:
        store = ElasticRecordStore(client)  # a collector starts all the same; what it takes goes to the spool
        with pytest.raises(StoreUnavailable):
            store.counts()
