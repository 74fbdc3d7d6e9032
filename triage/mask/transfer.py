"""Masked records between processes of one machine: Arrow IPC, one stream a signal. Part of this room because reading one back
constructs MaskedRecords; the sender has masked them already, with the key of the same data folder."""

from __future__ import annotations

import io
import struct

import pyarrow as pa

from triage.domain.columns import SIGNALS
from triage.errors import BadInput
from triage.ports.masked import MaskedRecords, arrow_schema

_HEAD = struct.Struct("<QQQQ")  # lengths of the three streams, number of masked values


def to_bytes(batch: MaskedRecords) -> bytes:
    """A batch as bytes."""
    parts = []
    for signal in SIGNALS:
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, arrow_schema(signal)) as writer:
            writer.write_table(batch.table(signal))
        parts.append(sink.getvalue())
    return _HEAD.pack(*(len(part) for part in parts), batch.masked) + b"".join(parts)


def from_bytes(data: bytes) -> MaskedRecords:
    """The batch of `to_bytes`. Raises BadInput for anything else."""
    try:
        *lengths, masked = _HEAD.unpack_from(data)
        tables, at = [], _HEAD.size
        for signal, length in zip(SIGNALS, lengths, strict=True):
            table = pa.ipc.open_stream(pa.py_buffer(data)[at : at + length]).read_all()
            for column in arrow_schema(signal).names[len(table.schema) :]:  # written before this column was kept
                table = table.append_column(column, pa.array([""] * len(table), pa.string()))
            if not table.schema.equals(arrow_schema(signal)):
                raise BadInput(f"the columns of {signal} are not those of this version")
            tables.append(table)
            at += length
    except (struct.error, pa.ArrowInvalid, OSError) as error:
        raise BadInput("these are not masked records") from error
    return MaskedRecords.of_tables(tables[0], tables[1], tables[2], masked)
