"""How long one analysis run takes over many calls: `python tests/bench/analysis_run.py [--calls N]`.

The traffic of one scenario is laid over itself until there are N calls, about one in twenty-five of them failing. The time of
reading from the store is not counted, that of pairing witnesses, digesting and judging is.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(1, str(Path(__file__).parents[2]))

from bench.arrow_store import ArrowStore, Part
from bench.catalogue_play import directory_of, slices

from triage.analyse.digest import Chunk, digest
from triage.analyse.events import CALL_WITNESS_COLUMNS, ERROR_SEVERITY, LOG_COLUMNS, SPAN_COLUMNS
from triage.analyse.judge import Context, judge
from triage.analyse.memory import Memory
from triage.analyse.run import CHUNK
from triage.calls.join import derive_calls
from triage.domain.windows import MINUTE_NS, Window
from triage.ports.rollups import CUSTOMERS_SCHEMA
from triage.simulator.catalogue import scenarios

IDS: Final = ("trace_id", "span_id", "parent_id", "witness_id", "gateway_request_id", "log_id")


def copied(table: pa.Table, copies: int) -> pa.Table:
    """The table laid over itself, every copy with IDs of its own."""
    parts = []
    for number in range(copies):
        part = table
        for name in IDS:
            if name in table.column_names:
                old = table.column(name)
                new = pc.if_else(pc.equal(old, ""), "", pc.binary_join_element_wise(old, pa.scalar(f"{number:x}"), ""))
                part = part.set_column(table.column_names.index(name), name, new)
        parts.append(part)
    return pa.concat_tables(parts).combine_chunks().sort_by("time_ns")


def in_minutes(table: pa.Table, minutes: Sequence[int]) -> pa.Table:
    """Rows of a stretch of minutes."""
    at = table.column("time_ns").to_numpy() // MINUTE_NS
    return table.filter(pa.array((at >= minutes[0]) & (at <= minutes[-1])))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--cache", default="")
    wish = parser.parse_args()
    scenario = next(s for s in scenarios() if s.name == "database-lock-mild")
    batches = [b for _, b in slices(scenario, scenario.seed, directory_of(scenario), Path(wish.cache) if wish.cache else None)]
    calls = pa.concat_tables([b.calls for b in batches]).select(CALL_WITNESS_COLUMNS)
    spans = pa.concat_tables([b.spans for b in batches])
    logs = pa.concat_tables([b.logs for b in batches])
    copies = max(1, round(wish.calls / len(derive_calls(calls))))
    calls = copied(calls, copies)
    errors = copied(spans.filter(pc.equal(spans.column("status"), 2)).select(SPAN_COLUMNS), copies)
    error_logs = copied(logs.filter(pc.greater_equal(logs.column("severity"), ERROR_SEVERITY)).select(LOG_COLUMNS), copies)
    store = ArrowStore({"spans": [Part(spans, 0, 2**63 - 1)], "logs": [], "calls": []})
    minutes = np.unique(calls.column("time_ns").to_numpy() // MINUTE_NS).tolist()
    memory, began = Memory(), time.perf_counter()
    kept_calls, kept_errors, number = [], [], 0
    for at in range(0, len(minutes), CHUNK):
        part = minutes[at : at + CHUNK]
        derived = derive_calls(in_minutes(calls, part))
        number += len(derived)
        result = digest(
            Chunk(tuple(part), derived, in_minutes(errors, part), in_minutes(error_logs, part),
                  store.presence(Window(part[0] * MINUTE_NS, (part[-1] + 1) * MINUTE_NS)), CUSTOMERS_SCHEMA.empty_table()),
            memory.model, memory.taught, memory.services(),
        )
        memory.learn(result)
        kept_calls.append(result.calls)
        kept_errors.append(result.errors)
    digested = time.perf_counter() - began
    rolled, failed = pa.concat_tables(kept_calls), pa.concat_tables(kept_errors)
    began = time.perf_counter()
    context = Context(minutes[0], minutes[-1] + 1, minutes[-1] - 3, memory.ready_from(10), memory.families(minutes[0] * MINUTE_NS))
    problems = judge(rolled, failed, context)
    judged = time.perf_counter() - began
    failures = sum(failed.column("count").to_pylist())
    print(f"{number:,} calls, {failures:,} failures: digest {digested:.1f} s, judge {judged:.1f} s, {len(problems)} problems, "
          f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB (with the input)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
