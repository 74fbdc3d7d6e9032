"""Signatures by Standard Webhooks 1.0.0: HMAC-SHA256 over `id.timestamp.body`, keyed by a secret `whsec_<base64>`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final

from triage.errors import BadInput

PREFIX: Final = "whsec_"
MIN_BYTES: Final = 24
MAX_BYTES: Final = 64
NEW_BYTES: Final = 32


def new_secret() -> str:
    """A fresh random secret in the written form of the specification."""
    return PREFIX + base64.b64encode(secrets.token_bytes(NEW_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key that a written secret holds. Raises BadInput, without showing the secret."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not MIN_BYTES <= len(key) <= MAX_BYTES:
        raise BadInput(f"a signing secret is {PREFIX} followed by base64 of {MIN_BYTES} to {MAX_BYTES} bytes")
    return key


def signed_headers(secret: str, webhook_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers of a signed message. `timestamp_s` is that of the attempt, in seconds since 1970."""
    content = f"{webhook_id}.{timestamp_s}.".encode() + body
    mac = hmac.new(key_of(secret), content, hashlib.sha256).digest()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
