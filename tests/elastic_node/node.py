"""Starts a real Elasticsearch node for the tests, through `es-node`, and stops it again.

The node is built once into `.cache/elasticsearch` (or `ES_DIST`) and started on free ports with its data in a temporary
folder. Where Java or Maven is absent, the caller fails with the sentence that `es-node` printed.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

SCRIPT: Final = Path(__file__).with_name("es-node")
HOME: Final = Path(os.environ.get("ES_DIST", Path(__file__).parents[2] / ".cache" / "elasticsearch"))

_SHORT_LIVED: Final = "-XX:TieredStopAtLevel=1"  # a third less CPU in the few minutes of a test run


@contextmanager
def running_node(
    folder: Path, nodes: int = 1, heap: str = "512m", settings: str = "", java_options: str = _SHORT_LIVED,
) -> Iterator[str]:
    """The address of the first of `nodes` fresh nodes, whose data lie in `folder`. `settings`: lines of elasticsearch.yml."""
    _run("build", HOME)
    port = _free_port(nodes)
    home = _with_settings(folder / "own-home", settings) if settings else HOME
    try:
        _run("start", home, folder, nodes, port, ES_HEAP=heap, ES_JAVA_OPTS=java_options)
        yield f"http://127.0.0.1:{port}"
    finally:
        _run("stop", folder)


def jdk() -> Path:
    """Home of the JDK that the node runs on."""
    return Path(_run("jdk"))


def _with_settings(home: Path, settings: str) -> Path:
    """The built node under another configuration."""
    for name in ("lib", "classes", "home/lib", "home/modules", "home/plugins"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).symlink_to((HOME / name).absolute())
    (home / "home/config").mkdir()
    (home / "home/config/elasticsearch.yml").write_text(settings, "utf-8")
    return home


def _run(command: str, *arguments: object, **environment: str) -> str:
    done = subprocess.run(
        [SCRIPT, command, *map(str, arguments)], capture_output=True, text=True, timeout=280, env=os.environ | environment,
    )
    if done.returncode:
        pytest.fail(f"no Elasticsearch node for the tests: {(done.stderr or done.stdout).strip()}", pytrace=False)
    return done.stdout.strip()


def _free_port(nodes: int) -> int:
    """A port so that `nodes` ports from it on, and as many from 100 above it, are free."""
    for port in range(21_000 + os.getpid() % 5_000, 32_000, 250):
        with ExitStack() as stack:
            try:
                for offset in (*range(nodes), *range(100, 100 + nodes)):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            except OSError:
                continue
            return port
    raise RuntimeError("no free ports for an Elasticsearch node")
