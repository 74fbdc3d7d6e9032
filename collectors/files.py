"""Files to request bodies: OTLP JSON lines, OTLP protobuf, and gateway logs; plain or gzip. Streams; never holds a whole file but for
protobuf, which has no lines."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal

import orjson

from collectors.gateways import GATEWAYS, KINDS
from triage.errors import BadInput

LINES: Final = 2_000
FORMATS: Final = ("auto", "otlp", *sorted(KINDS))
_PEEK: Final = 1 << 16
BodyKind = Literal["traces", "logs", "gateway"]


@dataclass(frozen=True, slots=True)
class Body:
    """One body as a collector would receive it. `done` is how far the file was read, bytes on disk."""

    kind: BodyKind
    encoding: Literal["json", "protobuf"]
    gateway: str
    data: bytes
    first_line: int
    done: int


def read_bodies(file: Path, format_: str = "auto") -> Iterator[Body]:
    """The bodies of a file. Raises BadInput when the format is not recognised or the file is broken."""
    with file.open("rb") as raw:
        head = raw.read(2)
        raw.seek(0)
        stream: IO[bytes] = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if head == b"\x1f\x8b" else raw
        try:
            yield from _bodies(stream, file, format_, raw.tell)
        except (EOFError, gzip.BadGzipFile, OSError) as error:
            raise BadInput(f"the gzip data are broken: {file.name}: {error}") from error


def _bodies(stream: IO[bytes], file: Path, format_: str, tell: Callable[[], int]) -> Iterator[Body]:
    start = stream.peek(_PEEK)[:_PEEK] if isinstance(stream, io.BufferedReader) else b""
    kind = _recognised(start, file, format_)
    if kind == "otlp":
        yield from _otlp(stream, start, file, tell)
        return
    number = 0
    lines: list[bytes] = []
    for number, line in enumerate(stream, 1):
        lines.append(line)
        if len(lines) >= LINES:
            yield Body("gateway", "json", kind, b"".join(lines), number - len(lines) + 1, tell())
            lines = []
    if lines:
        yield Body("gateway", "json", kind, b"".join(lines), number - len(lines) + 1, tell())


def _recognised(start: bytes, file: Path, format_: str) -> str:
    if format_ != "auto":
        return format_
    if b'"resourceSpans"' in start or b'"resourceLogs"' in start or (start[:1] == b"\x0a" and start.lstrip()[:1] not in (b"{", b"[")):
        return "otlp"
    lines = [line for line in start.decode("utf-8", "replace").splitlines()[:20] if line.strip()]
    kind = next((gateway.kind for gateway in GATEWAYS if any(gateway.recognise(line) for line in lines)), None)
    if kind is None:
        raise BadInput(f"the format is not recognised: {file.name}; name it with --format ({', '.join(FORMATS[1:])})")
    return kind


def _otlp(stream: IO[bytes], start: bytes, file: Path, tell: Callable[[], int]) -> Iterator[Body]:
    if start.lstrip()[:1] != b"{":
        data = stream.read()
        yield Body("logs" if "log" in file.name.lower() else "traces", "protobuf", "", data, 0, tell())
        return
    first = start.splitlines()[0] if start else b""
    whole = not _is_json(first) and len(first) < len(start)
    lines = [stream.read()] if whole else stream
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        kind: BodyKind = "logs" if b'"resourceLogs"' in line[:4096] or b'"resourceSpans"' not in line else "traces"
        yield Body(kind, "json", "", line, number, tell())


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True
