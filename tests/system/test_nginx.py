"""A real nginx as gateway in front of a Flask service with the real OpenTelemetry SDK: one call a request, one incident, one webhook."""

from __future__ import annotations

import http.server
import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
from bench.service import Running, free_port
from standardwebhooks.webhooks import Webhook

pytestmark = pytest.mark.system
SERVICE = Path(__file__).with_name("flask_service.py")

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  log_format triage escape=json '{{"time_iso8601":"$time_iso8601","msec":"$msec","remote_addr":"$remote_addr","request":"$request",'
    '"request_method":"$request_method","request_uri":"$request_uri","status":"$status","body_bytes_sent":"$body_bytes_sent",'
    '"request_length":"$request_length","request_time":"$request_time","upstream_addr":"$upstream_addr",'
    '"upstream_status":"$upstream_status","upstream_response_time":"$upstream_response_time","request_id":"$request_id",'
    '"http_traceparent":"$triage_traceparent","http_x_fapi_interaction_id":"$http_x_fapi_interaction_id",'
    '"http_x_consumer_username":"$http_x_consumer_username"}}';
  server {{
    listen 127.0.0.1:{port};
    set $triage_traceparent "00-$request_id-b7ad6b7169203331-01";
    location / {{
      access_log {folder}/access.log triage;
      proxy_set_header traceparent $triage_traceparent;
      proxy_pass http://127.0.0.1:{upstream};
    }}
  }}
}}
"""


class Inbox:
    """A webhook receiver that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[tuple[dict[str, str], bytes]] = []
        inbox = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                inbox.messages.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    yield box
    box.server.shutdown()


def test_nginx_and_flask_become_calls_an_incident_and_a_webhook(tmp_path: Path, inbox: Inbox) -> None:
    triage = Running(tmp_path / "data", {
        "TRIAGE_ANALYSIS_SECONDS": "2", "TRIAGE_LEARNING_MINUTES": "0", "TRIAGE_WEBHOOK_ALLOW": "127.0.0.0/8",
    }).start()
    processes: list[subprocess.Popen[bytes]] = []
    try:
        gateway = _gateway(tmp_path, triage, processes)
        receiver = triage.post("/api/v1/receivers", {
            "name": "on call", "url": f"http://127.0.0.1:{inbox.server.server_port}/hook", "format": "native",
            "filter": {"types": ["incident.opened"]},
        })
        for number in range(12):
            _call(gateway, "/accounts/1234", number, 200)
        for number in range(12, 32):
            _call(gateway, "/payments/boom", number, 500)
        _send_log(tmp_path / "access.log", triage)
        _until(lambda: triage.get("/api/v1/status")["kept"]["spans"] >= 32, "spans of all requests")
        assert triage.get("/api/v1/status")["kept"]["calls"] == 32, "the lines are the witnesses, the spans join by trace"
        calls = triage.get("/api/v1/calls?limit=100")["items"]
        assert len(calls) == 32
        assert len({call["trace_id"] for call in calls}) == 32
        _until(lambda: triage.get("/api/v1/incidents")["items"], "an incident")
        _until(lambda: inbox.messages, "a webhook")
        time.sleep(5)  # further runs must not open or tell anything else
        incidents = triage.get("/api/v1/incidents")["items"]
        assert len(incidents) == 1, [i["title"] for i in incidents]
        assert any("payment" in api["route"] for api in incidents[0]["apis"])
        trace = triage.get("/api/v1/traces/" + incidents[0]["trace_ids"][0])
        assert trace["spans"]
        assert trace["calls"]
        assert len(inbox.messages) == 1
        headers, body = inbox.messages[0]
        assert Webhook(receiver["secret"]).verify(body.decode(), headers)
        assert json.loads(body)["type"] == "incident.opened"
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(timeout=20)
        triage.stop()


def _gateway(folder: Path, triage: Running, processes: list[subprocess.Popen[bytes]]) -> str:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    assert nginx, "nginx is not installed; `make test` installs it where it may, else: apt-get install nginx"
    upstream, port = free_port(), free_port()
    processes.append(subprocess.Popen([sys.executable, str(SERVICE), str(upstream), f"http://127.0.0.1:{triage.otlp}"]))
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, upstream=upstream), "utf-8")
    processes.append(subprocess.Popen([nginx, "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL))
    gateway = f"http://127.0.0.1:{port}"
    _until(lambda: _status(gateway + "/health") == 200, "nginx and the service behind it")
    (folder / "access.log").write_bytes(b"")
    return gateway


def _status(url: str, **headers: str) -> int:
    try:
        return urllib3.request("GET", url, headers=headers, retries=False, timeout=10).status
    except urllib3.exceptions.HTTPError:
        return 0


def _call(gateway: str, path: str, number: int, status: int) -> None:
    headers = {"x-fapi-interaction-id": f"00000000-0000-4000-8000-{number:012d}", "x-consumer-username": f"partner-{number % 3}"}
    assert _status(gateway + path, **headers) == status


def _send_log(file: Path, triage: Running) -> None:
    def written() -> list[bytes]:
        return [line for line in file.read_bytes().splitlines() if b"/health" not in line]

    _until(lambda: len(written()) == 32, "the line of every request, which nginx writes after its answer")
    lines = written()
    answer = urllib3.request("POST", f"http://127.0.0.1:{triage.otlp}/gateway/nginx", body=b"\n".join(lines), timeout=60)
    assert json.loads(answer.data) == {"accepted": 32, "duplicate": 0, "rejected": []}
    again = urllib3.request("POST", f"http://127.0.0.1:{triage.otlp}/gateway/nginx", body=b"\n".join(lines), timeout=60)
    assert json.loads(again.data) == {"accepted": 0, "duplicate": 32, "rejected": []}


def _until(ready: Callable[[], object], what: str, within_s: float = 60) -> None:
    end = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < end, f"not within {within_s} s: {what}"
        time.sleep(0.2)
