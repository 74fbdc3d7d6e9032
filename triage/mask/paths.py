"""Account and customer IDs in paths and URLs. Pure but for the pseudonym that is handed in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_OWNER: Final = (
    "accounts|account|card-accounts|cards|card|customers|customer|users|user|userid|parties|party|psus|psu|beneficiaries"
    "|beneficiary|wallets|wallet|members|member|persons|people|clients|statements|standing-orders|direct-debits"
    "|scheduled-payments|transactions|contacts|payees|devices|iban|ibans|profiles"
)
"""Words in a path that are followed by the ID of an account, a card or a person."""

_KNOWN: Final = frozenset(
    f"{_OWNER}|balances|balance|me|self|status|search|login|logout|register|new|all|list|details|detail|offers|product"
    "|products|limits|limit|history|authorisations|authorizations|consents|payments|payment|summary|count|id|v1|v2|v3"
    "|account|transactions-current|overdraft-limits|overdraft|bills|permissions|identifications|identification|token"
    "|verify|export|download|upload|files|file|current|today|recent|active|health|metrics|info|by-id|batch|query|auth"
    "|open|close|closed|lock|unlock|activate|transfer|transfers|cancel|enquiry|inquiry|create|update|delete|get|admin|api".split("|")
)
_SEGMENT: Final = re.compile(rf"(?<=/)((?:(?:{_OWNER})/)+(?:(?:by-)?id/)?)([^/\s?#\"'<>,;)\]|\\]+)", re.IGNORECASE)
_HINT: Final = re.compile(rf"/(?:{_OWNER})/", re.IGNORECASE)
_NUMBER: Final = re.compile(r"(?<=/)(\d{6,})(?=[/\s?#\"'<>,;)\]|]|$)")
_JOIN_KEY: Final = (
    "consent", "consents", "payment", "payments", "order", "orders", "requests", "vrps", "authorisations",
)
_TEMPLATE: Final = re.compile(r"[{:*$<~\[].*|-|%7[Bb].*")
_QUERY: Final = re.compile(r"((?:https?|wss?)://[^\s?\"'<>]{0,512}|(?<![\w?/.])/[^\s?\"'<>]{0,512})\?[^\s\"'<>]*[=&][^\s\"'<>]*")
_USER: Final = re.compile(r"(?<=://)[^/@\s]*@")


class Paths:
    """Replaces the owners' IDs in paths by `~` and a pseudonym."""

    def __init__(self, pseudonym: Callable[[str], str]) -> None:
        self._pseudonym = pseudonym

    def in_text(self, text: str) -> str:
        """Free text with the paths in it masked: queries dropped, IDs of owners replaced."""
        if "?" in text:
            text = _QUERY.sub(r"\1", text)
        return self._owners(text)

    def bare(self, path: str) -> str:
        """One path or URL: no query, fragment or user information; owners' IDs and long numbers replaced."""
        path = path.partition("?")[0].partition("#")[0]
        if "@" in path:
            path = _USER.sub("", path)
        path = self._owners(path)
        return _NUMBER.sub(self._number, path)

    def _owners(self, text: str) -> str:
        if _HINT.search(text) is None:
            return text
        return _SEGMENT.sub(self._owner, text)

    def _owner(self, match: re.Match[str]) -> str:
        segment = match[2]
        if segment.lower() in _KNOWN or _TEMPLATE.fullmatch(segment):
            return match[0]
        return f"{match[1]}~{self._pseudonym(segment)}"

    def _number(self, match: re.Match[str]) -> str:
        before = match.string[:match.start()].rsplit("/", 2)
        if len(before) > 1 and before[-2].lower().endswith(_JOIN_KEY):
            return match[0]
        return f"~{self._pseudonym(match[1])}"
