"""Bulk writing: requests of an adaptive size, split when they are too large, repeated when the cluster is too busy."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
from elasticsearch import ApiError, Elasticsearch

from triage.errors import StoreError, StoreUnavailable
from triage.store.elastic.client import translated

CREATED: Final = 201
KNOWN: Final = 409  # the document is there already
UNREADABLE: Final = 400  # Elasticsearch cannot index the document
_ABSENT: Final = 404
_TOO_LARGE: Final = 413
_BUSY: Final = frozenset({429, 503})

_SMALLEST: Final = 64 * 1024
_LARGEST: Final = 16 * 1024 * 1024
_ATTEMPTS: Final = 6
_FIRST_PAUSE_S: Final = 0.1  # doubles
_PATIENCE_S: Final = 15.0  # then the sender is told, who would give up soon; every attempt itself may take _TIMEOUT
_TIMEOUT: Final = "8s"  # for shards that move or lack a copy
_FILTER: Final = "errors,items.*.status"


@dataclass(slots=True)
class BulkSize:
    """Bytes of one request: grows while requests pass, halves when one is too large or the cluster too busy."""

    bytes: int = 4 * 1024 * 1024

    def passed(self) -> None:
        """A request of full size passed."""
        self.bytes = min(_LARGEST, self.bytes + self.bytes // 8)

    def refused(self) -> None:
        """A request was too much."""
        self.bytes = max(_SMALLEST, self.bytes // 2)


class BulkWriter:
    """Writes bulk items. One writer can be used by several threads; they share its idea of a good size."""

    def __init__(
        self, client: Elasticsearch, *, pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._pause = pause
        self._clock = clock
        self._size = BulkSize()

    def write(self, items: pa.Array, *, copies: int = 1) -> list[int]:
        """The HTTP status of every item, in order: never busy ones, which are written again until they pass.

        `items` are strings of whole lines (see `documents.bulk_items`); `copies` is how many copies of a shard must be
        active. Raises StoreUnavailable when the cluster stays busy or away; then some items may have been written.
        """
        statuses = np.zeros(len(items), np.int64)
        waiting = np.arange(len(items))
        patience = self._clock() + _PATIENCE_S
        for attempt in range(_ATTEMPTS):
            part = items if len(waiting) == len(items) else items.take(pa.array(waiting))
            statuses[waiting] = self._pass(part, copies)
            waiting = waiting[np.isin(statuses[waiting], list(_BUSY))]
            if not len(waiting):
                result: list[int] = statuses.tolist()
                return result
            if attempt == _ATTEMPTS - 1 or self._clock() >= patience:
                break
            self._size.refused()
            self._pause(_FIRST_PAUSE_S * 2**attempt)
        raise StoreUnavailable(f"Elasticsearch is too busy: {len(waiting)} of {len(items)} documents were not taken")

    def _pass(self, items: pa.Array, copies: int) -> list[int]:
        """Every item once."""
        statuses: list[int] = []
        start = 0
        while start < len(items):
            end = _fitting(items, start, self._size.bytes)
            try:
                statuses += self._send(items, start, end, copies)
            except ApiError as error:
                if error.status_code == _TOO_LARGE and end - start > 1:
                    self._size.bytes = _bytes(items, start, end) // 2
                    continue
                if error.status_code == _TOO_LARGE:
                    raise StoreError("a record is larger than Elasticsearch takes (http.max_content_length)") from error
                if error.status_code not in _BUSY:
                    raise
                statuses += [error.status_code] * (end - start)
            else:
                if end < len(items):
                    self._size.passed()
            start = end
        return statuses

    def _send(self, items: pa.Array, start: int, end: int, copies: int) -> list[int]:
        lines: Any = [_body(items, start, end)]  # the serialiser passes bytes on as they are, which its types do not say
        answer = self._client.bulk(
            operations=lines, filter_path=_FILTER, timeout=_TIMEOUT, wait_for_active_shards=copies,
        )
        if not answer["errors"]:
            return [CREATED] * (end - start)
        return [result["status"] for item in answer["items"] for result in item.values()]


def write_checked(writer: BulkWriter, lines: Sequence[dict[str, Any]], *, copies: int = 1) -> None:
    """Write small, known documents: lists of action, document, action... Raises StoreError if any is refused.

    Deleting what is not there is no fault.
    """
    if not all(write_guarded(writer, lines, copies=copies)):
        raise StoreError(f"Elasticsearch refused a document with status {KNOWN}")


def write_guarded(writer: BulkWriter, lines: Sequence[dict[str, Any]], *, copies: int = 1) -> list[bool]:
    """The same where another writer may have been first (`create`, `if_seq_no`): for every action, whether it was done."""
    with translated():
        statuses = writer.write(pa.array(list(_items(lines)), pa.string()), copies=copies)
    for status in statuses:
        if status >= UNREADABLE and status not in (KNOWN, _ABSENT):
            raise StoreError(f"Elasticsearch refused a document with status {status}")
    return [status != KNOWN for status in statuses]


def _items(lines: Sequence[dict[str, Any]]) -> Iterator[str]:
    item = b""
    for line in lines:
        if item and next(iter(line)) in ("index", "create", "delete"):
            yield item.decode()
            item = b""
        item += orjson.dumps(line) + b"\n"
    if item:
        yield item.decode()


def _offsets(items: pa.Array) -> Any:
    return np.frombuffer(items.buffers()[1], np.int32)[items.offset : items.offset + len(items) + 1]


def _bytes(items: pa.Array, start: int, end: int) -> int:
    offsets = _offsets(items)
    return int(offsets[end] - offsets[start])


def _fitting(items: pa.Array, start: int, size: int) -> int:
    """The end of the largest run of items from `start` on that fits; at least one."""
    offsets = _offsets(items)
    return max(start + 1, int(np.searchsorted(offsets, offsets[start] + size, side="right")) - 1)


def _body(items: pa.Array, start: int, end: int) -> bytes:
    """The lines of these items: a piece of the array's own buffer."""
    offsets = _offsets(items)
    return bytes(memoryview(items.buffers()[2])[offsets[start] : offsets[end]])
