"""The promises of `triage.ports.records`, as tests that every adapter passes in full.

An adapter's test module subclasses `RecordStoreContract` and gives three fixtures:
`store` an empty RecordStore; `reopen` a function that closes a store and opens another one on the same data; `newer_format` a
function that marks the data of the (closed) store as written by a later version.
"""

from __future__ import annotations

from contracts.record_conditions import RecordConditions
from contracts.record_reads import RecordReads
from contracts.record_retention import RecordRetention
from contracts.record_writes import RecordWrites


class RecordStoreContract(RecordWrites, RecordConditions, RecordReads, RecordRetention):
    """Run by `tests/contracts/test_*.py`, one subclass an adapter."""
