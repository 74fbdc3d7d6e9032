"""Passwords, kept as Argon2id hashes."""

from __future__ import annotations

from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 1_000
# OWASP's parameters for Argon2id with 19 MiB: several sign-ins at once must not crowd out ingest in the same process.
TIME_COST: Final = 2
MEMORY_KIB: Final = 19_456
PARALLELISM: Final = 1
# Of a random password that nobody kept, with the same parameters.
_NOBODY: Final = (
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)


def hash_password(password: str) -> str:
    """A salted hash in its written form."""
    return _hasher().hash(password)


def password_matches(written: str | None, password: str) -> bool:
    """Whether the password is the hash's. `None` (no such user) takes as long as a wrong one and never matches."""
    if len(password) > MAX_LENGTH:
        return False
    try:
        return _hasher().verify(written or _NOBODY, password) and written is not None
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(written: str) -> bool:
    """Whether the hash was made with other parameters than today's and should be made again."""
    return _hasher().check_needs_rehash(written)


def password_fault(password: str) -> str:
    """What is wrong with a new password; empty when nothing is."""
    if MIN_LENGTH <= len(password) <= MAX_LENGTH:
        return ""
    return f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters"


def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=PARALLELISM)
