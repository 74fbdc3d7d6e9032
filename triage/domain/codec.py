"""Dataclasses to JSON-able dicts and back. Unknown keys are ignored and absent ones take their defaults, so that a document
written by another minor version can still be read."""

from __future__ import annotations

import dataclasses
import types
import typing
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def to_body(value: Any) -> dict[str, Any]:
    """A dataclass as plain dicts, lists and scalars."""
    body: dict[str, Any] = dataclasses.asdict(value)
    return body


def from_body(cls: type[T], body: typing.Mapping[str, Any]) -> T:
    """The dataclass that `to_body` made. Raises TypeError when a field without a default is absent."""
    hints = _hints(cls)  # type: ignore[arg-type]  # a class is hashable
    return cls(**{name: _decode(hints[name], value) for name, value in body.items() if name in hints})


@cache
def _hints(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _decode(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_body(hint, value)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return [_decode(args[0], item) for item in value]
    if origin is tuple:
        return tuple(_decode(args[0], item) for item in value)
    if origin is dict:
        return {key: _decode(args[1], item) for key, item in value.items()}
    if origin in (types.UnionType, typing.Union):
        return _decode(next(arg for arg in args if arg is not type(None)), value)
    return value
