"""In: Records. Out: MaskedRecords. The only place that constructs MaskedRecords.

Made for speed: the rule of a key is looked up once; a value that is short, not personal and seen before costs one
look-up in a bounded set; an object is copied only when something in it changes; each column becomes an Arrow array in
one step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

import orjson

from triage.domain.columns import COLUMNS, ColumnType, Signal
from triage.domain.records import Columns, Records
from triage.mask.numbers import network
from triage.mask.rules import Rule, owner_in
from triage.mask.text import TextMasker
from triage.mask.tokens import MASKED
from triage.ports.masked import MaskedRecords

_BLOCK: Final = 64  # of SHA-256
_KNOWN_KEYS: Final = 4096
_KNOWN_VALUES: Final = 1024  # a key
_SHORT: Final = 64
_FEW: Final = 8  # so many texts of a column are looked at one by one
_DEEPEST: Final = 16
_SMALL: Final = 10**12  # numbers under this have too few digits for a card
_INT64: Final = 2**63

_OBJECTS: Final = frozenset({"attributes", "resource", "events"})
_HASHES: Final[dict[str, frozenset[int]]] = {
    "trace_id": frozenset({0, 32}), "span_id": frozenset({0, 16}), "parent_id": frozenset({0, 16}),
    "witness_id": frozenset({0, 16, 48}), "log_id": frozenset({0, 16}),
}
"""Columns of hex IDs that the collectors make, and their lengths: of this shape they are kept unseen."""
_IDS: Final = frozenset({"interaction_id", "request_id", "gateway_request_id", "consent_id", "payment_id"})
_PSEUDONYMS: Final = frozenset({"customer", "idempotency", "resource_ref"})
_PERSONAL: Final = frozenset({
    Rule.DROP, Rule.AUTH, Rule.CODE, Rule.PSEUDONYM, Rule.ADDRESS, Rule.STRICT, Rule.ID,
})
"""Rules whose values are not remembered: they are personal, or seldom seen twice."""


_INHERITED: Final = frozenset({Rule.DROP, Rule.AUTH, Rule.PSEUDONYM, Rule.ADDRESS, Rule.STRICT})
"""Rules that hold for everything inside an object as well."""


class _Key:
    """What is known of an attribute key: its rule, and values that were found harmless."""

    __slots__ = ("harmless", "inherited", "label", "mask", "numbers", "owner", "plain", "pseudonymous", "remember")

    def __init__(self, rule: Rule, mask: Callable[[str], str], owner: str = "", label: str = "") -> None:
        self.mask = mask
        self.label = label  # '"name":'; empty: the name cannot be written as it is
        self.plain = rule is Rule.TEXT
        self.owner = owner  # 'debtor': an object under this key is about a person
        self.pseudonymous = rule is Rule.PSEUDONYM
        self.harmless: dict[str, str] = {}  # value -> '"name":"value"'
        self.remember = rule not in _PERSONAL
        self.inherited = rule in _INHERITED
        self.numbers = rule not in _INHERITED  # plain numbers pass


class Masker:
    """Masks records. One instance serves many threads: what it remembers is harmless and only grows to its bound."""

    def __init__(self, key: bytes) -> None:
        if not key:
            raise ValueError("the mask key is empty")
        block = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
        self._text = TextMasker(self.pseudonym)
        self._keys: dict[str, _Key] = {}
        self._columns: dict[str, _Key] = {}

    def pseudonym(self, value: str) -> str:
        """The first 16 hex digits of HMAC-SHA256 (RFC 2104) of a value: equal values still join. Empty stays empty."""
        if not value:
            return ""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value.encode("utf-8", "replace"))
        outer.update(inner.digest())
        return outer.hexdigest()[:16]

    def mask_text(self, text: str) -> str:
        """Free text with what is personal or secret in it masked. Idempotent; lone surrogates become '?'."""
        return self._text.text(_valid(text))

    def mask(self, records: Records) -> MaskedRecords:
        """Mask a batch. Never raises on content: what cannot be understood is dropped as '[masked]'."""
        batch = _Batch(self)
        columns: dict[Signal, Columns] = {
            "spans": batch.columns("spans", records.spans), "logs": batch.columns("logs", records.logs),
            "calls": batch.columns("calls", records.calls),
        }
        return MaskedRecords(columns, batch.masked)

    def key(self, name: str) -> _Key:
        """What is known of an attribute key."""
        found = self._keys.get(name)
        if found is None:
            rule = self._text.rule(_valid(name))
            label = f"{_json(name)}:" if _valid(name) == name else ""
            found = _Key(rule, self._text.by_rule(rule), owner_in(name), label)
            if len(self._keys) < _KNOWN_KEYS:
                self._keys[name] = found
        return found

    def column(self, name: str) -> _Key:
        """What is known of a text column."""
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = _Key(Rule.TEXT, self._text.text)
        return found

    def string(self, key: _Key, value: str) -> str:
        """A text value under a key; remembered when it is short and was found harmless."""
        masked = key.mask(value if value.isascii() else _valid(value))
        if key.remember and masked == value and len(value) <= _SHORT and len(key.harmless) < _KNOWN_VALUES:
            key.harmless[value] = key.label + _json(value)
        return masked

    def strings(self, key: _Key, values: list[str]) -> list[str]:
        """`string` for many values of a text column."""
        if len(values) < _FEW:
            return [self.string(key, value) for value in values]
        masked = self._text.texts([value if value.isascii() else _valid(value) for value in values])
        room = _KNOWN_VALUES - len(key.harmless)
        if room > 0:
            short = (value for value, text in zip(values, masked, strict=True) if text == value and len(value) <= _SHORT)
            key.harmless.update((text, text) for text in islice(short, room))
        return masked


class _Batch:
    """One batch on its way: counts what was masked, and remembers pseudonyms while the batch lasts."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._pseudonyms: dict[str, str] = {}
        self._json: dict[int, str] = {}
        self._root = masker.column("")  # what is outside of any key
        self.masked = 0

    def columns(self, signal: Signal, columns: Columns) -> Columns:
        """The masked columns of a signal."""
        if not columns["time_ns"]:
            return {}
        return {name: self._column(name, kind, columns[name]) for name, kind in COLUMNS[signal].items()}

    def _column(self, name: str, kind: ColumnType, values: list[Any]) -> list[Any]:
        if kind != "str":
            return values
        if not any(values):
            return [""] * len(values)
        if name in _OBJECTS:
            return self._objects(values)
        if name in _HASHES and _are_hashes(values, _HASHES[name]):
            return values
        if name == "network":
            return self._networks(values)
        if name in _PSEUDONYMS:
            return [self._pseudonym(_as_text(value)) if value else "" for value in values]
        if name in _IDS or name in _HASHES:
            key = self._masker.key("request.id")
            return [self._string(key, _as_text(value)) if value else "" for value in values]
        return self._texts(self._masker.column(name), values)

    def _networks(self, values: list[Any]) -> list[str]:
        """Pseudonyms of the networks of addresses: who calls from many places shows, from where does not."""
        texts = [_as_text(value) for value in values]
        known = {text: self._pseudonym(network(text)) if text else "" for text in set(texts)}
        return [known[text] for text in texts]

    def _texts(self, key: _Key, values: list[Any]) -> list[Any]:
        """Each distinct value is looked at once."""
        try:
            distinct = set(values)
        except TypeError:  # not text
            values = [_as_text(value) for value in values]
            distinct = set(values)
        harmless = key.harmless
        unknown = [value for value in distinct if value and value not in harmless]
        masked = self._masker.strings(key, list(map(_as_text, unknown))) if unknown else []
        changed = {value: text for value, text in zip(unknown, masked, strict=True) if text != value}
        if not changed:
            return values
        masked_values = [changed.get(value, value) for value in values]
        self.masked += sum(value in changed for value in values)
        return masked_values

    def _objects(self, values: list[Any]) -> list[Any]:
        """JSON of each object; one that many records share (a resource) is looked at once."""
        out: list[str] = []
        shared = self._json
        for value in values:
            if not value:
                out.append("")
                continue
            known = shared.get(id(value))
            if known is None:
                known = shared[id(value)] = self._object(value) if type(value) is dict else _json(self._value(self._root, value, 0))
            out.append(known)
        return out

    def _object(self, mapping: dict[Any, Any]) -> str:
        """JSON of a masked object; a value that is known to be harmless is not written again."""
        members: list[str] = []
        known = self._masker._keys
        for name, value in mapping.items():
            key = known.get(name) or self._masker.key(str(name))
            if not key.label:
                return _json(self._mapping(mapping, self._root, 0))
            kind = type(value)
            if kind is str:
                member = key.harmless.get(value) or key.label + _json(self._string(key, value))
            elif kind is int and key.numbers and -_SMALL < value < _SMALL:
                member = f"{key.label}{value}"
            else:
                member = key.label + _json(self._value(key, value, 1))
            members.append(member)
        return f"{{{','.join(members)}}}"

    def _mapping(self, mapping: dict[Any, Any], outer: _Key, depth: int) -> dict[Any, Any]:
        out: dict[Any, Any] | None = None
        keys = self._masker.key
        known = self._masker._keys
        for name, value in mapping.items():
            key = outer if outer.inherited else known.get(name) or keys(str(name))
            if outer.owner and key.plain:
                key = keys(f"{outer.owner}.{name}")
            kind = type(value)
            if kind is str:
                if value in key.harmless:
                    continue
                masked: Any = self._string(key, value)
            elif kind is bool or (kind is int and key.numbers and -_SMALL < value < _SMALL):
                continue
            else:
                masked = self._value(key, value, depth + 1)
            if masked is not value:
                if out is None:
                    out = dict(mapping)
                out[name] = masked
        return mapping if out is None else out

    def _value(self, key: _Key, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return value if value in key.harmless else self._string(key, value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return self._number(key, value)
        if depth > _DEEPEST:
            return MASKED
        if isinstance(value, dict):
            return self._mapping(value, key, depth)
        if isinstance(value, (list, tuple)):
            masked = [self._value(key, item, depth + 1) for item in value]
            return value if all(map(_same, masked, value)) else masked
        return f"[{len(value)} bytes]" if isinstance(value, (bytes, bytearray)) else self._string(key, str(value))

    def _string(self, key: _Key, value: str) -> str:
        if key.pseudonymous:
            return self._pseudonym(value)
        masked = self._masker.string(key, value) if key.remember or not value.isascii() else key.mask(value)
        if masked == value:
            return value
        self.masked += 1
        return masked

    def _pseudonym(self, value: str) -> str:
        found = self._pseudonyms.get(value)
        if found is None:
            found = self._pseudonyms[value] = self._masker.pseudonym(value)
        if found:
            self.masked += 1
        return found

    def _number(self, key: _Key, value: float) -> Any:
        if key.numbers and -_SMALL < value < _SMALL:
            return value
        text = str(value)
        masked = self._string(key, text)
        if masked != text:
            return masked
        return value if isinstance(value, float) or -_INT64 <= value < 2 * _INT64 else text


def _same(first: object, second: object) -> bool:
    return first is second


def _valid(text: str) -> str:
    """Text that can be written as UTF-8: lone surrogates become '?'."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _are_hashes(values: list[Any], lengths: frozenset[int]) -> bool:
    """Whether all are lower-case hex of these lengths."""
    try:
        joined = "".join(values)
        size = len(bytes.fromhex(joined)) * 2
    except (TypeError, ValueError):
        return False
    return size == len(joined) and lengths.issuperset(map(len, values)) and joined == joined.lower()


def _json(value: object) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # lone surrogates, other keys than text, numbers over 64 bits
        return orjson.dumps(_plain(value)).decode()


def _plain(value: object) -> object:
    """What every JSON writer can write."""
    if isinstance(value, dict):
        return {_valid(str(name)): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return _valid(value)
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and -_INT64 <= value < _INT64):
        return value
    return _valid(str(value))
