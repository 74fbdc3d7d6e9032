"""Changes, alerts, people and the product itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboards.pages.common import Fact
from triage.accounts.accounts import Token, User


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """Deployments, configuration, certificates, partner changes and planned maintenance."""

    items: tuple[dict[str, Any], ...]
    kinds: tuple[str, ...]
    kind: str
    can_add: bool
    fault: str
    form: dict[str, str]
    next: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class ReceiversPage:
    """Whom to tell, and what became of it."""

    receivers: tuple[dict[str, Any], ...]
    deliveries: tuple[dict[str, Any], ...]
    receiver: str
    next: str
    formats: tuple[str, ...]
    severities: tuple[str, ...]
    can_manage: bool
    can_deliver: bool
    secret: str
    secret_of: str
    warning: str  # why nothing will arrive at the receiver that was just added
    fault: str
    form: dict[str, str]
    wanted: tuple[str, ...]  # severities that were ticked


@dataclass(frozen=True, slots=True)
class SilencesPage:
    """Scopes whose notices are held back, and until when."""

    items: tuple[dict[str, Any], ...]
    can_add: bool
    fault: str
    form: dict[str, str]
    now_ns: int


@dataclass(frozen=True, slots=True)
class UsersPage:
    """People who can sign in."""

    users: tuple[User, ...]
    roles: tuple[str, ...]
    me: str
    fault: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class TokensPage:
    """Credentials of scripts and collectors."""

    tokens: tuple[Token, ...]
    roles: tuple[str, ...]
    secret: str
    secret_of: str
    fault: str
    now_ns: int


@dataclass(frozen=True, slots=True)
class CollectorRow:
    """A collector that has a spool: its machine, when it was heard, and what it said."""

    host: str
    at: str
    words: str
    bad: bool


@dataclass(frozen=True, slots=True)
class StatusPage:
    """How the product itself fares."""

    facts: tuple[Fact, ...]
    rejected: tuple[tuple[str, int], ...]
    sources: tuple[tuple[str, str], ...]
    runs: tuple[tuple[str, str], ...]
    reasons: tuple[str, ...]
    collectors: tuple[CollectorRow, ...]
    failing: tuple[tuple[str, str], ...]  # receivers whose last delivery failed, and why
    can_manage: bool
