"""Fingerprint rules of people: what an error must have, and the key under which all such errors are one group. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from triage.analyse.grouping.fingerprint import ErrorEvent, Fingerprint, api_of, hashed, plain_route
from triage.analyse.grouping.masking_tokens import MAX_CHARS
from triage.analyse.grouping.patterns import MOST_CHARS, Pattern, wildcard
from triage.analyse.grouping.stacktraces import short_type
from triage.errors import BadInput

MOST_RULES: Final = 200
MOST_KEY: Final = 120
PLACEHOLDERS: Final = ("code", "type", "route", "service")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")


@dataclass(frozen=True, slots=True)
class Match:
    """What an error must have; empty fields ask for nothing. In `code`, `type`, `route` and `service` a `*` stands for any text.

    `message` is found in the message whatever its case; `pattern` is a regular expression (see `patterns`) found in it.
    `type` is the full name of an exception of the chain, or its last part. `route` may have the method in front.
    """

    code: str = ""
    type: str = ""
    message: str = ""
    pattern: str = ""
    route: str = ""
    service: str = ""

    def words(self) -> str:
        """The conditions in words."""
        names = {"code": "code", "type": "exception", "message": "message has", "pattern": "message fits", "route": "route",
                 "service": "service"}
        return ", ".join(f"{names[f.name]} {value}" for f in fields(self) if (value := getattr(self, f.name)))


@dataclass(frozen=True, slots=True)
class GroupRule:
    """A rule. Errors that meet `match` are the group `key`; `{code}`, `{type}`, `{route}`, `{service}` in it are filled in."""

    id: str
    match: Match
    key: str
    enabled: bool = True
    note: str = ""
    by: str = ""
    at_ns: int = 0


FIELDS: Final = tuple(f.name for f in fields(Match))


def read_match(sent: Mapping[str, Any], what: str = "A rule") -> Match:
    """The conditions that were sent. Raises BadInput."""
    if unknown := sent.keys() - set(FIELDS):
        raise BadInput(f"{what} matches on {', '.join(FIELDS)}; there is no {', '.join(sorted(map(str, unknown)))}.")
    values: dict[str, str] = {}
    for name in FIELDS:
        value = sent.get(name) or ""
        if not isinstance(value, str) or len(value) > MOST_CHARS:
            raise BadInput(f"`{name}` is a text of at most {MOST_CHARS} characters.")
        values[name] = value.strip()
    match = Match(**values)
    if match == Match():
        raise BadInput(f"Say what to match: at least one of {', '.join(FIELDS)}.")
    if not any(char.isalnum() for value in values.values() for char in value):
        raise BadInput("This would match everything; name a word of what you mean.")
    if match.pattern:
        Pattern(match.pattern)
    return match


def read_key(sent: Any) -> str:
    """The key that was sent. Raises BadInput."""
    key = sent.strip() if isinstance(sent, str) else ""
    if not key or len(key) > MOST_KEY:
        raise BadInput(f"`key` needs 1 to {MOST_KEY} characters, such as 'ledger away in {{service}}'.")
    for name in _PLACEHOLDER.findall(key):
        if name not in PLACEHOLDERS:
            raise BadInput(f"In `key` only {', '.join('{' + each + '}' for each in PLACEHOLDERS)} are filled in, not {{{name}}}.")
    return key


class Matcher:
    """Conditions made ready to ask many errors."""

    def __init__(self, match: Match) -> None:
        self._match = match
        self._pattern = Pattern(match.pattern) if match.pattern else None
        self._route = "*".join(map(plain_route, match.route.split("*")))

    def meets(self, event: ErrorEvent, types: Sequence[str]) -> bool:
        """Whether the error has it all. `types`: the exceptions of its chain."""
        match = self._match
        if match.service and not wildcard(match.service, event.service or event.upstream):
            return False
        if match.code and not any(wildcard(match.code, code.strip()) for code in event.codes):
            return False
        if match.type and not any(wildcard(match.type, name) or wildcard(match.type, short_type(name)) for name in types):
            return False
        if self._route and not self._on_route(event):
            return False
        return self._says(event)

    def _on_route(self, event: ErrorEvent) -> bool:
        api = api_of(event)
        return bool(event.route) and (wildcard(self._route, api) or wildcard(self._route, api.partition(" ")[2] or api))

    def _says(self, event: ErrorEvent) -> bool:
        texts = [text[:MAX_CHARS] for text in (event.message, event.exception_message) if text]
        if self._match.message and not any(self._match.message.lower() in text.lower() for text in texts):
            return False
        return self._pattern is None or any(self._pattern.search(text) for text in texts)


@dataclass(slots=True)
class RuleBook:
    """The rules in their order, and the version of the whole, which grows with every change. The first that meets decides."""

    rules: tuple[GroupRule, ...] = ()
    version: int = 0
    _ready: list[tuple[GroupRule, Matcher]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._ready = [(rule, Matcher(rule.match)) for rule in self.rules if rule.enabled]

    def find(self, event: ErrorEvent, print_: Fingerprint) -> GroupRule | None:
        """The rule that decides about an error, if one does."""
        return next((rule for rule, matcher in self._ready if matcher.meets(event, print_.types)), None)


def key_of(rule: GroupRule, event: ErrorEvent, print_: Fingerprint) -> str:
    """The rule's key for an error, its placeholders filled in."""
    root = short_type(print_.types[-1]) if print_.types else ""
    values = {"code": " ".join(sorted(code.strip() for code in event.codes)), "type": root,
              "route": api_of(event) if event.route else "", "service": event.service or event.upstream}
    return _PLACEHOLDER.sub(lambda found: values.get(found[1]) or "(none)", rule.key)


def group_of_key(key: str) -> str:
    """The ID of the group that a key names: the same key is the same group, whatever the rule."""
    return hashed("rule", key)
