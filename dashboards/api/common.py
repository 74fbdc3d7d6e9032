"""What the JSON interface shares: paging, bodies, the shape of lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flask import request

from triage.errors import BadInput

PREFIX: Final = "/api/v1"
DEFAULT_LIMIT: Final = 50
LARGEST_LIMIT: Final = 500


def limit() -> int:
    """`?limit=`, 1 to 500. Raises BadInput."""
    text = request.args.get("limit", str(DEFAULT_LIMIT))
    if not text.isdigit() or not 1 <= int(text) <= LARGEST_LIMIT:
        raise BadInput(f"`limit` is a number from 1 to {LARGEST_LIMIT}.")
    return int(text)


def cursor() -> str | None:
    """`?cursor=`, as `next` of the page before gave it."""
    return request.args.get("cursor") or None


def after() -> str | None:
    """`?after=`, as `latest` of an earlier answer gave it."""
    return request.args.get("after") or None


def body() -> dict[str, Any]:
    """The JSON object that was sent. Raises BadInput."""
    sent = request.get_json(silent=True)
    if not isinstance(sent, dict):
        raise BadInput("Send a JSON object, with Content-Type: application/json.")
    return sent


def listed(items: Sequence[Any], following: str | None = None) -> dict[str, Any]:
    """A list in the shape that every list has."""
    return {"items": list(items), "next": following}
