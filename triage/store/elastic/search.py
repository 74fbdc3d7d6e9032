"""Searching: single pages, several searches at once, and everything that a query gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from elasticsearch import Elasticsearch

from triage.errors import StoreUnavailable
from triage.store.elastic.client import failure, translated

Hits = list[dict[str, Any]]

PAGE: Final = 10_000  # index.max_result_window
_KEEP_ALIVE: Final = "1m"


class Searcher:
    """Searches whose answer is whole, or an error. What has no index yet is empty."""

    def __init__(self, client: Elasticsearch) -> None:
        self._client = client

    def page(self, index: str, body: dict[str, Any]) -> Hits:
        """One search."""
        return self.several([(index, body)])[0]["hits"]["hits"]  # type: ignore[no-any-return]

    def several(self, searches: Sequence[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Searches in one request; their answers in the same order."""
        if not searches:
            return []
        lines: list[dict[str, Any]] = []
        for index, body in searches:
            lines += [
                {"index": index, "ignore_unavailable": True, "allow_partial_search_results": False},
                {"track_total_hits": False, **body},
            ]
        with translated():
            answers: list[dict[str, Any]] = self._client.msearch(searches=lines)["responses"]
        for answer in answers:
            _check(answer)
        return answers

    def everything(
        self, index: str, query: dict[str, Any], sort: str, source: Sequence[str] | Literal[True], size: int | None = None,
    ) -> Iterator[Hits]:
        """All hits, in order of a number field, in pages. More than one page are read from one point in time.

        `source`: the fields wanted, or True for whole documents.
        """
        body: dict[str, Any] = {
            "size": size or PAGE, "query": query, "sort": [{sort: "asc"}], "_source": source is True or list(source) or False,
            "track_total_hits": False,
        }
        first = self.page(index, body)
        if len(first) < body["size"]:
            yield first
            return
        yield from self._from_point_in_time(index, body)

    def buckets(self, index: str, query: dict[str, Any], sources: Sequence[dict[str, Any]]) -> Iterator[Hits]:
        """All buckets of a composite aggregation, in pages."""
        composite: dict[str, Any] = {"size": PAGE, "sources": list(sources)}
        while True:
            body = {"size": 0, "query": query, "aggs": {"found": {"composite": composite}}}
            found = self.several([(index, body)])[0].get("aggregations", {}).get("found", {"buckets": []})
            yield found["buckets"]
            if len(found["buckets"]) < PAGE:
                return
            composite = {**composite, "after": found["after_key"]}

    def _from_point_in_time(self, index: str, body: dict[str, Any]) -> Iterator[Hits]:
        with translated():
            point = self._client.open_point_in_time(
                index=index, keep_alive=_KEEP_ALIVE, ignore_unavailable=True, allow_partial_search_results=False,
            )["id"]
        try:
            while True:
                with translated():
                    answer = self._client.search(
                        body={**body, "pit": {"id": point, "keep_alive": _KEEP_ALIVE}}, allow_partial_search_results=False,
                    ).body
                _check(answer)
                hits: Hits = answer["hits"]["hits"]
                point = answer.get("pit_id", point)
                yield hits
                if len(hits) < body["size"]:
                    return
                body = {**body, "search_after": hits[-1]["sort"]}
        finally:
            with translated():
                self._client.options(ignore_status=404).close_point_in_time(id=point)


def _check(answer: dict[str, Any]) -> None:
    """Part of an answer is no answer."""
    if "error" in answer:
        raise failure(int(answer.get("status", 500)), answer["error"].get("type", ""))
    if answer["timed_out"] or answer["_shards"]["failed"]:
        raise StoreUnavailable("Elasticsearch cannot answer in full: some shards did not answer")
