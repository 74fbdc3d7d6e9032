"""A body or file of gateway entries -> rows: one JSON object, a JSON array, or lines. Bad entries are rejected one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import Any, Final

import orjson

from collectors.gateways import GATEWAYS, KINDS, Gateway
from collectors.gateways.append import Identities, append_call
from collectors.gateways.times import in_nearest_year
from collectors.refused import ids_in
from collectors.routes import RouteCatalogue
from triage.domain.records import Records
from triage.errors import BadInput

AUTO: Final = "auto"
LONGEST_LINE: Final = 1 << 20  # bytes
_LOOKED_AT: Final = 20  # lines by which `auto` decides
_BOM: Final = b"\xef\xbb\xbf"

Entry = str | dict[str, Any]


def read_lines(
    kind: str, body: bytes | Iterable[bytes], records: Records, *, routes: RouteCatalogue | None = None,
    names: Mapping[str, str] | None = None, identities: Identities | None = None, first_line: int = 1, now_ns: int = 0,
) -> str:
    """Append the calls of a body (bytes) or of lines, and reject the others with line number and reason. Returns the kind.

    `kind` may be `auto`: recognised from the first lines. `names` renames keys of JSON entries (theirs -> ours, see
    `neutral`). `identities` and `first_line` carry on where an earlier piece of the same file ended. `now_ns` gives a year to
    lines of gateways that write none. A line over 1 MiB is cut and counted. Raises BadInput for an unknown kind, and for
    `auto` where no format is recognised.
    """
    numbered = _entries(body, records, first_line)
    if kind == AUTO:
        head = list(islice(numbered, _LOOKED_AT))
        if not head:
            return AUTO
        gateway = _recognised(head)
        numbered = chain(head, numbered)
    elif kind in KINDS:
        gateway = KINDS[kind]
    else:
        raise BadInput(f"the gateway kind is not known: {kind[:40]!r}; known are {', '.join(sorted(KINDS))} and auto")
    identities = identities or Identities()
    routes = routes or RouteCatalogue()
    for number, entry in numbered:
        try:
            call = gateway.parse(_renamed(entry, names) if names else entry)
        except BadInput as error:
            records.reject("calls", error.reason, number, ids_in(entry))
            continue
        if call.yearless and now_ns:
            call = replace(call, time_ns=in_nearest_year(call.time_ns, now_ns))
        append_call(records, call, identities.of(entry), routes)
    return gateway.kind


def _entries(body: bytes | Iterable[bytes], records: Records, first_line: int) -> Iterator[tuple[int, Entry]]:
    if isinstance(body, bytes):
        document = _document(body)
        if document is not None:
            yield from _items(document, records)
            return
        body = body.removeprefix(_BOM).split(b"\n")
    for number, raw in enumerate(body, first_line):
        if len(raw) > LONGEST_LINE:
            records.cut += 1
            raw = raw[:LONGEST_LINE]
        line = raw.decode("utf-8", "replace").strip("\r\n \t\0\ufeff")
        if line:
            yield from _line(number, line, records)


def _line(number: int, line: str, records: Records) -> Iterator[tuple[int, Entry]]:
    """A JSON object as such; an array on one line (a batch in a file) as its objects; anything else as text."""
    if line[0] not in "{[":
        yield number, line
        return
    try:
        found = orjson.loads(line)
    except ValueError as error:
        if line[0] == "{":
            cut = " (it was over 1 MiB and was cut)" if len(line) >= LONGEST_LINE // 4 else ""
            records.reject("calls", f"the line is not JSON: {str(error)[:120]}{cut}", number, ids_in(line))
            return
        yield number, line  # a text format that begins with a bracket
        return
    for item in found if isinstance(found, list) else [found]:
        if isinstance(item, dict):
            yield number, item
        else:
            records.reject("calls", "the entry is JSON, but not an object", number)


def _items(document: Any, records: Records) -> Iterator[tuple[int, Entry]]:
    for number, item in enumerate(document if isinstance(document, list) else [document], 1):
        if isinstance(item, dict):
            yield number, item
        else:
            records.reject("calls", "the entry is JSON, but not an object", number)


def _document(body: bytes) -> Any:
    """The body as one JSON document, or None when it is made of lines. The parser gives up at the second line's first byte."""
    text = body.removeprefix(_BOM).strip()
    if text[:1] not in (b"[", b"{"):
        return None
    for spelling in (text, text.decode("utf-8", "replace")):
        try:
            return orjson.loads(spelling)
        except ValueError as error:
            if "utf-8" not in str(error).lower():
                return None
    return None


def _recognised(head: list[tuple[int, Entry]]) -> Gateway:
    """The gateway that knows most of the first entries; of equals the first in the list."""
    lines = [entry if isinstance(entry, str) else _dumped(entry) for _, entry in head]
    votes = [sum(map(gateway.recognise, lines)) for gateway in GATEWAYS]
    if not any(votes):
        raise BadInput(f"the format is not recognised; name one of {', '.join(sorted(KINDS))}")
    return GATEWAYS[votes.index(max(votes))]


def _dumped(entry: dict[str, Any]) -> str:
    return orjson.dumps(entry, default=str).decode("utf-8", "replace")


def _renamed(entry: Entry, names: Mapping[str, str]) -> Entry:
    if isinstance(entry, str):
        return entry
    return {**entry, **{names[key]: value for key, value in entry.items() if key in names}}
