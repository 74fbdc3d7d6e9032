"""The StateStore on Elasticsearch.

A document's `_id` is made from its kind and ID, so that of many creators one succeeds. Its version is a number in it; that the
document has not changed since it was read is checked by Elasticsearch (`if_seq_no`, `if_primary_term`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

import orjson
from elasticsearch import ConflictError, Elasticsearch, NotFoundError

from triage.errors import BadInput, Conflict, StoreUnavailable
from triage.ports.state import Body, Document, DocumentPage
from triage.store.elastic.bulk import BulkWriter, write_checked
from triage.store.elastic.client import translated
from triage.store.elastic.cluster import ClusterWatch
from triage.store.elastic.schema import Layout, Names, install, state_templates
from triage.store.elastic.search import PAGE, Searcher


class ElasticStateStore:
    """See `triage.ports.state`."""

    def __init__(self, client: Elasticsearch, prefix: str = "triage", *, replicas: int = 1) -> None:
        names = Names(prefix)
        self._index = names.state
        self._reader = client
        self._writer = client.options(max_retries=0)  # a repeated write would conflict with itself
        self._search = Searcher(client)
        prepare = partial(install, f"{prefix}-state*", state_templates(names, Layout(replicas=replicas)))
        self._cluster = ClusterWatch(client, names, prepare, replicas=replicas)
        self._cluster.open()

    def get(self, kind: str, doc_id: str) -> Document | None:
        """Read by `_id`, which sees every write at once."""
        return _document(self._read(kind, doc_id))

    def put(
        self, kind: str, doc_id: str, body: Body, *, version: int | None, sort: int = 0, tags: Sequence[str] = (),
    ) -> Document:
        """Create, or write on the sequence number of the version that was read."""
        new = Document(kind, doc_id, (version or 0) + 1, orjson.loads(orjson.dumps(dict(body))), sort, tuple(dict.fromkeys(tags)))
        source = {
            "kind": kind, "doc_id": doc_id, "version": new.version, "sort": sort, "tags": list(new.tags), "body": new.body,
        }
        guard: dict[str, Any] = {"op_type": "create"} if version is None else self._at_version(kind, doc_id, version)
        try:
            with translated():
                self._writer.index(
                    index=self._index, id=_key(kind, doc_id), document=source, timeout="10s",
                    wait_for_active_shards=self._cluster.view().copies, **guard,
                )
        except Exception as error:
            raise self._conflict(error, kind, doc_id, version) from error
        return new

    def delete(self, kind: str, doc_id: str, *, version: int) -> None:
        """Delete on the sequence number of the version that was read."""
        guard = self._at_version(kind, doc_id, version)
        try:
            with translated():
                self._writer.delete(
                    index=self._index, id=_key(kind, doc_id), timeout="10s",
                    wait_for_active_shards=self._cluster.view().copies, **guard,
                )
        except Exception as error:
            raise self._conflict(error, kind, doc_id, version) from error

    def select(
        self, kind: str, where: Sequence[Sequence[str]] = (), *, limit: int = 100, cursor: str | None = None,
    ) -> DocumentPage:
        """Search from the cursor on."""
        body: dict[str, Any] = {
            "size": min(limit + 1, PAGE), "query": _query(kind, where), "sort": [{"sort": "desc"}, {"doc_id": "asc"}],
        }
        if cursor is not None:
            body["search_after"] = _place(cursor)
        hits = self._search.page(self._index, body)
        items = [document for hit in hits[:limit] if (document := _document(hit)) is not None]
        more = len(hits) > limit and items
        return DocumentPage(items, f"{items[-1].sort}:{items[-1].doc_id}" if more else None)

    def count(self, kind: str, where: Sequence[Sequence[str]] = ()) -> int:
        """Count what `select` would give."""
        answer = self._search.several([(self._index, {"size": 0, "query": _query(kind, where), "track_total_hits": True})])
        return int(answer[0]["hits"]["total"]["value"])

    def purge(self, kind: str, before: int) -> int:
        """Search them and delete what was found."""
        query = {"bool": {"filter": [{"term": {"kind": kind}}, {"range": {"sort": {"gt": 0, "lt": before}}}]}}
        purged = 0
        for hits in self._search.everything(self._index, query, "sort", ()):
            lines = [{"delete": {"_index": self._index, "_id": hit["_id"]}} for hit in hits]
            write_checked(BulkWriter(self._writer), lines, copies=self._cluster.view().copies)
            purged += len(hits)
        return purged

    def settle_reads(self) -> None:
        """Refresh the index."""
        with translated():
            self._reader.indices.refresh(index=self._index, ignore_unavailable=True)

    def ping(self) -> None:
        """Ask whether the index has an active primary."""
        self._cluster.check_prepared()
        with translated():
            health = self._reader.cluster.health(index=f"{self._index}*", timeout="2s", filter_path="status").body
        if health.get("status") == "red":
            raise StoreUnavailable("Elasticsearch is incomplete: the state index is not active")

    def close(self) -> None:
        """The client belongs to its maker, who may share it."""

    def _read(self, kind: str, doc_id: str) -> dict[str, Any]:
        """The document with its sequence number; empty when there is none."""
        with translated():
            try:
                return self._reader.get(index=self._index, id=_key(kind, doc_id)).body  # type: ignore[no-any-return]
            except NotFoundError:
                return {}

    def _at_version(self, kind: str, doc_id: str, version: int) -> dict[str, Any]:
        hit = self._read(kind, doc_id)
        found = hit["_source"]["version"] if hit else None
        if found != version:
            raise Conflict(kind, doc_id, version, found)
        return {"if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"]}

    def _conflict(self, error: Exception, kind: str, doc_id: str, version: int | None) -> Exception:
        """What a failed write means: Conflict where somebody was first."""
        if not isinstance(error.__cause__, ConflictError | NotFoundError):
            return error
        now = self.get(kind, doc_id)
        return Conflict(kind, doc_id, version, now.version if now else None)


def _key(kind: str, doc_id: str) -> str:
    """`_id` of a document: at most 512 bytes, whatever the ID is."""
    return blake2b(f"{kind}\0{doc_id}".encode(), digest_size=18).hexdigest()


def _document(hit: dict[str, Any]) -> Document | None:
    if not hit:
        return None
    source = hit["_source"]
    return Document(
        source["kind"], source["doc_id"], source["version"], source["body"], source["sort"], tuple(source["tags"]),
    )


def _query(kind: str, where: Sequence[Sequence[str]]) -> dict[str, Any]:
    filters: list[dict[str, Any]] = [{"term": {"kind": kind}}]
    filters += [{"terms": {"tags": list(any_of)}} for any_of in where]
    return {"bool": {"filter": filters}}


def _place(cursor: str) -> list[Any]:
    sort, colon, doc_id = cursor.partition(":")
    if not colon or not sort.removeprefix("-").isdecimal():
        raise BadInput("the cursor is damaged; ask for the first page again")
    return [int(sort), doc_id]
