"""Runs the HTTP front door (uvicorn with httptools) on a thread of its own, and stops it after what it has accepted is done."""

from __future__ import annotations

import asyncio
import socket
import threading

import uvicorn

from collectors.http_app import FrontDoor
from collectors.limits import Limits


class HttpListener:
    """Listens on one address."""

    def __init__(self, app: FrontDoor, host: str, port: int, limits: Limits) -> None:
        self._app = app
        self._socket = _listen(host, port, limits.connections)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app, loop="asyncio", http="httptools", lifespan="off", access_log=False, log_config=None, log_level="warning",
            limit_concurrency=limits.connections, timeout_keep_alive=75, timeout_graceful_shutdown=20, server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="http-listener", daemon=True)

    def start(self) -> None:
        """Begin to accept connections."""
        self._thread.start()

    def stop(self) -> None:
        """Accept no more, answer what was accepted, then return."""
        self._server.should_exit = True
        self._thread.join(timeout=30)
        self._app.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve([self._socket]))  # off the main thread it leaves the signals alone


def _listen(host: str, port: int, backlog: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(f"cannot listen on {host}:{port} for OTLP/HTTP: {error.strerror}") from error
    sock.listen(min(backlog, 4096))
    return sock
