"""Roll-ups on Elasticsearch: one document a minute and partner, with that partner's rows as columns.

The index is refreshed only here, after all documents of a change, so that readers see all of a change or nothing of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final

import pyarrow as pa
from elasticsearch import Elasticsearch

from triage.domain.windows import MINUTE_NS, Window
from triage.ports.records import Condition, RollupKind
from triage.ports.rollups import SCHEMAS
from triage.store.conditions import check, matching, rollup_columns
from triage.store.elastic.bulk import BulkWriter, write_checked
from triage.store.elastic.client import translated
from triage.store.elastic.cluster import ClusterWatch
from triage.store.elastic.query import rollups_query
from triage.store.elastic.schema import ROLLUP_SELECTORS, Names
from triage.store.elastic.search import Searcher

_TERMS: Final = 10_000


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
        """Write the new documents over the old ones and delete what is left of these."""
        index = self._names.rollups(kind)
        documents = {_doc_id(*key): body for key, body in _documents(rows)}
        stale = self._present(index, sorted(set(minutes))) - documents.keys()
        lines: list[dict[str, Any]] = []
        for doc_id, body in documents.items():
            lines += [{"index": {"_index": index, "_id": doc_id}}, body]
        lines += [{"delete": {"_index": index, "_id": doc_id}} for doc_id in sorted(stale)]
        write_checked(self._bulk, lines, copies=self._cluster.view().copies)
        with translated():
            self._client.indices.refresh(index=index, ignore_unavailable=True)

    def read(self, kind: RollupKind, window: Window, where: Sequence[Condition]) -> pa.Table:
        """Rows of the minutes that begin in the window. Elasticsearch selects documents, the rows are selected here."""
        check(rollup_columns(kind), where)
        schema = SCHEMAS[kind]
        first, end = -(-window.start_ns // MINUTE_NS), -(-window.end_ns // MINUTE_NS)
        query = rollups_query(first, end, where)
        columns: dict[str, list[Any]] = {name: [] for name in schema.names}
        for hits in self._search.everything(self._names.rollups(kind), query, "minute", ["rows"]):
            for hit in hits:
                for name, values in columns.items():
                    values.extend(hit["_source"]["rows"][name])
        return matching(pa.table(columns, schema=schema), where)

    def drop(self, kind: RollupKind, before_minute: int) -> int:
        """Delete the documents of the minutes before one; returns the number of their rows."""
        index, dropped = self._names.rollups(kind), 0
        query = {"range": {"minute": {"lt": before_minute}}}
        for hits in self._search.everything(index, query, "minute", ["rows.minute"]):
            dropped += sum(len(hit["_source"]["rows"]["minute"]) for hit in hits)
            lines = [{"delete": {"_index": index, "_id": hit["_id"]}} for hit in hits]
            write_checked(self._bulk, lines, copies=self._cluster.view().copies)
        if dropped:
            with translated():
                self._client.indices.refresh(index=index, ignore_unavailable=True)
        return dropped

    def _present(self, index: str, minutes: list[int]) -> set[str]:
        """IDs of the documents of these minutes."""
        found: set[str] = set()
        for start in range(0, len(minutes), _TERMS):
            query = {"terms": {"minute": minutes[start : start + _TERMS]}}
            for hits in self._search.everything(index, query, "minute", ()):
                found.update(hit["_id"] for hit in hits)
        return found


def _documents(rows: pa.Table) -> Iterable[tuple[tuple[int, str], dict[str, Any]]]:
    """A document for every minute and partner of the rows."""
    columns = rows.to_pydict()
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    for row, key in enumerate(zip(columns["minute"], columns["partner"], strict=True)):
        groups[key].append(row)
    for (minute, partner), members in groups.items():
        own = {name: [values[row] for row in members] for name, values in columns.items()}
        selectors = {name: sorted(set(own[name])) for name in ROLLUP_SELECTORS if name in own}
        yield (minute, partner), {"minute": minute, **selectors, "rows": own}


def _doc_id(minute: int, partner: str) -> str:
    return f"{minute}-{blake2b(partner.encode(), digest_size=12).hexdigest()}"

