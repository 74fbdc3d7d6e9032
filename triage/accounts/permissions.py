"""What each role may do: the one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

Role = Literal["viewer", "support", "responder", "security", "administrator", "ingest"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
Permission = Literal[
    "read",  # incidents that are not restricted, traces, calls, partners, APIs, groups, changes, lookup, status
    "complain",  # record a customer's complaint
    "act",  # acknowledge, assign, snooze, resolve, reopen, comment, merge, split; teach error groups and their rules
    "silence",  # hold back notices for a time
    "change",  # announce deployments and other changes
    "deliver",  # see receivers and deliveries, replay one, send a test
    "restricted",  # see restricted incidents, act on them
    "audit",  # see who did and who read what
    "receivers",  # make, change and delete receivers
    "accounts",  # make and revoke users and tokens
    "ingest",  # send traces, logs and gateway lines
]
_VIEWER: Final[frozenset[Permission]] = frozenset({"read"})
_SUPPORT: Final[frozenset[Permission]] = _VIEWER | frozenset[Permission]({"complain"})
_RESPONDER: Final[frozenset[Permission]] = _SUPPORT | frozenset[Permission]({"act", "silence", "change", "deliver"})

PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = {
    "viewer": _VIEWER,
    "support": _SUPPORT,
    "responder": _RESPONDER,
    "security": _RESPONDER | frozenset[Permission]({"restricted", "audit"}),
    # Runs the product; is not told whom security watches.
    "administrator": _RESPONDER | frozenset[Permission]({"audit", "receivers", "accounts"}),
    "ingest": frozenset({"ingest"}),
}


def may(role: Role, permission: Permission) -> bool:
    """Whether a role has a permission."""
    return permission in PERMISSIONS[role]
