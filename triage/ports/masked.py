"""`MaskedRecords`: the only thing a store accepts. Only `triage.mask` constructs it (a test looks for the call)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from triage.domain.columns import COLUMNS, ColumnType, Signal

_ARROW: Final[dict[ColumnType, pa.DataType]] = {"str": pa.string(), "int": pa.int64(), "bool": pa.bool_()}


def arrow_schema(signal: Signal) -> pa.Schema:
    """The Arrow schema of a signal's table, its columns in the order of `triage.domain.columns`."""
    return pa.schema([(name, _ARROW[kind]) for name, kind in COLUMNS[signal].items()])


@dataclass(frozen=True, slots=True)
class MaskedRecords:
    """Masked records, one Arrow table a signal with exactly the columns of `arrow_schema`. Never null, never raw."""

    spans: pa.Table
    logs: pa.Table
    calls: pa.Table
    masked: int = 0  # values that were masked

    def table(self, signal: Signal) -> pa.Table:
        """The table of a signal."""
        tables: dict[Signal, pa.Table] = {"spans": self.spans, "logs": self.logs, "calls": self.calls}
        return tables[signal]
