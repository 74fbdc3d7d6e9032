"""Roll-ups on Elasticsearch: one document a block of minutes (`rollup_blocks`).

A block is changed on the sequence number that it was read with, and read again where another writer was first, so that two writers
never lose each other's minutes. The index is refreshed only here, after all blocks of a change, so that readers see all of a change
or nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np
import pyarrow as pa
from elasticsearch import Elasticsearch

from triage.domain.windows import MINUTE_NS, Window
from triage.errors import StoreUnavailable
from triage.ports.records import Condition, RollupKind
from triage.ports.rollups import SCHEMAS
from triage.store.conditions import check, matching, rollup_columns
from triage.store.elastic.bulk import BulkWriter, write_checked, write_guarded
from triage.store.elastic.client import failure, translated
from triage.store.elastic.cluster import ClusterWatch
from triage.store.elastic.query import rollups_query
from triage.store.elastic.rollup_blocks import SPANS, Change, changes, document, unpacked
from triage.store.elastic.schema import Names
from triage.store.elastic.search import Hits, Searcher

_A_PAGE: Final = 50  # blocks read at once: 24 h are at most 49; of a very busy bank they are 120 MB
_A_BULK: Final = 32  # blocks changed at once
_ATTEMPTS: Final = 50  # in each, one writer of a block succeeds
_ALLOCATED_WITHIN: Final = "10s"  # the longest wait for a shard that is not there yet
_NO_INDEX: Final = "index_not_found_exception"


class ElasticRollups:
    """Reads and replaces roll-ups."""

    def __init__(
        self, client: Elasticsearch, names: Names, search: Searcher, bulk: BulkWriter, cluster: ClusterWatch,
    ) -> None:
        self._client = client
        self._names = names
        self._search = search
        self._bulk = bulk
        self._cluster = cluster

    def replace(self, kind: RollupKind, minutes: Collection[int], rows: pa.Table) -> None:
        """Change the blocks of these minutes, some at a time."""
        waiting = changes(kind, minutes, rows)
        while some := list(islice(waiting, _A_BULK)):
            self._change(kind, some)
        self._refresh(kind)

    def read(self, kind: RollupKind, window: Window, where: Sequence[Condition]) -> pa.Table:
        """Rows of the minutes that begin in the window. Elasticsearch selects blocks, the rows are selected here.

        Whole documents are asked for: to leave the selectors out costs the node more than to send them.
        """
        check(rollup_columns(kind), where)
        first, end = -(-window.start_ns // MINUTE_NS), -(-window.end_ns // MINUTE_NS)
        query = rollups_query(first, end, where)
        pages = self._search.everything(self._names.rollups(kind), query, "first", True, size=_A_PAGE)
        return pa.concat_tables(matching(_between(_rows(kind, hits), first, end), where) for hits in pages)

    def drop(self, kind: RollupKind, before_minute: int) -> int:
        """Delete the blocks of the minutes before one, and write that anew which holds it; returns the number of rows dropped."""
        index, dropped = self._names.rollups(kind), 0
        for hits in self._search.everything(index, {"range": {"first": {"lt": before_minute}}}, "first", ["last", "count"]):
            whole = [hit for hit in hits if hit["_source"]["last"] < before_minute]
            lines = [{"delete": {"_index": index, "_id": hit["_id"]}} for hit in whole]
            write_checked(self._bulk, lines, copies=self._cluster.view().copies)
            dropped += sum(hit["_source"]["count"] for hit in whole)
            if len(whole) < len(hits):
                dropped += self._drop_part(kind, before_minute)
        if dropped:
            self._refresh(kind)
        return dropped

    def _drop_part(self, kind: RollupKind, before_minute: int) -> int:
        """Take the minutes before one out of the block that holds it."""
        block = before_minute // SPANS[kind]
        gone = range(block * SPANS[kind], before_minute)
        held = self._held(kind, [block]).get(block)
        if held is None:
            return 0
        self._change(kind, list(changes(kind, gone, SCHEMAS[kind].empty_table())))
        return int(np.isin(_rows(kind, [held]).column("minute").to_numpy(), gone).sum())

    def _change(self, kind: RollupKind, waiting: Sequence[Change]) -> None:
        """Write these blocks anew, each on what it was read as, until nobody was in between."""
        for _ in range(_ATTEMPTS):
            held = self._held(kind, [change.block for change in waiting if not change.whole])
            written = {change.block: self._lines(kind, change, held.get(change.block)) for change in waiting}
            lines = {block: lines for block, lines in written.items() if lines}
            passed = write_guarded(self._bulk, [line for each in lines.values() for line in each], copies=self._cluster.view().copies)
            beaten = {block for block, ok in zip(lines, passed, strict=True) if not ok}
            waiting = [change for change in waiting if change.block in beaten]
            if not waiting:
                return
        raise StoreUnavailable(f"other writers of the {kind} roll-ups were first {_ATTEMPTS} times")

    def _lines(self, kind: RollupKind, change: Change, held: dict[str, Any] | None) -> list[dict[str, Any]]:
        """The lines of the bulk that change a block as it is held, none where there is nothing to change."""
        rows = change.applied(None if held is None else _rows(kind, [held]))
        place: dict[str, Any] = {"_index": self._names.rollups(kind), "_id": str(change.block)}
        if held is not None:
            place |= {"if_seq_no": held["_seq_no"], "if_primary_term": held["_primary_term"]}
        if len(rows):
            return [{"index" if change.whole or held else "create": place}, document(rows)]
        return [{"delete": place}] if change.whole or held else []

    def _held(self, kind: RollupKind, blocks: Iterable[int]) -> dict[int, dict[str, Any]]:
        """These blocks as they stand now, refreshed or not; those that are there."""
        ids = list(map(str, blocks))
        if not ids:
            return {}
        documents = self._asked(kind, ids)
        if any(_fault(found) for found in documents):  # the index was made a moment ago, or its node has just gone
            with translated():
                self._client.cluster.health(index=self._names.rollups(kind), wait_for_status="yellow", timeout=_ALLOCATED_WITHIN)
            documents = self._asked(kind, ids)
        for found in documents:
            if fault := _fault(found):
                raise failure(503, fault)
        return {int(found["_id"]): found for found in documents if found.get("found")}

    def _asked(self, kind: RollupKind, ids: list[str]) -> Hits:
        with translated():
            documents: Hits = self._client.mget(
                index=self._names.rollups(kind), ids=ids, source_includes=["rows", "size"],
                filter_path="docs._id,docs.found,docs._seq_no,docs._primary_term,docs._source,docs.error.type",
            )["docs"]
        return documents

    def _refresh(self, kind: RollupKind) -> None:
        with translated():
            self._client.indices.refresh(index=self._names.rollups(kind), ignore_unavailable=True)


def _fault(document: dict[str, Any]) -> str:
    """Why a document could not be read; '' where it could, or where there is no index yet."""
    fault: str = document.get("error", {}).get("type", "")
    return "" if fault == _NO_INDEX else fault


def _rows(kind: RollupKind, hits: Hits) -> pa.Table:
    return unpacked([hit["_source"] for hit in hits]) if hits else SCHEMAS[kind].empty_table()


def _between(rows: pa.Table, first: int, end: int) -> pa.Table:
    """The rows from one minute to before another, of rows in order of the minute."""
    start, stop = np.searchsorted(rows.column("minute").to_numpy(), [first, end])
    return rows.slice(start, stop - start)
