"""Error codes and the message out of an error body. The body itself is never kept.

Shapes: UK Open Banking (`Errors[].ErrorCode`), NextGenPSD2 (`tppMessages[].code`), RFC 9457 problem+json (`type`, `code`),
RFC 6749 (`error`), Open Finance Brasil and CDR Australia (`errors[].code`), and plain `code` / `message` objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

_LONGEST: Final = 1 << 20
_LISTS: Final = ("errors", "tppmessages", "additionalerrors")
_CODES: Final = ("errorcode", "error_code", "code", "error", "type")
_MESSAGES: Final = ("message", "text", "detail", "error_description", "errormessage", "description", "title")
_NESTED: Final = ("error", "fault", "status")
_CODE: Final = re.compile(r"[A-Za-z][\w.:\-]{1,79}|\d{4,10}")
_WORDY: Final = re.compile(r"\d{3} ?[A-Za-z ]*|about:blank|error", re.IGNORECASE)


def codes_and_message(body: object) -> tuple[tuple[str, ...], str]:
    """The error codes of a body (sorted, each once) and its message; `((), "")` where there is none. Never raises."""
    document = _document(body)
    codes: set[str] = set()
    messages: list[str] = []
    for error in _errors(document):
        lowered = {str(name).lower(): value for name, value in error.items()}
        codes.update(code for name in _CODES if (code := _code(lowered.get(name))))
        messages += [value for name in _MESSAGES if isinstance(value := lowered.get(name), str) and value][:1]
    return tuple(sorted(codes)), messages[-1] if messages else ""


def _document(body: object) -> Any:
    if not isinstance(body, (str, bytes)):
        return body
    if len(body) > _LONGEST:
        return None
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def _errors(document: Any) -> Iterator[dict[Any, Any]]:
    """The objects of a body that describe an error: the outer one first, then those in its lists."""
    if isinstance(document, list):
        yield from (item for item in document[:50] if isinstance(item, dict))
        return
    if not isinstance(document, dict):
        return
    yield document
    for name, value in list(document.items())[:200]:
        word = str(name).lower()
        if word in _LISTS and isinstance(value, list):
            yield from (item for item in value[:50] if isinstance(item, dict))
        elif word in _NESTED and isinstance(value, dict):
            yield value


def _code(value: object) -> str:
    """A code of a standard; not an HTTP status in words, a sentence, or the address of a page about errors."""
    text = str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    if "://" in text:
        text = text.rstrip("/").rpartition("/")[2]
    return text if _CODE.fullmatch(text) and not _WORDY.fullmatch(text) else ""
