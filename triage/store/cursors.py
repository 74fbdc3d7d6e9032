"""Cursors of pages of records: the place of the last row, as text that is opaque to its reader.

Pages run newest first; records of the same moment by their ID text, largest first. A cursor names the last row given, so
that records which arrive between two pages neither move nor repeat what follows.
"""

from __future__ import annotations

import base64
import binascii

import orjson
import pyarrow as pa

from triage.domain.columns import ID_COLUMNS, Signal
from triage.errors import BadInput


def encode_cursor(signal: Signal, page: pa.Table) -> str:
    """The cursor of the rows behind a page. The page is not empty."""
    last = {name: page.column(name)[-1].as_py() for name in ("time_ns", *ID_COLUMNS[signal])}
    place = [last["time_ns"], "".join(last[name] for name in ID_COLUMNS[signal])]
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> tuple[int, str] | None:
    """Time and ID text of the last row given; None without a cursor. Raises BadInput."""
    if cursor is None:
        return None
    try:
        place = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        place = None
    match place:
        case [int(time_ns), str(identity)]:
            return time_ns, identity
    raise BadInput("the cursor is damaged; ask for the first page again")
