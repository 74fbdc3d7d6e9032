"""Join templates that say the same in other words: a release rewords a message, and it stays one group.

Character n-gram TF-IDF gives the distance of two templates, agglomerative clustering with complete linkage the groups:
in one group every two are near. Pairs whose words speak against it are far apart whatever their n-grams, and what people
joined or split outweighs both. What was joined once stays joined, under the id that was there first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.cluster import AgglomerativeClustering
from sklearn.feature_extraction.text import TfidfVectorizer

from triage.analyse.grouping.masking_tokens import STAR
from triage.analyse.grouping.wording import may_say_the_same

MODEL: Final = "char-tfidf-3-5/complete-linkage/1"
STATE_VERSION: Final = 1
JOIN_DISTANCE: Final = 0.55
NEIGHBOURS: Final = 5
MAX_BLOCK: Final = 800
"""Templates of one kind and scope that are compared with each other; later ones stay by themselves."""
MAX_TEXT: Final = 400
MAX_ITEMS: Final = 20_000
"""Templates that are kept; what is new beyond is joined to nothing."""

Rules = AbstractSet[frozenset[str]]
Block = tuple[str, str]
_Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class JoinItem:
    """A template to join: its id, text with `<*>`, and the kind and scope (service or API) within which it may join."""

    id: str
    text: str
    kind: str = "message"
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another template of the same kind and scope; `distance` is 0 for equal texts and 1 for nothing in common."""

    id: str
    distance: float


@dataclass(frozen=True, slots=True)
class Joined:
    """`canonical` leads from each known id to the id of its group; `neighbours` holds the nearest of each id that was
    looked at in this call; `version` names the model and how often it was fitted."""

    canonical: Mapping[str, str]
    neighbours: Mapping[str, tuple[Neighbour, ...]]
    version: str


class TemplateJoiner:
    """Keeps the templates it has seen and what it joined; `join` adds more."""

    def __init__(self, distance: float = JOIN_DISTANCE) -> None:
        """`distance`: two templates of one group are at most this far apart."""
        self._distance = distance
        self._items: dict[str, JoinItem] = {}
        self._canonical: dict[str, str] = {}
        self._blocks: dict[Block, list[str]] = {}
        self._rules: tuple[Rules, Rules] = (frozenset(), frozenset())
        self._model = _vectorizer()
        self._fitted_on: list[str] = []
        self._fits = 0

    @property
    def version(self) -> str:
        """The model and how often it was fitted."""
        return f"{MODEL}+{self._fits}"

    def join(self, items: Iterable[JoinItem], never_join: Rules = frozenset(), always_join: Rules = frozenset()) -> Joined:
        """Add templates and join them; the rules hold pairs or larger sets of ids and are the whole of what people said.

        Only the kinds and scopes of new templates and of changed rules are looked at again.
        """
        touched = self._add(items)
        changed = (never_join ^ self._rules[0]) | (always_join ^ self._rules[1])
        touched |= {self._block(i) for rule in changed for i in rule if i in self._items}
        self._rules = (frozenset(never_join), frozenset(always_join))
        self._fit_if_due()
        neighbours: dict[str, tuple[Neighbour, ...]] = {}
        for block in sorted(touched):
            neighbours.update(self._join_block(self._blocks[block][:MAX_BLOCK]))
        return Joined(self._merged(), neighbours, self.version)

    def to_state(self) -> dict[str, Any]:
        """Plain JSON types; the texts that the model was fitted on are kept, so a restart changes no distance."""
        items = [[i.id, i.text, i.kind, i.scope, self._canonical[i.id]] for i in self._items.values()]
        rules = [sorted(map(sorted, rule)) for rule in self._rules]
        state = {"version": STATE_VERSION, "distance": self._distance, "fits": self._fits}
        return {**state, "items": items, "rules": rules, "fitted_on": self._fitted_on}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> TemplateJoiner:
        """The joiner that `to_state` described. Raises `ValueError` for a state of another version."""
        if state.get("version") != STATE_VERSION:
            raise ValueError(f"join state of version {state.get('version')!r}, this program reads {STATE_VERSION}")
        joiner = cls(state["distance"])
        joiner._add(JoinItem(*row[:4]) for row in state["items"])
        joiner._canonical = {row[0]: row[4] for row in state["items"]}
        never, always = (frozenset(map(frozenset, rule)) for rule in state["rules"])
        joiner._rules = (never, always)
        joiner._fits = state["fits"]
        if state["fitted_on"]:
            joiner._fit(state["fitted_on"])
        return joiner

    def _add(self, items: Iterable[JoinItem]) -> set[Block]:
        touched: set[Block] = set()
        for item in items:
            if item.id in self._items or len(self._items) >= MAX_ITEMS:
                continue
            self._items[item.id] = item
            self._canonical[item.id] = item.id
            self._blocks.setdefault((item.kind, item.scope), []).append(item.id)
            touched.add((item.kind, item.scope))
        return touched

    def _block(self, item_id: str) -> Block:
        return self._items[item_id].kind, self._items[item_id].scope

    def _fit_if_due(self) -> None:
        """Fit when the texts have doubled: the weights follow the language of the logs, the cost stays linear."""
        if self._items and len(self._items) >= 2 * len(self._fitted_on):
            self._fit(sorted({_plain(item.text) for item in self._items.values()}))
            self._fits += 1

    def _fit(self, texts: list[str]) -> None:
        self._model = _vectorizer()
        self._model.fit([*texts, "message of no words"])
        self._fitted_on = texts

    def _join_block(self, ids: Sequence[str]) -> dict[str, tuple[Neighbour, ...]]:
        """Cluster one block again and keep the oldest id of each cluster; returns the neighbours."""
        plain = self._distances(ids)
        judged = self._judge(ids, plain.copy())
        labels = np.zeros(1, dtype=np.int64)
        if len(ids) > 1:
            clustering = AgglomerativeClustering(
                n_clusters=None, metric="precomputed", linkage="complete", distance_threshold=self._distance
            )
            labels = clustering.fit(judged).labels_
        self._name(ids, labels)
        return {each: _nearest(i, ids, plain[i]) for i, each in enumerate(ids)}

    def _distances(self, ids: Sequence[str]) -> _Matrix:
        rows: csr_matrix = self._model.transform([_plain(self._items[i].text) for i in ids])
        likeness: _Matrix = (rows @ rows.T).toarray()
        distance = np.clip(1.0 - likeness, 0.0, 1.0)
        np.fill_diagonal(distance, 0.0)
        return distance

    def _judge(self, ids: Sequence[str], distance: _Matrix) -> _Matrix:
        """Distances after the words, earlier joins and people had their say: 0 together, 2 never."""
        near = np.argwhere(np.triu(distance <= self._distance, k=1))
        for i, j in near.tolist():
            if not may_say_the_same(self._items[ids[i]].text, self._items[ids[j]].text):
                distance[i, j] = distance[j, i] = 1.0
        place = {each: i for i, each in enumerate(ids)}
        groups: dict[str, list[int]] = {}
        for each in ids:
            groups.setdefault(self._canonical[each], []).append(place[each])
        for rows in groups.values():
            distance[np.ix_(rows, rows)] = 0.0
        for rule in self._rules[0]:
            rows = [place[i] for i in rule if i in place]
            distance[np.ix_(rows, rows)] = 2.0
        np.fill_diagonal(distance, 0.0)
        return distance

    def _merged(self) -> dict[str, str]:
        """The canonical ids after people's merges, which may reach across kinds and scopes; a split outweighs a merge."""
        never, always = self._rules
        order = {each: i for i, each in enumerate(self._items)}
        names = dict(self._canonical)
        for rule in sorted(always, key=sorted):
            chosen = {names[each] for each in rule if each in names}
            members = {each for each, name in names.items() if name in chosen}
            if len(chosen) > 1 and not any(len(split & members) > 1 for split in never):
                oldest = min(chosen, key=order.__getitem__)
                names.update(dict.fromkeys(members, oldest))
        return names

    def _name(self, ids: Sequence[str], labels: npt.NDArray[np.int64]) -> None:
        """Each cluster takes the name that its oldest member bears, if that member's namesake is in it."""
        clusters: dict[int, list[str]] = {}
        for each, label in zip(ids, labels.tolist(), strict=True):
            clusters.setdefault(label, []).append(each)
        for members in clusters.values():
            borne = self._canonical[members[0]]
            name = borne if borne in members else members[0]
            for each in members:
                self._canonical[each] = name


def _vectorizer() -> TfidfVectorizer:
    return TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, dtype=np.float64)


def _plain(text: str) -> str:
    return text.replace(STAR, " ")[:MAX_TEXT].lower()


def _nearest(row: int, ids: Sequence[str], distance: _Matrix) -> tuple[Neighbour, ...]:
    order = np.argsort(distance, kind="stable")[: NEIGHBOURS + 1]
    return tuple(Neighbour(ids[j], round(float(distance[j]), 4)) for j in order if j != row)[:NEIGHBOURS]
