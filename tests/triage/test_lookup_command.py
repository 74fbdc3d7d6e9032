"""`triage lookup`: the words of the console, and nothing that is not known."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import orjson
import pytest
from click.testing import CliRunner

from triage.cli import commands

ANSWER = {
    "query": "x", "matched": {"kind": "payment_id", "value": "x"}, "reason": None,
    "answer": {"headline": "The payment was not made", "what_happened": "It failed.", "whose_side": "bank",
               "side": "Ours, not the customer's and not the app's.", "known_incident": "No.", "tell_customer": "Sorry."},
    "calls": [{"at": "2026-03-02T03:15:00Z", "partner": "moneta", "api": "GET /a", "status": 504, "outcome": "bank_error",
               "trace_id": None}],
}


class Service(BaseHTTPRequestHandler):
    """Answers every lookup with the same."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(orjson.dumps(ANSWER))

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Service)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_it_says_what_the_console_says_and_leaves_out_what_is_not_there(url: str) -> None:
    told = CliRunner().invoke(commands, ["lookup", "x", "--url", url, "--token", "t"])
    assert told.exit_code == 0
    assert "Ours, not the customer's and not the app's." in told.output
    assert "None" not in told.output and "trace" not in told.output and "504  bank_error" in told.output
