"""Dataclasses to JSON-able dicts and back. Unknown keys are ignored and absent ones take their defaults, so that a document
written by another minor version can still be read."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeVar

T = TypeVar("T")


def to_body(value: Any) -> dict[str, Any]:
    """A dataclass as plain dicts, lists and scalars."""
    body: dict[str, Any] = dataclasses.asdict(value)
    return body


def from_body(cls: type[T], body: typing.Mapping[str, Any]) -> T:
    """The dataclass that `to_body` made. Raises TypeError when a field without a default is absent."""
    decoders = _decoders(cls)  # type: ignore[arg-type]  # a class is hashable
    return cls(**{
        name: value if (decode := decoders[name]) is None or value is None else decode(value)
        for name, value in body.items() if name in decoders
    })


Decoder = Callable[[Any], Any]


@cache
def _decoders(cls: type) -> dict[str, Decoder | None]:
    """Field -> what makes its value from JSON, worked out once a class; None where JSON says it as it is."""
    hints = typing.get_type_hints(cls)
    return {field.name: _decoder(hints[field.name]) for field in dataclasses.fields(cls)}


def _decoder(hint: Any) -> Decoder | None:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return partial(from_body, hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _decoder(next(arg for arg in args if arg is not type(None)))
    if origin not in (list, tuple, dict):
        return None
    inner = _decoder(args[-1] if origin is dict else args[0])
    if inner is None:
        return typing.cast(Decoder, origin)
    if origin is dict:
        return lambda value: {key: inner(item) for key, item in value.items()}
    return lambda value: origin(None if item is None else inner(item) for item in value)
