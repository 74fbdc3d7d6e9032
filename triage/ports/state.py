"""StateStore: versioned documents (incidents, groups, changes, receivers, deliveries, users, tokens, settings of people).

Promises of every adapter (`tests/contracts/state_store_contract.py`):

1. `put` MUST be compare-and-set: with `version=None` the document must not exist, otherwise it must be at that version; else
   `Conflict` is raised and nothing changes. Of many parallel writers with the same version exactly one succeeds.
2. A returned document MUST be durable, and MUST be seen by every later `get`; `select` sees it within one refresh, at once after
   `settle_reads`.
3. Returned bodies belong to the caller.
4. What cannot be answered MUST raise (`StoreUnavailable`), never be answered as empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Body = Mapping[str, Any]  # what JSON can say


@dataclass(frozen=True, slots=True)
class Document:
    """One document. `sort` orders `select` (newest, that is largest, first); `tags` are what it can be selected by."""

    kind: str
    doc_id: str
    version: int  # 1 on creation, one more at every change
    body: dict[str, Any]
    sort: int = 0
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """Documents and the cursor of the next page (None: no more)."""

    items: list[Document]
    next: str | None


class StateStore(Protocol):
    """See the module's promises."""

    def get(self, kind: str, doc_id: str) -> Document | None:
        """The document, or None."""
        ...

    def put(
        self, kind: str, doc_id: str, body: Body, *, version: int | None, sort: int = 0, tags: Sequence[str] = (),
    ) -> Document:
        """Write a document by compare-and-set and return it with its new version. Raises Conflict."""
        ...

    def delete(self, kind: str, doc_id: str, *, version: int) -> None:
        """Delete by compare-and-set. Raises Conflict when it is gone or at another version."""
        ...

    def select(
        self, kind: str, where: Sequence[Sequence[str]] = (), *, limit: int = 100, cursor: str | None = None,
    ) -> DocumentPage:
        """Documents that carry, for every entry of `where`, at least one of its tags; largest `sort` first, then by ID."""
        ...

    def count(self, kind: str, where: Sequence[Sequence[str]] = ()) -> int:
        """How many documents `select` would give in all."""
        ...

    def purge(self, kind: str, before: int) -> int:
        """Delete the documents of a kind whose `sort` lies above 0 and below `before`; returns their number. For retention: nobody
        writes such documents any more, so versions are not compared."""
        ...

    def settle_reads(self) -> None:
        """Return when everything written can be selected."""
        ...

    def ping(self) -> None:
        """Return if the store can answer; raise StoreUnavailable if not."""
        ...

    def close(self) -> None:
        """Free the files or connections."""
        ...
