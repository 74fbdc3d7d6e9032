"""Mine message templates online: one pass, bounded memory, the same answer in any order and after a restart."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from triage.analyse.grouping.masking_tokens import MAX_CHARS, STAR, mask, tokens
from triage.analyse.grouping.slot_index import SlotIndex, one_star

STATE_VERSION: Final = 1
OVERFLOW_TEXT: Final = "(more kinds of message than are told apart)"
"""The template of messages that found the table full: a flood is shown as one, and named."""
_ANY_DIGIT: Final = str.maketrans("123456789", "0" * 9)
CACHED_MESSAGES = 65_536
CACHED_CHARS = 512
SAMPLES = 24
SAMPLE_CHARS = 300
VALUES_SHOWN = 5
SWEEP_AFTER = 50
"""Messages, in multiples of the table's limit, after which a full table may forget what it saw once."""


@dataclass(frozen=True, slots=True)
class Template:
    """What messages have in common. `parameters[i]` holds the commonest values at the i-th `<*>` with their counts,
    from a sample of the messages; `count` is the number of all messages."""

    id: str
    text: str
    tokens: tuple[str, ...]
    count: int
    parameters: tuple[tuple[tuple[str, int], ...], ...]


@dataclass(slots=True)
class _Seen:
    """What is kept of the messages that fell on one node."""

    id: str
    count: int
    sweep: int
    samples: dict[str, int]


def masked_text(message: str) -> str:
    """The masked message as templates are written: what a template of it must cover."""
    return one_star("".join(tokens(mask(message[: MAX_CHARS + 1].translate(_ANY_DIGIT)))))


class TemplateMiner:
    """Gives every message the id of its template.

    An id is the hash of the first masked message of the template, so it never changes when the template grows. When
    two templates turn out to be one, the older id stands for both and `resolve` leads from the younger to it.
    """

    def __init__(self, limit: int = 10_000) -> None:
        """`limit`: masked messages that are kept apart; memory is bounded by it."""
        self._limit = limit
        self._reset()

    def add(self, messages: Sequence[str]) -> list[str]:
        """Learn a batch and return the template id of each message, in order. Takes any text; never raises."""
        self._sweep_if_due()
        nodes = {message: self._place(message, n) for message, n in Counter(messages).items()}
        self._since_sweep += len(messages)
        self._settle()
        name = {node: self._seen[self._index.find(node)].id for node in set(nodes.values())}
        ids = {message: name[node] for message, node in nodes.items()}
        return [ids[message] for message in messages]

    def resolve(self, template_id: str) -> str:
        """The id that stands for `template_id` now; an unknown one stands for itself."""
        node = self._node_of_id.get(template_id)
        return template_id if node is None else self._seen[self._index.find(node)].id

    def template(self, template_id: str) -> Template:
        """The template of an id, also of one that was joined to another. Raises `KeyError` if it is unknown."""
        root = self._index.find(self._node_of_id[template_id])
        return self._template(root, [node for node in range(len(self._seen)) if self._index.find(node) == root])

    def templates(self) -> list[Template]:
        """All templates with a message, the oldest first."""
        found = [self._template(root, nodes) for root, nodes in self._members().items()]
        return [template for template in found if template.count]

    def described(self, template_ids: Iterable[str]) -> dict[str, Template]:
        """The templates of these IDs, as far as they are known; for many IDs at once."""
        roots = {each: self._index.find(node) for each in template_ids if (node := self._node_of_id.get(each)) is not None}
        members = self._members() if roots else {}
        return {each: self._template(root, members[root]) for each, root in roots.items()}

    def _members(self) -> dict[int, list[int]]:
        members: dict[int, list[int]] = {}
        for node in range(len(self._seen)):
            members.setdefault(self._index.find(node), []).append(node)
        return members

    def text(self, template_id: str) -> str:
        """The text of a template; empty if the id is unknown. Costs nothing, unlike `template`."""
        node = self._node_of_id.get(template_id)
        return "" if node is None else self._index.text(node)

    def to_state(self) -> dict[str, Any]:
        """All that is needed to go on after a restart; plain JSON types, bounded by `limit`."""
        nodes = [
            ["".join(self._index.tokens[node]), seen.id, seen.count, seen.sweep, seen.samples]
            for node, seen in enumerate(self._seen)
        ]
        roots = [self._index.find(node) for node in range(len(self._seen))]
        clock = [self._sweep, self._since_sweep]
        return {"version": STATE_VERSION, "limit": self._limit, "clock": clock, "nodes": nodes, "roots": roots}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> TemplateMiner:
        """The miner that `to_state` described. Raises `ValueError` for a state of another version."""
        if state.get("version") != STATE_VERSION:
            raise ValueError(f"template state of version {state.get('version')!r}, this program reads {STATE_VERSION}")
        miner = cls(int(state["limit"]))
        kept = [(text, _Seen(i, count, sweep, dict(samples))) for text, i, count, sweep, samples in state["nodes"]]
        miner._restore(kept, list(state["roots"]))
        miner._sweep, miner._since_sweep = state["clock"]
        return miner

    def _reset(self) -> None:
        self._index = SlotIndex(self._limit)
        self._seen: list[_Seen] = []
        self._node_of_id: dict[str, int] = {}
        self._node_of_text: dict[str, int] = {}
        self._recent: dict[str, int] = {}
        self._recent_masks: dict[str, int] = {}
        self._sweep = 0
        self._since_sweep = 0
        self._index.insert((OVERFLOW_TEXT,))
        self._settle()

    def _place(self, message: str, times: int) -> int:
        """The node of a message, counted `times` times."""
        shape = message[: MAX_CHARS + 1].translate(_ANY_DIGIT)
        node = self._recent.get(shape)
        if node is None:
            node = self._node_of(shape)
        if node >= len(self._seen):
            self._register()
        seen = self._seen[node]
        seen.count += times
        seen.sweep = self._sweep
        sample = message[:SAMPLE_CHARS]
        if sample in seen.samples or len(seen.samples) < SAMPLES:
            seen.samples[sample] = seen.samples.get(sample, 0) + times
        return node

    def _node_of(self, shape: str) -> int:
        """The node of a message in which every digit is a 0: masks ask whether there is a digit, never which."""
        masked = mask(shape)
        node = self._recent_masks.get(masked)
        if node is None:
            found = self._index.insert(tokens(masked))
            node = 0 if found is None else found
            _remember(self._recent_masks, masked, node)
        if len(shape) <= CACHED_CHARS:
            _remember(self._recent, shape, node)
        return node

    def _settle(self) -> None:
        self._index.settle()
        self._register()

    def _register(self) -> None:
        """Give ids to the nodes that are new; two that read the same once runs of `<*>` are one, become one."""
        for node in range(len(self._seen), len(self._index.tokens)):
            text = self._index.own_text(node)
            name = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
            self._seen.append(_Seen(name, 0, self._sweep, {}))
            same = self._node_of_text.setdefault(text, node)
            self._node_of_id.setdefault(name, same)
            self._index.union(same, node)

    def _template(self, root: int, nodes: Sequence[int]) -> Template:
        text = self._index.text(root)
        count = sum(self._seen[node].count for node in nodes)
        samples: Counter[str] = Counter()
        for node in nodes:
            samples.update(self._seen[node].samples)
        return Template(self._seen[root].id, text, tokens(text), count, _parameters(text, samples))

    def _sweep_if_due(self) -> None:
        """End a period; a full table then forgets what was seen once and not lately, or, if that is little, all such."""
        if self._since_sweep < SWEEP_AFTER * self._limit:
            return
        period = self._sweep + 1
        if len(self._seen) >= self._limit:
            self._forget()
        self._sweep, self._since_sweep = period, 0

    def _forget(self) -> None:
        counts: Counter[int] = Counter()
        fresh: set[int] = {self._index.find(0)}
        for node, seen in enumerate(self._seen):
            root = self._index.find(node)
            counts[root] += seen.count
            if seen.sweep == self._sweep:
                fresh.add(root)
        keep = [n for n in range(len(self._seen)) if (r := self._index.find(n)) in fresh or counts[r] > 1]
        if len(keep) > 0.9 * self._limit:
            keep = [n for n in keep if self._index.find(n) in fresh]
        place = {node: i for i, node in enumerate(keep)}
        roots = [place[self._index.find(node)] for node in keep]
        self._restore([("".join(self._index.tokens[node]), self._seen[node]) for node in keep], roots)

    def _restore(self, kept: Sequence[tuple[str, _Seen]], roots: Sequence[int]) -> None:
        """Build the table again from nodes in their old order, the overflow first, and what they were joined to."""
        self._reset()
        place = [0]
        for text, _ in kept[1:]:
            node = self._index.insert(tokens(text))
            place.append(0 if node is None else node)
        self._settle()
        for (_, seen), node in zip(kept, place, strict=True):
            self._seen[node].count += seen.count
            self._seen[node].samples |= seen.samples
            self._seen[node].sweep = seen.sweep
        for node, root in zip(place, roots, strict=True):
            self._index.union(node, place[root])


def _remember(cache: dict[str, int], key: str, node: int) -> None:
    if len(cache) >= CACHED_MESSAGES:
        cache.clear()
    cache[key] = node


def _parameters(text: str, samples: Mapping[str, int]) -> tuple[tuple[tuple[str, int], ...], ...]:
    """The commonest values at each `<*>` of `text`, found by looking for the literal parts in turn (linear time)."""
    literals = text.split(STAR)
    counts: list[Counter[str]] = [Counter() for _ in literals[1:]]
    for message, times in samples.items():
        values = _values(literals, " ".join(message.split()))
        for counter, value in zip(counts, values, strict=False):
            counter[value] += times
    return tuple(tuple(counter.most_common(VALUES_SHOWN)) for counter in counts)


def _values(literals: Sequence[str], message: str) -> list[str]:
    if not message.startswith(literals[0]):
        return []
    values: list[str] = []
    at = len(literals[0])
    for literal in literals[1:-1]:
        end = message.find(literal, at + 1)
        if end < 0:
            return values
        values.append(message[at:end])
        at = end + len(literal)
    last = literals[-1]
    if len(literals) > 1 and message.endswith(last) and len(message) - len(last) > at:
        values.append(message[at : len(message) - len(last)])
    return values
