"""Attribute values of OTLP as Python values, bounded in number, depth and length; what is cut is counted in `Records.cut`."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final

from collectors.naming import OLD_NAMES
from triage.domain.records import Records

MAX_ATTRIBUTES: Final = 128
MAX_DEPTH: Final = 6
MAX_ITEMS: Final = 256
MAX_TEXT: Final = 32_768


def any_value(value: Any, records: Records, depth: int = 0) -> Any:
    """A protobuf AnyValue as str, bool, int, float, list, dict or None."""
    which = value.WhichOneof("value")
    if which is None or which == "string_value_strindex":
        return None
    if which == "string_value":
        return cut_text(value.string_value, records)
    if which == "bytes_value":
        return cut_text(base64.b64encode(value.bytes_value[: MAX_TEXT + 1]).decode(), records)
    if which == "array_value":
        return _bounded((any_value(item, records, depth + 1) for item in value.array_value.values), records, depth)
    if which == "kvlist_value":
        if depth >= MAX_DEPTH:
            records.cut += 1
            return None
        return {pair.key: any_value(pair.value, records, depth + 1) for pair in value.kvlist_value.values[:MAX_ITEMS]}
    return getattr(value, which)


def json_attributes(pairs: Any, records: Records) -> dict[str, Any]:
    """The same for OTLP/JSON. Raises TypeError or ValueError for what is no KeyValue list."""
    if pairs is None:
        return {}
    if not isinstance(pairs, list):
        raise TypeError("attributes are not an array")
    attributes: dict[str, Any] = {}
    for pair in pairs:
        if not isinstance(pair, dict) or not isinstance(pair.get("key"), str):
            raise TypeError("an attribute has no key")
        key: str = pair["key"]
        attributes.setdefault(OLD_NAMES.get(key, key), json_value(pair.get("value"), records))
    return fewer(attributes, records) if len(attributes) > MAX_ATTRIBUTES else attributes


def json_value(value: Any, records: Records, depth: int = 0) -> Any:
    """An AnyValue of OTLP/JSON."""
    if not isinstance(value, dict) or not value:
        return None
    which, inner = next(iter(value.items()))
    if which in ("stringValue", "bytesValue"):
        return cut_text(inner if isinstance(inner, str) else str(inner), records)
    if which == "intValue":
        return json_int(inner)
    if which == "boolValue":
        return bool(inner)
    if which == "doubleValue":
        return float(inner)
    if which == "arrayValue" and isinstance(inner, dict):
        return _bounded((json_value(item, records, depth + 1) for item in inner.get("values") or ()), records, depth)
    if which == "kvlistValue" and isinstance(inner, dict):
        if depth >= MAX_DEPTH:
            records.cut += 1
            return None
        return {
            str(pair.get("key")): json_value(pair.get("value"), records, depth + 1)
            for pair in (inner.get("values") or ())[:MAX_ITEMS] if isinstance(pair, dict)
        }
    return None


def json_int(value: Any) -> int:
    """A 64-bit integer as number or decimal text. Raises ValueError for anything else, such as 1e308."""
    if isinstance(value, bool) or not isinstance(value, int | str | float):
        raise TypeError("an integer is expected")
    if isinstance(value, float):
        if not value.is_integer() or abs(value) > 2**63:
            raise ValueError(f"{value} is not a 64-bit integer")
        return int(value)
    number = int(value) if isinstance(value, int) or len(value) <= 21 else 2**64
    if not -(2**63) <= number < 2**64:
        raise ValueError("the number does not fit 64 bits")
    return number


def cut_text(text: str, records: Records) -> str:
    """The text, shortened to the limit."""
    if len(text) <= MAX_TEXT:
        return text
    records.cut += 1
    return text[:MAX_TEXT]


def _bounded(items: Iterable[Any], records: Records, depth: int) -> list[Any] | None:
    if depth >= MAX_DEPTH:
        records.cut += 1
        return None
    kept: list[Any] = []
    for item in items:
        if len(kept) >= MAX_ITEMS:
            records.cut += 1
            break
        kept.append(item)
    return kept


def fewer(attributes: dict[str, Any], records: Records) -> dict[str, Any]:
    """As many as are kept."""
    records.cut += len(attributes) - MAX_ATTRIBUTES
    return dict(list(attributes.items())[:MAX_ATTRIBUTES])
