"""One call from its witnesses: the gateway's span and its access-log line.

Two witnesses are one call when they share the gateway request ID, or else trace ID, method and status, and their intervals
overlap within 2 s; at most one span and one line each.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from triage.domain.columns import CALL_COLUMNS, NO_PARTNER
from triage.domain.windows import NS

SLACK_NS: Final = 2 * NS
_NEEDED: Final = ("witness_id", "witness", "time_ns", "duration_ns", "trace_id", "gateway_request_id", "method", "status")
Index = npt.NDArray[np.int64]


def derive_calls(witnesses: pa.Table) -> pa.Table:
    """Calls in order of time: the columns of `CALL_COLUMNS` plus `call_id` (its span's witness ID, else its line's) and
    `line_id` (empty when no line was seen). Where both saw the call, the span's values win and the line fills the gaps."""
    spans, lines = pair_witnesses(witnesses)
    kept = np.ones(len(witnesses), bool)
    kept[lines] = False
    calls = witnesses.append_column("call_id", witnesses.column("witness_id"))
    line_ids = np.full(len(witnesses), "", object)
    if spans.size:
        line_rows = witnesses.take(lines)
        line_ids[spans] = line_rows.column("witness_id").to_pylist()
        for name in witnesses.column_names:
            if name in CALL_COLUMNS and name not in _OWN:
                calls = _fill(calls, name, spans, line_rows.column(name))
    calls = calls.append_column("line_id", pa.array(line_ids, pa.string()))
    return _in_order(calls.filter(pa.array(kept)) if lines.size else calls)


def _in_order(calls: pa.Table) -> pa.Table:
    """By time, then ID. A store's answer is in that order already; to see that costs less than a copy of all columns."""
    steps = np.diff(calls.column("time_ns").to_numpy())
    level = pa.array(np.flatnonzero(steps == 0))
    ids = calls.column("call_id")
    if (steps < 0).any() or pc.any(pc.greater(ids.take(level), ids.take(pc.add(level, 1)))).as_py():
        return calls.sort_by([("time_ns", "ascending"), ("call_id", "ascending")])
    return calls


_OWN: Final = {"witness_id", "witness", "time_ns", "duration_ns", "trace_id", "method", "status", "sampled", "span_id"}


def _fill(calls: pa.Table, name: str, spans: Index, lines: pa.ChunkedArray) -> pa.Table:
    values = calls.column(name).to_numpy(zero_copy_only=False).copy()
    theirs = lines.to_numpy(zero_copy_only=False)
    mine = values[spans]
    kind = CALL_COLUMNS[name]
    if kind == "str":
        empty = (mine == "") | ((mine == NO_PARTNER) if name in ("partner", "outcome") else False)
        if name == "source":
            empty = np.zeros(len(mine), bool)
    elif kind == "bool":
        empty = ~mine
    else:
        empty = mine <= 0
    values[spans] = np.where(empty, theirs, mine)
    return calls.set_column(calls.column_names.index(name), name, pa.array(values, calls.schema.field(name).type))


def pair_witnesses(witnesses: pa.Table) -> tuple[Index, Index]:
    """Row numbers of the spans and of the lines that saw the same calls, pairwise; shape (pairs,) each."""
    is_line = pc.equal(witnesses.column("witness"), "line").to_numpy(zero_copy_only=False)
    if not is_line.any() or is_line.all():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    free = np.ones(len(witnesses), bool)
    start = witnesses.column("time_ns").to_numpy()
    end = start + witnesses.column("duration_ns").to_numpy()
    pairs: list[tuple[Index, Index]] = []
    for names in (("gateway_request_id",), ("trace_id", "method", "status")):
        codes = _codes(witnesses, names, free)
        spans, lines = _match(codes, is_line, start, end)
        free[spans] = free[lines] = False
        pairs.append((spans, lines))
    return np.concatenate([p[0] for p in pairs]), np.concatenate([p[1] for p in pairs])


def _codes(witnesses: pa.Table, names: tuple[str, ...], free: npt.NDArray[np.bool_]) -> Index:
    """A number for each distinct key, -1 where the first column is empty or the row is taken."""
    codes = np.zeros(len(witnesses), np.int64)
    for name in names:
        column = pc.dictionary_encode(witnesses.column(name).combine_chunks())
        indices = column.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        codes = codes * (len(column.dictionary) + 1) + indices
        codes = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    empty = pc.equal(witnesses.column(names[0]), "").to_numpy(zero_copy_only=False)
    return np.where(free & ~empty, codes, -1)


def _match(codes: Index, is_line: npt.NDArray[np.bool_], start: Index, end: Index) -> tuple[Index, Index]:
    """Within a key, the k-th span by time goes with the k-th line by time, if their intervals overlap within the slack."""
    has = codes >= 0
    spans, lines = np.flatnonzero(has & ~is_line), np.flatnonzero(has & is_line)
    both = np.intersect1d(codes[spans], codes[lines])
    spans, lines = spans[np.isin(codes[spans], both)], lines[np.isin(codes[lines], both)]
    if not spans.size:
        return spans, lines
    spans, span_keys = _ranked(spans, codes, start)
    lines, line_keys = _ranked(lines, codes, start)
    _, left, right = np.intersect1d(span_keys, line_keys, assume_unique=True, return_indices=True)
    spans, lines = spans[left], lines[right]
    near = (start[spans] <= end[lines] + SLACK_NS) & (start[lines] <= end[spans] + SLACK_NS)
    return spans[near], lines[near]


def _ranked(rows: Index, codes: Index, start: Index) -> tuple[Index, Any]:
    rows = rows[np.lexsort((start[rows], codes[rows]))]
    mine = codes[rows]
    first = np.flatnonzero(np.r_[True, mine[1:] != mine[:-1]])
    rank = np.arange(len(rows)) - np.repeat(first, np.diff(np.r_[first, len(rows)]))
    return rows, mine * 1_000_000 + rank
