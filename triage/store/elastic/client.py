"""The connection to Elasticsearch, and the one place where its errors become the product's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from elasticsearch import ApiError, Elasticsearch, OrjsonSerializer, TransportError

from triage.errors import StoreError, StoreUnavailable

_BUSY: Final = frozenset({408, 429})
_SERVER_FAULT: Final = 500
BLOCKED: Final = frozenset({401, 403})
_RETRY_AFTER_S: Final = 5


@dataclass(frozen=True, slots=True)
class ElasticSettings:
    """Where the cluster is and who we are. An API key goes before a user name."""

    hosts: tuple[str, ...]
    api_key: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_certs: str = ""  # path of a PEM file
    timeout_s: float = 30.0


def connect(settings: ElasticSettings) -> Elasticsearch:
    """A client; it connects at the first request, and goes on to the next host when one does not answer."""
    options: dict[str, Any] = {}
    if settings.api_key:
        options["api_key"] = settings.api_key
    elif settings.username:
        options["basic_auth"] = (settings.username, settings.password)
    if settings.ca_certs:
        options["ca_certs"] = settings.ca_certs
    return Elasticsearch(
        list(settings.hosts),
        serializer=OrjsonSerializer(),
        request_timeout=settings.timeout_s,
        max_retries=max(1, len(settings.hosts) - 1),
        retry_on_timeout=False,  # a slow cluster gets no faster by being asked twice
        retry_on_status=(),  # told to the caller, who knows what may be repeated
        **options,
    )


@contextmanager
def translated() -> Iterator[None]:
    """Raise StoreUnavailable where a retry can help, StoreError otherwise."""
    try:
        yield
    except ApiError as error:
        raise _translate(error) from error
    except TransportError as error:
        raise StoreUnavailable(f"Elasticsearch does not answer: {error}", _RETRY_AFTER_S) from error


def failure(status: int, kind: str, retry_after_s: int = _RETRY_AFTER_S) -> StoreError:
    """What an error answer means to us: its status and its kind. Its reason is left out, since that can quote values."""
    cause = f"{status} {kind}".strip()
    if status in _BUSY or status >= _SERVER_FAULT:
        return StoreUnavailable(f"Elasticsearch is busy or incomplete: {cause}", retry_after_s)
    if status in BLOCKED:
        return StoreUnavailable(f"Elasticsearch refuses these credentials or blocks the index: {cause}", 60)
    return StoreError(f"Elasticsearch cannot do this: {cause}")


def _translate(error: ApiError) -> StoreError:
    body = error.body
    kind = body["error"].get("type", "") if isinstance(body, dict) and isinstance(body.get("error"), dict) else ""
    retry_after = str(error.meta.headers.get("retry-after", ""))
    return failure(error.status_code, kind, int(retry_after) if retry_after.isdecimal() else _RETRY_AFTER_S)
