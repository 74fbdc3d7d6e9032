from __future__ import annotations

from typing import get_args

import pytest

from triage.accounts.permissions import PERMISSIONS, ROLES, Permission, Role, may

ALLOWED: dict[Role, set[Permission]] = {
    "viewer": {"read"},
    "support": {"read", "complain"},
    "responder": {"read", "complain", "act", "silence", "change", "deliver"},
    "security": {"read", "complain", "act", "silence", "change", "deliver", "restricted", "audit"},
    "administrator": {"read", "complain", "act", "silence", "change", "deliver", "receivers", "accounts", "audit"},
    "ingest": {"ingest"},
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("permission", get_args(Permission))
def test_the_table_is_the_one_agreed_on(role: Role, permission: Permission) -> None:
    assert (permission in ALLOWED[role]) == may(role, permission)


def test_every_role_is_in_the_table() -> None:
    assert set(ROLES) == set(PERMISSIONS)
