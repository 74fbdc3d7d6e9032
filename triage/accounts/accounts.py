"""Users and API tokens as documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from triage.accounts.passwords import hash_password, is_outdated, password_fault, password_matches
from triage.accounts.permissions import ROLES, Role
from triage.accounts.tokens import TokenText, digest, digest_matches, new_token, parse_token
from triage.domain.codec import from_body, to_body
from triage.domain.windows import NS
from triage.errors import BadInput, Conflict
from triage.ports.state import Document, StateStore

USER: Final = "user"
TOKEN: Final = "token"  # noqa: S105 - the kind of a document
CACHE_NS: Final = 30 * NS
CACHE_SIZE: Final = 4_096
PAGE: Final = 200
_USER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


@dataclass(slots=True)
class User:
    """Somebody who signs in. The name is the ID."""

    name: str
    role: Role
    password_hash: str = field(repr=False)
    created_ns: int
    disabled: bool = False


@dataclass(slots=True)
class Token:
    """A credential of a script or a collector. `expires_ns` and `revoked_ns` are 0 when it is not."""

    id: str
    name: str
    role: Role
    secret_sha256: str = field(repr=False)
    created_ns: int
    created_by: str = ""
    expires_ns: int = 0
    revoked_ns: int = 0


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: what the timeline, the audit log and the permission checks need."""

    name: str
    role: Role
    credential: str  # `user:<name>` or `token:<id>`


class Accounts:
    """Makes, checks and revokes users and tokens. Safe to call from several threads."""

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self._checked: dict[str, tuple[Token, int]] = {}  # by token ID: as read, and when

    def create_user(self, name: str, password: str, role: Role, now_ns: int) -> User:
        """Make a user. Raises BadInput with every fault, also when the name is taken."""
        faults = [fault for fault in (_name_fault(name), password_fault(password), _role_fault(role)) if fault]
        if role == "ingest":
            faults.append("the role ingest is for tokens: nobody can sign in with it")
        if faults:
            raise BadInput("; ".join(faults))
        user = User(name, role, hash_password(password), now_ns)
        try:
            self._put_user(user, None)
        except Conflict:
            raise BadInput(f"there is a user {name} already") from None
        return user

    def verify_password(self, name: str, password: str) -> Principal | None:
        """Who signs in, or None, which takes as long whether or not there is such a user."""
        document = self._state.get(USER, name) if _USER_NAME.fullmatch(name) else None
        user = from_body(User, document.body) if document else None
        if not password_matches(user.password_hash if user else None, password):
            return None
        if user is None or document is None or user.disabled:
            return None
        if is_outdated(user.password_hash):
            self._rehash(user, password, document)
        return _principal(user)

    def set_password(self, name: str, password: str) -> None:
        """Give a user a new password. Raises BadInput, also when there is no such user, and Conflict."""
        fault = password_fault(password)
        if fault:
            raise BadInput(fault)
        user, document = self._user(name)
        self._put_user(replace(user, password_hash=hash_password(password)), document.version)

    def disable_user(self, name: str) -> None:
        """Let a user sign in no more. Raises BadInput when there is no such user, and Conflict."""
        user, document = self._user(name)
        self._put_user(replace(user, disabled=True), document.version)

    def find_user(self, name: str) -> Principal | None:
        """Who a signed-in user is now; None when gone or disabled."""
        document = self._state.get(USER, name)
        user = from_body(User, document.body) if document else None
        return _principal(user) if user and not user.disabled else None

    def users(self) -> list[User]:
        """All users, the newest first."""
        return [from_body(User, document.body) for document in self._all(USER)]

    def create_token(
        self, name: str, role: Role, now_ns: int, *, created_by: str = "", expires_ns: int = 0,
    ) -> tuple[Token, TokenText]:
        """Make a token. Its text is returned this once and cannot be read again. Raises BadInput with every fault."""
        faults = [fault for fault in ("" if name.strip() else "a token needs a name", _role_fault(role)) if fault]
        if faults:
            raise BadInput("; ".join(faults))
        text = new_token()
        token = Token(text.id, name.strip(), role, digest(text.secret), now_ns, created_by, expires_ns)
        self._put_token(token, None)
        return token, text

    def verify_token(self, text: str, now_ns: int) -> Principal | None:
        """Whose token this is, or None. The store is asked again after 30 s; so long may a revoked one still be good."""
        parsed = parse_token(text)
        token = self._token(parsed.id, now_ns) if parsed else None
        if parsed is None or token is None or not digest_matches(token.secret_sha256, parsed.secret):
            return None
        if token.revoked_ns or (token.expires_ns and now_ns >= token.expires_ns):
            return None
        return Principal(token.name, token.role, f"token:{token.id}")

    def revoke_token(self, token_id: str, now_ns: int) -> None:
        """Make a token useless: here at once, elsewhere within 30 s. Raises BadInput when there is none; Conflict."""
        document = self._state.get(TOKEN, token_id)
        if document is None:
            raise BadInput(f"there is no token {token_id}")
        token = from_body(Token, document.body)
        if not token.revoked_ns:
            self._put_token(replace(token, revoked_ns=now_ns), document.version)
        self._checked.pop(token_id, None)

    def tokens(self) -> list[Token]:
        """All tokens, revoked ones too, the newest first."""
        return [from_body(Token, document.body) for document in self._all(TOKEN)]

    def has_users(self) -> bool:
        """Whether anybody can sign in."""
        return self._state.count(USER, [["state:active"]]) > 0

    def has_tokens(self, role: Role) -> bool:
        """Whether a token of this role exists that is not revoked."""
        return self._state.count(TOKEN, [[f"role:{role}"], ["state:active"]]) > 0

    def _token(self, token_id: str, now_ns: int) -> Token | None:
        known = self._checked.get(token_id)
        if known and 0 <= now_ns - known[1] < CACHE_NS:
            return known[0]
        document = self._state.get(TOKEN, token_id)
        if document is None:
            self._checked.pop(token_id, None)
            return None
        if len(self._checked) >= CACHE_SIZE:
            self._checked.clear()
        token = from_body(Token, document.body)
        self._checked[token_id] = (token, now_ns)
        return token

    def _user(self, name: str) -> tuple[User, Document]:
        document = self._state.get(USER, name)
        if document is None:
            raise BadInput(f"there is no user {name}")
        return from_body(User, document.body), document

    def _rehash(self, user: User, password: str, document: Document) -> None:
        try:
            self._put_user(replace(user, password_hash=hash_password(password)), document.version)
        except Conflict:
            return  # somebody changed the user just now; the next sign-in does it

    def _all(self, kind: str) -> Iterator[Document]:
        cursor: str | None = None
        while True:
            page = self._state.select(kind, limit=PAGE, cursor=cursor)
            yield from page.items
            if page.next is None:
                return
            cursor = page.next

    def _put_user(self, user: User, version: int | None) -> None:
        tags = [f"role:{user.role}", "state:disabled" if user.disabled else "state:active"]
        self._state.put(USER, user.name, to_body(user), version=version, sort=user.created_ns, tags=tags)

    def _put_token(self, token: Token, version: int | None) -> None:
        tags = [f"role:{token.role}", "state:revoked" if token.revoked_ns else "state:active"]
        self._state.put(TOKEN, token.id, to_body(token), version=version, sort=token.created_ns, tags=tags)


def _principal(user: User) -> Principal:
    return Principal(user.name, user.role, f"user:{user.name}")


def _name_fault(name: str) -> str:
    if _USER_NAME.fullmatch(name):
        return ""
    return "a user's name has 1 to 64 of a-z, 0-9, '.', '_', '@', '-', and starts with a letter or digit"


def _role_fault(role: str) -> str:
    return "" if role in ROLES else f"the role is one of {', '.join(ROLES)}"
