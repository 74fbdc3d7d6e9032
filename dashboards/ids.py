"""IDs in pasted text: which words of it may be an ID, and every spelling under which that ID may be kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:~/+=@-]*")
_HEX: Final = re.compile(r"[0-9a-fA-F]+\Z")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\Z")
_TRACEPARENT: Final = re.compile(r"[0-9a-fA-F]{2}-([0-9a-fA-F]{32})-([0-9a-fA-F]{16})-([0-9a-fA-F]{2})\Z")
_XRAY: Final = re.compile(r"(?:Root=)?1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})\Z")
_WRAPPED: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9_.-]*[=:])+")  # 'trace_id=…', 'X-Request-ID:…'
_BROKEN: Final = re.compile(r"([0-9a-fA-F]-)\s*\r?\n[>\s]*([0-9a-fA-F])")  # a mail broke the line within an ID
_SHORTEST: Final = 6
_MOST_TOKENS: Final = 40
MOST_TEXT: Final = 20_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """One word that may be an ID: as it was written, and the spellings to look for, the likeliest first."""

    written: str
    spellings: tuple[str, ...]
    unsampled: bool = False  # a traceparent whose flags say that no spans were recorded
    made_ms: int = 0  # when it was made, where the ID itself says so (UUID version 7, X-Ray)


def candidates(text: str) -> list[Candidate]:
    """What may be an ID in a text, the likeliest first. Empty when there is nothing of the kind."""
    text = _BROKEN.sub(r"\1\2", text[:MOST_TEXT])
    found: dict[str, Candidate] = {}
    for match in _TOKEN.finditer(text):
        for word in _readings(match.group().strip("./+=:@~-")):
            if word not in found and (candidate := _candidate(word)):
                found[word] = candidate
    return sorted(found.values(), key=_rank)[:_MOST_TOKENS]


def _readings(token: str) -> Iterator[str]:
    """A token, and what is left of it without a name before it ('trace_id=…') or the path of an address."""
    yield token
    if token[:2].lower() == "0x":
        yield token[2:]
    if (bare := _WRAPPED.sub("", token)) != token:
        yield bare
    if "/" in token:
        yield from (part for part in token.split("/") if part)


def _rank(candidate: Candidate) -> tuple[int, int]:
    written = candidate.written
    if _TRACEPARENT.match(written) or _UUID.match(written) or _XRAY.match(written):
        return 0, 0
    if _HEX.match(written) and len(written) in (16, 32):
        return 1, 0
    return 2, -len(written)


def _candidate(word: str) -> Candidate | None:
    if len(word) < _SHORTEST or len(word) > 200 or not any(char.isdigit() for char in word) or "@" in word:
        return None if not _long_hex(word) else Candidate(word, tuple(_hex_spellings(word.lower())))
    if match := _TRACEPARENT.match(word):
        trace, span, flags = (part.lower() for part in match.groups())
        return Candidate(word, (trace, span), unsampled=not int(flags, 16) & 1)
    if match := _XRAY.match(word):
        return Candidate(word, ("".join(match.groups()).lower(), word), made_ms=int(match.group(1), 16) * 1000)
    if _UUID.match(word):
        return _uuid(word)
    bare = word.replace("-", "")
    if _HEX.match(bare) and len(bare) <= 32:
        spellings = dict.fromkeys([*_hex_spellings(bare.lower()), word, word.lower(), *_decimal(word)])
        return Candidate(word, tuple(spellings))
    return Candidate(word, tuple(dict.fromkeys([word, word.lower(), word.upper()])))


def _uuid(word: str) -> Candidate:
    bare = word.replace("-", "").lower()
    dashed = f"{bare[:8]}-{bare[8:12]}-{bare[12:16]}-{bare[16:20]}-{bare[20:]}"
    spellings = (dashed, bare) if "-" in word else (bare, dashed)
    made = int(bare[:12], 16) if bare[12] == "7" and bare[16] in "89ab" else 0
    return Candidate(word, tuple(dict.fromkeys([*spellings, word, dashed.upper(), bare.upper()])), made_ms=made)


def _long_hex(word: str) -> bool:
    """A hex number that happens to have no digit; too long to be a word such as 'facade'."""
    return bool(_HEX.match(word)) and 12 <= len(word) <= 32


def _hex_spellings(bare: str) -> Iterator[str]:
    """A hex ID and the same with the leading zeros that tools like to drop: as long as a span ID, as a trace ID."""
    if len(bare) <= 16:
        yield bare.zfill(16)
    yield bare.zfill(32)
    yield bare


def _decimal(word: str) -> Iterator[str]:
    """A 64-bit ID written as a decimal number, as some agents do."""
    if word.isdigit() and len(word) >= 15 and int(word) < 1 << 64:
        yield f"{int(word):016x}"
        yield f"{int(word):032x}"
