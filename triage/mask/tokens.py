"""Bearer tokens and JWTs: what of them may be kept. Pure but for the pseudonym that is handed in."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any, Final

import orjson

MASKED: Final = "[masked]"

JWT: Final = re.compile(r"eyJ[\w-]{4,}\.[\w-]*\.[\w-]*(?:\.[\w-]*){0,2}|eyJ[\w-]{17,}(?:\.[\w-]*)?")
BEARER: Final = re.compile(r"\b(bearer|dpop|basic|negotiate|hmac)(\s+|%20|\+)([A-Za-z0-9._~+/=-]{6,})", re.IGNORECASE)
VENDOR: Final = re.compile(
    r"(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|sk_(?:live|test)_\w{10,}"
    r"|xox[abpr]-[\w-]{10,}|whsec_[\w+/=]{10,}"
)
PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)

_HEADER: Final = ("alg", "kid")
_CLAIMS: Final = ("iss", "aud", "client_id", "azp", "exp")
_PLAIN: Final = re.compile(r"[^\w.:/@,-]")
_CREDENTIAL: Final = re.compile(r"[0-9=_]|[a-z][A-Z]")


def summary(token: str, pseudonym: Callable[[str], str]) -> str:
    """Of a JWT its algorithm, key, issuer, audience, client, expiry and a pseudonym of its subject."""
    parts = token.split(".")
    kept: list[str] = []
    header = _decoded(parts[0])
    kept += [f"{name}={_short(header[name])}" for name in _HEADER if name in header]
    claims = _decoded(parts[1]) if len(parts) > 1 else {}
    kept += [f"{name}={_short(claims[name])}" for name in _CLAIMS if name in claims]
    if claims.get("sub"):
        kept.append(f"sub=~{pseudonym(str(claims['sub']))}")
    return f"[jwt {' '.join(kept)}]" if kept else "[jwt]"


def scheme_only(match: re.Match[str]) -> str:
    """Keep the scheme of credentials; leave ordinary words ('basic authentication') alone."""
    if _CREDENTIAL.search(match[3]) is None and len(match[3]) < 24:
        return match[0]
    return f"{match[1]} {MASKED}"


def _decoded(part: str) -> dict[str, Any]:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}


def _short(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return _PLAIN.sub("_", text)[:80]
