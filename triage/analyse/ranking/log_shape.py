"""The constant part of a log line, for counting like lines: a light normaliser without memory.

In: one message. Out: its first words without values. Lines of one statement nearly always share it; two
statements may share it too, which only makes the counts coarser.
"""

from __future__ import annotations

import json
import re
from typing import Final

_WORDS_KEPT: Final = 12
_READ: Final = 600  # characters: what a statement says constantly comes first
_PLACE: Final = r"[A-Za-z_$][\w.$\[\]]*#\d+|[\w$\-/]+\.[A-Za-z]{1,4}:\d+"  # Class#12, file.go:23: where it was logged
_VALUE: Final = re.compile(
    r"(?<=[=:])\s*(?:\"[^\"]*\"|'[^']*'|\w*(?:\[[^\[\]]*\]|\{[^{}]*\}|\([^()]*\))|[^\s,;\])}]+)"
)
_TOKEN: Final = re.compile(rf"{_PLACE}|[A-Za-z0-9_.$\-]+")
_IS_PLACE: Final = re.compile(_PLACE)
_DIGIT: Final = re.compile(r"\d")
_SAID: Final = ("message", "msg", "event", "error", "exception", "err")
_ERROR_WORD: Final = re.compile(r"\b\w*(?:error|exception|fail(?:ed|ure)?|fatal|panic|traceback)\b", re.IGNORECASE)


def shape(body: str) -> str:
    """A message without numbers, identifiers and values behind ':' or '='; cut to its first words."""
    text = _said(body)[:_READ]
    place = _IS_PLACE.search(text)
    kept = [place.group()] if place else []
    for word in _TOKEN.findall(_VALUE.sub(" ", text)):
        if len(kept) == _WORDS_KEPT:
            break
        if len(word) > 1 and not _DIGIT.search(word):
            kept.append(word)
    return " ".join(kept)


def says_error(body: str) -> bool:
    """Whether the text itself speaks of an error, an exception or a failure."""
    return _ERROR_WORD.search(body[:500]) is not None


def alike(one: str, other: str) -> float:
    """How many words two shapes share, 0 to 1 (Jaccard)."""
    a, b = set(one.split()), set(other.split())
    return len(a & b) / len(a | b) if a or b else 1.0


def _said(body: str) -> str:
    """What a JSON body says in words; other bodies as they are."""
    if not body.startswith("{"):
        return body
    try:
        fields = json.loads(body)
    except ValueError:
        return body
    if not isinstance(fields, dict):
        return body
    said = [str(fields[key]) for key in _SAID if fields.get(key)]
    return " ".join(said) or body
