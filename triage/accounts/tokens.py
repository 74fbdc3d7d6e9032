"""API tokens as text: `gt_<id>_<secret>`. Only the SHA-256 of the secret is kept; 192 random bits need no slow hash."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

ID_BYTES: Final = 6
SECRET_BYTES: Final = 24
_FORM: Final = re.compile(r"gt_([0-9a-f]{12})_([0-9a-f]{48})")


@dataclass(frozen=True, slots=True)
class TokenText:
    """A token in its two parts."""

    id: str
    secret: str = field(repr=False)

    def written(self) -> str:
        """The token as its holder sends it."""
        return f"gt_{self.id}_{self.secret}"


def new_token() -> TokenText:
    """A fresh random token. Hexadecimal, so that a double click selects all of it."""
    return TokenText(secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES))


def parse_token(text: str) -> TokenText | None:
    """The token, or None when the text is not one."""
    match = _FORM.fullmatch(text)
    return TokenText(match[1], match[2]) if match else None


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def digest_matches(kept: str, secret: str) -> bool:
    """Whether the secret has this digest, in constant time."""
    return hmac.compare_digest(kept, digest(secret))
