"""Route templates: learned from a raw path by the look of its segments, or taken from a catalogue (an OpenAPI document).

Pure: the same path always gives the same template, so that no run, process or restart groups calls differently.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

_MOST_SEGMENTS: Final = 16
_LONGEST_WORD: Final = 64
_VERSION: Final = re.compile(
    r"\d{1,2}\.\d{1,2}(?:\.\d{1,2})?|v\d{1,3}(?:\.\d{1,3}){0,2}(?:-?(?:alpha|beta|rc)\d{0,2})?", re.IGNORECASE
)
_TEMPLATE: Final = re.compile(r"\{[^/]*\}|\*{1,2}")
_PLACEHOLDER: Final = re.compile(r":[A-Za-z_]\w*|<[^/]*>|\(\?P?<[^/]*|\$\{?[A-Za-z_]\w*\}?")
_WORD: Final = re.compile(r"[._~-]?[A-Za-z]+(?:[-_.~][A-Za-z]+)*")
_NUMBERED_WORD: Final = re.compile(
    r"[a-z]{2,}[0-9]|(?:pain|camt|pacs|acmt)\.\d{3}(?:[-.][a-z0-9-]+)*|[0-9][a-z]{2,}", re.IGNORECASE
)
_KNOWN: Final = frozenset({"iso20022", "x509", "base64", "sha256", "oauth10", "utf8", "k8s", "s3", "b2b", "b2c", "a2a"})
_CONSENT: Final = re.compile(r"/[a-z-]*consents?/([^/?#]+)", re.IGNORECASE)
_PAYMENT: Final = re.compile(
    r"/(?:(?:domestic|international|file)(?:-scheduled|-standing-order)?-(?:payments|orders)|domestic-vrps"
    r"|(?:bulk-|periodic-)?payments(?:/[a-z][a-z0-9.-]*[a-z])?)/([^/?#]+)", re.IGNORECASE,
)


def path_of(target: str) -> str:
    """The path of a request target: without scheme, host, query and fragment; '/' when nothing is left."""
    if "://" in target[:10]:
        target = "/" + target.partition("://")[2].partition("/")[2]
    path = target.partition("?")[0].partition("#")[0]
    return path or "/"


def template_of(path: str) -> str:
    """The template of a raw path: numbers, UUIDs, hex and opaque segments become `{id}`, words and versions stay."""
    segments = path_of(path).split("/")
    out = [segment if _is_word(segment) else "{id}" for segment in (part.partition(";")[0] for part in segments if part)]
    if len(out) > _MOST_SEGMENTS:
        out = [*out[:_MOST_SEGMENTS], "*"]
    return "/" + "/".join(out)


def resource_in(path: str) -> str:
    """The first segment of a raw path that is an ID: the account or other resource that the call is about; or empty."""
    segments = (part.partition(";")[0] for part in path_of(path).split("/") if part)
    return next((segment for segment in segments if not _is_word(segment)), "")


def ids_in_path(path: str) -> tuple[str, str]:
    """The consent ID and the payment ID that a raw path names, each empty when it names none."""
    bare = path_of(path)
    return _opaque(_CONSENT.search(bare)), _opaque(_PAYMENT.search(bare))


def _opaque(found: re.Match[str] | None) -> str:
    return "" if found is None or _is_word(found[1]) else found[1]


def _is_word(segment: str) -> bool:
    """Whether a segment names a thing (kept) rather than one instance of it."""
    if _VERSION.fullmatch(segment) or _TEMPLATE.fullmatch(segment):
        return True
    if len(segment) > _LONGEST_WORD or _PLACEHOLDER.fullmatch(segment):
        return False
    if _WORD.fullmatch(segment):
        return len(segment) < 16 or _reads_well(segment)
    return segment.lower() in _KNOWN or _NUMBERED_WORD.fullmatch(segment) is not None or _words_with_number(segment)


def _reads_well(word: str) -> bool:
    """Whether long letters are words: few capitals, or split by signs into short words."""
    capitals = sum(map(str.isupper, word))
    return capitals * 4 <= len(word) or max(map(len, re.split(r"[-_.~]", word))) < 16


def _words_with_number(segment: str) -> bool:
    """Several words of which one carries a single digit, as in `psd2-consents` or `oauth2-token`."""
    words = re.split(r"[-_.~]", segment)
    return len(words) > 1 and all(word.isascii() and len(word) < 16 and _is_short_word(word) for word in words)


def _is_short_word(word: str) -> bool:
    return word.isalpha() or word.lower() in _KNOWN or _NUMBERED_WORD.fullmatch(word) is not None


class _Node:
    """One place in the tree of templates."""

    __slots__ = ("literals", "parameter", "template")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.template = ""


class RouteCatalogue:
    """Known route templates. A raw path finds its template with the names of its parameters.

    A literal segment wins over a parameter. A path may carry a base path (`/gw/prod`) in front of a known template.
    """

    def __init__(self, templates: Iterable[str] = (), openapi: Iterable[Mapping[str, Any]] = ()) -> None:
        self._root = _Node()
        self._size = 0
        for template in templates:
            self._add(template)
        for document in openapi:
            for template in templates_in(document):
                self._add(template)

    def __len__(self) -> int:
        return self._size

    def match(self, path: str) -> str:
        """The template of a raw path, or '' when the catalogue does not know it."""
        if not self._size:
            return ""
        segments = [part for part in path_of(path).split("/") if part][: _MOST_SEGMENTS * 2]
        for skipped in range(min(4, len(segments))):
            template = _find(self._root, segments, skipped)
            if template:
                return "/" + "/".join(segments[:skipped]) + template if skipped else template
        return ""

    def _add(self, template: str) -> None:
        segments = [part for part in template.split("/") if part]
        node = self._root
        for segment in segments:
            if segment.startswith(("{", ":")):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment.lower(), _Node())
        if segments and not node.template:
            node.template = "/" + "/".join(
                "{" + segment[1:] + "}" if segment.startswith(":") else segment for segment in segments
            )
            self._size += 1


def _find(node: _Node, segments: list[str], place: int) -> str:
    if place == len(segments):
        return node.template
    literal = node.literals.get(segments[place].lower())
    found = _find(literal, segments, place + 1) if literal is not None else ""
    if not found and node.parameter is not None:
        found = _find(node.parameter, segments, place + 1)
    return found


def templates_in(document: Mapping[str, Any]) -> list[str]:
    """The templates of an OpenAPI 3 (`servers`) or Swagger 2 (`basePath`) document, with its base path in front."""
    paths = document.get("paths")
    if not isinstance(paths, Mapping):
        return []
    return [f"{_base_path(document)}{path}" for path in paths if isinstance(path, str) and path.startswith("/")]


def _base_path(document: Mapping[str, Any]) -> str:
    base = document.get("basePath")
    servers = document.get("servers")
    if not isinstance(base, str) and isinstance(servers, list) and servers and isinstance(servers[0], Mapping):
        try:
            base = urlsplit(str(servers[0].get("url", ""))).path
        except ValueError:
            base = ""
    return base.rstrip("/") if isinstance(base, str) and "{" not in base else ""
