"""The promises of `triage.ports.state`, as tests that every adapter passes in full.

An adapter's test module subclasses `StateStoreContract` and gives three fixtures, as for the RecordStoreContract:
`store`, `reopen` and `newer_format`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from triage.errors import Conflict, StoreFormatError, TriageError
from triage.ports.state import Document, StateStore

Reopen = Callable[[StateStore], StateStore]


def ids(store: StateStore, kind: str, *where: list[str]) -> list[str]:
    """What `select` gives; `count` must agree."""
    store.settle_reads()
    found = [document.doc_id for document in store.select(kind, where).items]
    assert store.count(kind, where) == len(found)
    return found


class StateStoreContract:
    """Run by `tests/contracts/test_*.py`, one subclass an adapter."""

    def test_a_document_comes_back_as_it_was_put(self, store: StateStore) -> None:
        body: dict[str, Any] = {
            "title": "Zahlung \U0001f600 \"quoted\" \\ \n", "n": 2**62, "f": 1e308, "none": None, "yes": True, "list": [1, [2], {}],
            "a.b": 1, "deep": {"a": {"b": [{"c": "x"}]}}, "": "empty name", "long": "x" * 50_000,
        }
        put = store.put("incident", "INC-1", body, version=None, sort=7, tags=("open", "high", "open"))
        assert put == Document("incident", "INC-1", 1, body, 7, ("open", "high"))
        assert store.get("incident", "INC-1") == put
        store.settle_reads()
        assert store.select("incident").items == [put]

    def test_absent_documents(self, store: StateStore) -> None:
        assert store.get("incident", "INC-1") is None
        assert store.count("incident") == 0
        assert store.select("incident").items == []
        assert store.select("incident").next is None
        store.ping()

    def test_old_documents_of_a_kind_are_purged(self, store: StateStore) -> None:
        for sort in (0, 5, 9, 10, 11):
            store.put("delivery", f"d{sort}", {}, version=None, sort=sort, tags=["state:delivered"])
            store.put("incident", f"i{sort}", {}, version=None, sort=sort)
        store.settle_reads()
        assert store.purge("delivery", 10) == 2
        assert ids(store, "delivery", ["state:delivered"]) == ["d11", "d10", "d0"], "undated ones (0) stay"
        assert len(ids(store, "incident")) == 5
        assert store.get("delivery", "d5") is None
        assert store.purge("delivery", 10) == 0

    def test_bodies_belong_to_the_caller(self, store: StateStore) -> None:
        body = {"items": [1]}
        put = store.put("k", "a", body, version=None)
        body["items"].append(2)
        put.body["items"].append(3)
        got = store.get("k", "a")
        assert got is not None
        assert got.body == {"items": [1]}

    def test_versions_count_up(self, store: StateStore) -> None:
        assert store.put("k", "a", {"v": 1}, version=None, sort=1, tags=["x"]).version == 1
        assert store.put("k", "a", {"v": 2}, version=1, sort=2, tags=["y"]).version == 2
        assert store.get("k", "a") == Document("k", "a", 2, {"v": 2}, 2, ("y",))
        assert ids(store, "k", ["x"]) == []
        assert ids(store, "k", ["y"]) == ["a"]

    @pytest.mark.parametrize("version", [None, 1, 3])
    def test_a_stale_put_changes_nothing(self, store: StateStore, version: int | None) -> None:
        store.put("k", "a", {"v": 1}, version=None)
        store.put("k", "a", {"v": 2}, version=1)
        with pytest.raises(Conflict) as caught:
            store.put("k", "a", {"v": 3}, version=version)
        assert (caught.value.kind, caught.value.doc_id, caught.value.expected, caught.value.found) == ("k", "a", version, 2)
        assert store.get("k", "a") == Document("k", "a", 2, {"v": 2})

    def test_a_put_on_nothing_conflicts(self, store: StateStore) -> None:
        with pytest.raises(Conflict) as caught:
            store.put("k", "a", {}, version=1)
        assert caught.value.found is None
        assert store.get("k", "a") is None

    def test_delete_is_compare_and_set_too(self, store: StateStore) -> None:
        store.put("k", "a", {}, version=None)
        with pytest.raises(Conflict):
            store.delete("k", "a", version=2)
        assert store.get("k", "a") is not None
        store.delete("k", "a", version=1)
        assert store.get("k", "a") is None
        assert ids(store, "k") == []
        with pytest.raises(Conflict):
            store.delete("k", "a", version=1)
        assert store.put("k", "a", {"new": 1}, version=None).version == 1

    def test_kinds_are_apart(self, store: StateStore) -> None:
        store.put("a", "1", {"of": "a"}, version=None, tags=["t"])
        store.put("b", "1", {"of": "b"}, version=None, tags=["t"])
        got = store.get("b", "1")
        assert got is not None
        assert got.body == {"of": "b"}
        assert ids(store, "a", ["t"]) == ["1"]
        store.delete("a", "1", version=1)
        assert ids(store, "b") == ["1"]

    def test_select_by_tags(self, store: StateStore) -> None:
        for doc_id, tags in [("1", ["open", "high"]), ("2", ["open", "low"]), ("3", ["resolved", "high"]), ("4", [])]:
            store.put("k", doc_id, {}, version=None, tags=tags)
        assert ids(store, "k") == ["1", "2", "3", "4"]
        assert ids(store, "k", ["open"]) == ["1", "2"]
        assert ids(store, "k", ["open", "resolved"]) == ["1", "2", "3"]
        assert ids(store, "k", ["open", "resolved"], ["high"]) == ["1", "3"]
        assert ids(store, "k", ["OPEN"]) == ids(store, "k", ["ope"]) == ids(store, "k", []) == []

    def test_ids_and_tags_of_any_spelling(self, store: StateStore) -> None:
        for doc_id in ["a/b", "a:b", "Ä ?#%", "x" * 600, "_1", "日本", "a"]:
            store.put("k", doc_id, {"id": doc_id}, version=None, tags=[f"tag:{doc_id}"])
            got = store.get("k", doc_id)
            assert got is not None
            assert got.body == {"id": doc_id}
            assert ids(store, "k", [f"tag:{doc_id}"]) == [doc_id]

    def test_largest_sort_first_then_by_id(self, store: StateStore) -> None:
        for doc_id, sort in [("b", 5), ("a", 5), ("c", -3), ("d", 2**62), ("e", 0)]:
            store.put("k", doc_id, {}, version=None, sort=sort)
        assert ids(store, "k") == ["d", "a", "b", "e", "c"]

    def test_pages_have_no_gap_or_repeat(self, store: StateStore) -> None:
        for number in range(11):
            store.put("k", f"d{number:02d}", {}, version=None, sort=number // 3, tags=["even" if number % 2 == 0 else "odd"])
        store.settle_reads()
        seen: list[str] = []
        cursor = None
        sizes = []
        while True:
            page = store.select("k", limit=4, cursor=cursor)
            seen += [document.doc_id for document in page.items]
            sizes.append(len(page.items))
            cursor = page.next
            if cursor is None:
                break
            store.put("k", f"new{len(sizes)}", {}, version=None, sort=99)
            store.settle_reads()
        assert seen == ["d09", "d10", "d06", "d07", "d08", "d03", "d04", "d05", "d00", "d01", "d02"]
        assert sizes == [4, 4, 3]
        first = store.select("k", [["even"]], limit=3)
        assert [d.doc_id for d in store.select("k", [["even"]], limit=3, cursor=first.next).items] == ["d04", "d00", "d02"]

    def test_the_last_full_page_says_so(self, store: StateStore) -> None:
        for doc_id in "abcd":
            store.put("k", doc_id, {}, version=None)
        store.settle_reads()
        first = store.select("k", limit=2)
        assert store.select("k", limit=2, cursor=first.next).next is None

    def test_a_damaged_cursor_is_refused(self, store: StateStore) -> None:
        with pytest.raises(TriageError):
            store.select("k", cursor="not a cursor")

    def test_of_many_creators_one_succeeds(self, store: StateStore) -> None:
        assert sorted(race(lambda n: store.put("k", "a", {"by": n}, version=None))) == ["Conflict"] * 7 + ["done"]
        got = store.get("k", "a")
        assert got is not None
        assert got.version == 1

    def test_of_many_changers_one_succeeds(self, store: StateStore) -> None:
        store.put("k", "a", {}, version=None)
        assert sorted(race(lambda n: store.put("k", "a", {"by": n}, version=1))) == ["Conflict"] * 7 + ["done"]
        got = store.get("k", "a")
        assert got is not None
        assert got.version == 2

    def test_documents_survive_reopening(self, store: StateStore, reopen: Reopen) -> None:
        put = store.put("k", "a", {"v": 1}, version=None, sort=3, tags=["t"])
        store = reopen(store)
        assert store.get("k", "a") == put
        assert ids(store, "k", ["t"]) == ["a"]
        assert store.put("k", "a", {"v": 2}, version=1).version == 2

    def test_a_newer_format_is_refused(
        self, store: StateStore, reopen: Reopen, newer_format: Callable[[], None]
    ) -> None:
        store.put("k", "a", {}, version=None)
        store.close()
        newer_format()
        with pytest.raises(StoreFormatError, match=r"version|format"):
            reopen(store)


def race(write: Callable[[int], object]) -> list[str]:
    """How eight parallel writers fared."""
    def attempt(number: int) -> str:
        try:
            write(number)
        except Conflict:
            return "Conflict"
        return "done"

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(attempt, range(8)))
