"""Blocks of roll-ups on Elasticsearch: the rows of some minutes in a row are one document.

The rows are one Arrow IPC stream, ordered by minute, packed with zstd as a whole (its buffers one by one would take four times as long
to unpack), as base64. Beside it stand its bytes before that, the first and the last minute, the number of rows, and what selects a
block: the distinct partners, APIs and error groups of its rows.
A short block costs little when its newest minute is written again and again, a long one when many are read.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from triage.ports.records import RollupKind
from triage.store.elastic.schema import ROLLUP_SELECTORS

SPANS: Final[dict[RollupKind, int]] = {"calls": 30, "use": 30, "errors": 60, "customers": 60}
"""Minutes of a block. The newest is written again in every run of the analysis: of a bank with 2,000 rows a minute those are 1.8 MB."""

_ZSTD: Final = "zstd"
Minutes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a block: the rows of these minutes go, and `rows`, of the same minutes, come in their place."""

    block: int
    span: int  # minutes of a block of this kind
    minutes: Minutes
    rows: pa.Table

    @property
    def whole(self) -> bool:
        """No minute of the block stays as it is."""
        return len(self.minutes) == self.span

    def applied(self, held: pa.Table | None) -> pa.Table:
        """The rows of the block afterwards, by minute."""
        if held is None:
            return self.rows
        stay = held.filter(pa.array(~np.isin(held.column("minute").to_numpy(), self.minutes)))
        return pa.concat_tables([stay, self.rows]).sort_by("minute")


def changes(kind: RollupKind, minutes: Collection[int], rows: pa.Table) -> Iterator[Change]:
    """The changes of the blocks that hold these minutes, in order of time."""
    span = SPANS[kind]
    rows = rows.sort_by("minute")
    of_rows = rows.column("minute").to_numpy()
    touched = np.unique(np.concatenate([np.array(list(minutes), np.int64), of_rows]))
    for block in np.unique(touched // span).tolist():
        bounds = [block * span, (block + 1) * span]
        (start, stop), (first, end) = np.searchsorted(touched, bounds), np.searchsorted(of_rows, bounds)
        yield Change(block, span, touched[start:stop], rows.slice(first, end - first))


def document(rows: pa.Table) -> dict[str, Any]:
    """The document of a block with at least one row."""
    minutes = rows.column("minute")
    selectors = {name: pc.unique(rows.column(name)).to_pylist() for name in ROLLUP_SELECTORS if name in rows.column_names}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    raw = sink.getvalue()
    packed = base64.b64encode(pa.compress(raw, codec=_ZSTD)).decode()
    bounds = {"first": minutes[0].as_py(), "last": minutes[-1].as_py(), "count": len(rows)}
    return {**bounds, **selectors, "size": raw.size, "rows": packed}


def unpacked(sources: Sequence[dict[str, Any]]) -> pa.Table:
    """The rows of documents, at least one, in their order."""
    batches: list[pa.RecordBatch] = []
    for source in sources:
        raw = pa.decompress(base64.b64decode(source["rows"]), source["size"], codec=_ZSTD)
        batches += pa.ipc.open_stream(raw)
    return pa.Table.from_batches(batches)
