"""Schemas of the roll-ups by minute.

`calls`: how many calls a (minute, partner, API, service, outcome, instance) had, and how long they took: a sparse histogram of
`duration_bucket` -> count, whose buckets grow by 5 % (any quantile is right within 3 %).
`errors`: how many failures of an error group a (minute, partner, API, service) had.
`use`: what a (minute, partner) used: calls, bytes, tokens, and samples of the customers and of the unattended accesses (see
`triage.analyse.abnormal_use.usage`); bounded, whatever the traffic.
`customers`: who called, by hour: a (hour, partner, API, outcome) and a sketch of its distinct customers, which can be united with
others (`triage.analyse.distinct`: 4 bytes a customer, at most 16 KiB). Finer would cost about 4 bytes a call for 13 months.
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

USE_SCHEMA: Final = pa.schema([
    ("minute", pa.int64()),
    ("partner", pa.string()),
    ("calls", pa.int64()),
    ("bytes_out", pa.int64()),
    ("tokens", pa.int64()),  # calls that were given a token
    ("attended", pa.int64()),  # calls with the customer present
    ("customers", pa.list_(pa.int64())),  # the smallest hashes of the customers whose data were read
    ("unattended", pa.list_(pa.int64())),  # the smallest hashes of (customer or consent, API) read without the customer
    ("places", pa.list_(pa.int64())),  # the smallest hashes of the networks that the calls came from
])

CUSTOMERS_SCHEMA: Final = pa.schema([
    ("minute", pa.int64()),  # the first of the hour
    ("partner", pa.string()),
    ("api", pa.string()),
    ("outcome", pa.string()),
    ("sketch", pa.list_(pa.int32())),
])

SCHEMAS: Final = {"calls": CALLS_SCHEMA, "errors": ERRORS_SCHEMA, "use": USE_SCHEMA, "customers": CUSTOMERS_SCHEMA}
