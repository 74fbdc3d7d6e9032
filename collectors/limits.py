"""Bounds of the front door, and decompression that never inflates beyond them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import zstandard

from triage.errors import BadInput, TooLarge

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one collector. Bytes and seconds."""

    body_bytes: int = 64 << 20
    connections: int = 2_000
    waiting_bytes: int = 192 << 20  # bodies that wait for decoding or for the store
    waiting_requests: int = 4_000
    read_s: float = 30.0


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body as it was before `Content-Encoding`. Raises TooLarge over the limit, BadInput for broken or unknown encodings."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name in ("gzip", "x-gzip"):
        return _inflate(body, zlib.MAX_WBITS | 16, limit, name)
    if name == "deflate":
        return _inflate(body, zlib.MAX_WBITS, limit, name)
    if name == "zstd":
        return _unzstd(body, limit)
    raise BadInput(f"the Content-Encoding is not supported: {encoding!r}; send gzip, zstd, deflate or none")


def too_large(limit: int) -> TooLarge:
    """The refusal of a body over the limit."""
    return TooLarge(f"the body is over the limit of {limit} bytes; send smaller batches")


def _inflate(body: bytes, wbits: int, limit: int, name: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    rest = body
    try:
        while rest:  # gzip allows several members
            machine = zlib.decompressobj(wbits)
            while True:
                part = machine.decompress(rest, min(_CHUNK, limit + 1 - size))
                size += len(part)
                parts.append(part)
                if size > limit:
                    raise too_large(limit)
                rest = machine.unconsumed_tail
                if machine.eof or (not rest and not part):
                    break
            if not machine.eof:
                raise BadInput(f"the {name} body is cut off")
            rest = machine.unused_data
    except zlib.error as error:
        raise BadInput(f"the {name} body is broken: {error}") from error
    return b"".join(parts)


def _unzstd(body: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body, read_across_frames=True) as reader:
            while part := reader.read(min(_CHUNK, limit + 1 - size)):
                size += len(part)
                parts.append(part)
                if size > limit:
                    raise too_large(limit)
    except zstandard.ZstdError as error:
        raise BadInput(f"the zstd body is broken: {error}") from error
    if not size and body:
        raise BadInput("the zstd body is cut off")
    return b"".join(parts)
