"""Schemas of the roll-ups by minute.

`calls`: how many calls a (minute, partner, API, service, outcome, instance) had, and how long they took: a sparse histogram of
`duration_bucket` -> count, whose buckets grow by 5 % (any quantile is right within 3 %).
`errors`: how many failures of an error group a (minute, partner, API, service) had.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

CALLS_SCHEMA: Final = pa.schema([
    ("minute", pa.int64()),  # epoch minutes, UTC
    ("partner", pa.string()),
    ("api", pa.string()),  # '<METHOD> <route>'
    ("service", pa.string()),
    ("outcome", pa.string()),
    ("instance", pa.string()),
    ("calls", pa.int64()),
    ("bytes_in", pa.int64()),
    ("bytes_out", pa.int64()),
    ("duration_ns", pa.int64()),  # sum
    ("buckets", pa.list_(pa.int32())),
    ("counts", pa.list_(pa.int64())),
])

ERRORS_SCHEMA: Final = pa.schema([
    ("minute", pa.int64()),
    ("group_id", pa.string()),
    ("partner", pa.string()),
    ("api", pa.string()),
    ("service", pa.string()),  # where the failure began
    ("outcome", pa.string()),
    ("count", pa.int64()),
    ("sample_trace", pa.string()),
])

SCHEMAS: Final = {"calls": CALLS_SCHEMA, "errors": ERRORS_SCHEMA}
