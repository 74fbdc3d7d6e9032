"""IDs in pasted text: which words of it may be an ID, and every spelling under which that ID may be kept.

Text is read as it is and, where it looks so, undone from percent-encoding, quoted-printable (RFC 2045) and the typographic signs
that mail programs put in. Trace headers: W3C traceparent, B3 single header, uber-trace-id, X-Ray.
"""

from __future__ import annotations

import quopri
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

_TOKEN: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:~/+=@-]*")
_HEX: Final = re.compile(r"[0-9a-fA-F]+\Z")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\Z")
_TRACEPARENT: Final = re.compile(r"[0-9a-fA-F]{2}-([0-9a-fA-F]{32})-([0-9a-fA-F]{16})-([0-9a-fA-F]{2})\Z")
_B3: Final = re.compile(r"([0-9a-fA-F]{16}|[0-9a-fA-F]{32})-([0-9a-fA-F]{16})(?:-([01d]))?(?:-[0-9a-fA-F]{16})?\Z")
_UBER: Final = re.compile(r"([0-9a-fA-F]{1,32}):([0-9a-fA-F]{1,16}):[0-9a-fA-F]{1,16}:([0-9a-fA-F]{1,2})\Z")
_XRAY: Final = re.compile(r"(?:Root=)?1-([0-9a-fA-F]{8})-([0-9a-fA-F]{24})\Z")
_WRAPPED: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9_.-]*[=:])+")  # 'trace_id=…', 'X-Request-ID:…'
_BROKEN: Final = re.compile(r"([0-9a-fA-F]-)\s*\r?\n[>\s]*([0-9a-fA-F])")  # a mail broke the line within an ID
_SPACED: Final = re.compile(  # a UUID read out in groups
    r"(?<![0-9a-fA-F])([0-9a-fA-F]{8}) ([0-9a-fA-F]{4}) ([0-9a-fA-F]{4}) ([0-9a-fA-F]{4}) ([0-9a-fA-F]{12})(?![0-9a-fA-F])")
_QUOTED: Final = re.compile(r"=\r?\n|=[0-9A-F]{2}")
_NO_ID: Final = re.compile(  # dates, times and amounts look like numbers that one could look for
    r"(?:\d{4}-\d\d-\d\d(?:[T:]?[\d:.]*Z?)?|\d\d?\.\d\d?\.\d{4}|\d\d?:\d\d(?::\d\d)?(?:\.\d+)?Z?|\d{1,9}\.\d\d|0+)\Z")
_DASHES: Final = str.maketrans({**dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d", "-"),
                                **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", None)})
_SHORTEST: Final = 6
_LONGEST: Final = 200
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
    found: dict[str, Candidate] = {}
    for variant in _variants(text[:MOST_TEXT]):
        for match in _TOKEN.finditer(variant):
            for word in _readings(match.group().strip("./+=:@~-")):
                if word not in found and (candidate := _candidate(word)):
                    found[word] = candidate
    return sorted(found.values(), key=_rank)[:_MOST_TOKENS]


def _variants(text: str) -> Iterator[str]:
    """The text as it is, and with the encodings undone that it may have been through."""
    plain = unicodedata.normalize("NFKC", text.translate(_DASHES))
    plain = _SPACED.sub(r"\1-\2-\3-\4-\5", _BROKEN.sub(r"\1\2", plain))
    yield plain
    if _QUOTED.search(text):
        unquoted = quopri.decodestring(text.encode("utf-8", "replace")).decode("utf-8", "replace")
        yield _BROKEN.sub(r"\1\2", unquoted.translate(_DASHES))
    if "%" in text:
        yield _BROKEN.sub(r"\1\2", unquote(unquote(text)).translate(_DASHES))


def _readings(token: str) -> Iterator[str]:
    """A token, and what is left of it without a name before it ('trace_id=…'), and its parts between slashes and colons."""
    yield token
    if token[:2].lower() == "0x":
        yield token[2:]
    if (bare := _WRAPPED.sub("", token)) != token:
        yield bare
    if any(sign in token for sign in "/:=~+"):
        yield from (part.strip(".-_") for part in re.split(r"[/:=~+]", token) if part)
    if (plain := token.strip("_.")) != token:
        yield plain


def _rank(candidate: Candidate) -> tuple[int, int]:
    written = candidate.written
    if any(form.match(written) for form in (_TRACEPARENT, _UUID, _XRAY, _B3, _UBER)):
        return 0, 0
    if _HEX.match(written) and len(written) in (16, 32):
        return 1, 0
    return 2, -len(written)


def _candidate(word: str) -> Candidate | None:
    if not _SHORTEST <= len(word) <= _LONGEST or "@" in word or _NO_ID.match(word):
        return None
    if not any(char.isdigit() for char in word):
        return Candidate(word, tuple(_hex_spellings(word.lower()))) if _long_hex(word) else None
    if header := _of_header(word):
        return header
    if _UUID.match(word):
        return _uuid(word)
    bare = word.replace("-", "")
    if _HEX.match(bare) and len(bare) <= 32:
        return Candidate(word, tuple(dict.fromkeys([*_hex_spellings(bare.lower()), word, word.lower(), *_decimal(word)])))
    return Candidate(word, tuple(dict.fromkeys([word, word.lower(), word.upper()])))


def _of_header(word: str) -> Candidate | None:
    """A trace header: the IDs of the trace and of the span."""
    if match := _TRACEPARENT.match(word):
        trace, span, flags = (part.lower() for part in match.groups())
        return Candidate(word, (trace, span), unsampled=not int(flags, 16) & 1)
    if match := _XRAY.match(word):
        return Candidate(word, ("".join(match.groups()).lower(), word), made_ms=int(match.group(1), 16) * 1000)
    if match := _B3.match(word):
        trace, span, sampled = match.groups()
        one = [(trace + span).lower()] if len(trace) == 16 and not sampled else []  # or one ID with a dash in the middle
        return Candidate(word, (*one, trace.lower().zfill(32), span.lower()), unsampled=sampled == "0")
    if match := _UBER.match(word):
        trace, span, flags = match.groups()
        return Candidate(word, (trace.lower().zfill(32), span.lower().zfill(16)), unsampled=not int(flags, 16) & 1)
    return None


def _uuid(word: str) -> Candidate:
    bare = word.replace("-", "").lower()
    dashed = _dashed(bare)
    spellings = (dashed, bare) if "-" in word else (bare, dashed)
    made = int(bare[:12], 16) if bare[12] == "7" and bare[16] in "89ab" else 0
    return Candidate(word, tuple(dict.fromkeys([*spellings, word, dashed.upper(), bare.upper()])), made_ms=made)


def _dashed(bare: str) -> str:
    """32 hex letters as a UUID."""
    return f"{bare[:8]}-{bare[8:12]}-{bare[12:16]}-{bare[16:20]}-{bare[20:]}"


def _long_hex(word: str) -> bool:
    """A hex number that happens to have no digit; too long to be a word such as 'facade'."""
    return bool(_HEX.match(word)) and 12 <= len(word) <= 32


def _hex_spellings(bare: str) -> Iterator[str]:
    """A hex ID and the same with the leading zeros that tools like to drop: as long as a span ID, a trace ID, a UUID."""
    if len(bare) <= 16:
        yield bare.zfill(16)
    yield bare.zfill(32)
    yield _dashed(bare.zfill(32))
    yield bare


def _decimal(word: str) -> Iterator[str]:
    """A 64-bit ID written as a decimal number, as some agents do."""
    if word.isdigit() and len(word) >= 15 and int(word) < 1 << 64:
        yield f"{int(word):016x}"
        yield f"{int(word):032x}"
