"""Hide what is obviously a value in a message, and cut what is left into tokens.

Masking is one configuration for every system: it goes by the shape of a value (a path, a number, an address, an
amount with its unit), never by the words around it. The result still holds literal words that vary (user names,
states); `templates` finds those from the messages themselves.
"""

from __future__ import annotations

import re

STAR = "<*>"
MAX_CHARS = 2048
"""Characters of a message that are looked at; what follows only costs time and rarely tells two faults apart."""
MAX_TOKENS = 256

FAULT_WORD = re.compile(r"[A-Za-z0-9_.$]*(?:Exception|Error|Failure|Fault|Timeout)|GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS")
"""Words that name the fault or the operation: messages that differ in one are hardly of one template."""

_WORD = r"A-Za-z0-9_.\-+~$%*^\\/`"
_START = rf"(?<![{_WORD}])"
_PATH = re.compile(
    r"(?<![A-Za-z0-9_.\-~])(?:/|\\\\|~/)[^\s,;()\[\]{}<>\"'|]+"
    r"|(?<![A-Za-z0-9_])[A-Za-z]:[\\/][^\s,;()\[\]{}<>\"'|]+"
    r"|(?<![A-Za-z0-9_.\-])[A-Za-z0-9_.\-]++(?:/[A-Za-z0-9_.\-]++){2,}/?"
)
_EMAIL = re.compile(r"(?<![A-Za-z0-9_.+\-])[A-Za-z0-9_.+\-]++@[A-Za-z0-9\-]++(?:\.[A-Za-z0-9\-]++)+")
_COLON_HEX = re.compile(r"(?<![A-Za-z0-9_:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){3,15}(?![A-Za-z0-9_:])")
_HAS_DIGIT = rf"{_START}[A-Za-z_.\-+~$%*^\\/`]*+\d[{_WORD}\d]*(?<!\.)"
_LITERAL = r"(?<![A-Za-z0-9_])(?:[Tt]rue|[Ff]alse|[Nn]ull|NULL|TRUE|FALSE|nil|NaN)(?![A-Za-z0-9_])"
_VALUE = re.compile(rf"{_HAS_DIGIT}|{_LITERAL}")
_HOST_PORT = re.compile(r"(?<![A-Za-z0-9_.\-])[A-Za-z0-9_\-]++(?:\.[A-Za-z0-9_\-]++)+:<\*>")
_UNIT = re.compile(
    r"<\*> ?(?:[KMGTPkmgtp]i?[Bb](?:ytes)?|[Bb]ytes?|B|[nmuµ]s|s|[mM]sec|secs?|seconds?|millis(?:econds?)?"
    r"|mins?|minutes?|hrs?|hours?|days?)(?![A-Za-z0-9_])"
)
_MONTH = re.compile(r"[JFMASOND](?<![A-Za-z0-9_].)(?:an|eb|ar|pr|ay|un|ul|ug|ep|ct|ov|ec)(?:[a-z]{1,6})?(?: {1,2}<\*>)+")
_DAY = re.compile(r"[MTWFS](?<![A-Za-z0-9_].)(?:on|ue|ed|hu|ri|at|un)(?:[a-z]{1,6})?,? <\*>(?: <\*>)?")
_JOINED = re.compile(r"(?:[-+*/~.#])?<\*>(?:(?:[:/,._\-#|@~+;%=&?*]++|, )<\*>)+%?")
_TOKEN = re.compile(r"<\*>|[A-Za-z0-9_](?:[\w.\-$]*\w)?|\s+|[^\W]+|.", re.DOTALL)


def mask(message: str) -> str:
    """`message` with every value of an evident shape replaced by `<*>`; at most `MAX_CHARS` of it are read.

    Every pattern is anchored at the start of a word and possessive, so the time is linear in the length.
    """
    text = message if len(message) <= MAX_CHARS else message[:MAX_CHARS].rsplit(None, 1)[0]
    if "/" in text or "\\" in text:
        text = _PATH.sub(STAR, text)
    if "@" in text:
        text = _EMAIL.sub(STAR, text)
    if text.count(":") > 2:
        text = _COLON_HEX.sub(STAR, text)
    text = _VALUE.sub(STAR, text)
    if STAR not in text:
        return text
    if ":<*>" in text:
        text = _HOST_PORT.sub(STAR, text)
    text = _UNIT.sub(STAR, text)
    text, months = _MONTH.subn(STAR, text)
    if months:
        text = _DAY.sub(STAR, text)
    return _JOINED.sub(STAR, text)


def tokens(masked: str) -> tuple[str, ...]:
    """Words, values (`<*>`), single spaces and punctuation marks; joined together they give the text again."""
    found = _TOKEN.findall(masked)
    parts = [" " if part.isspace() else part for part in found[:MAX_TOKENS]]
    while parts and parts[-1] == " ":
        parts.pop()
    return tuple(parts[1:]) if parts and parts[0] == " " else tuple(parts)
