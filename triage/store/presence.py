"""Rows of presence from several places as one table."""

from __future__ import annotations

import pyarrow as pa

from triage.ports.records import PRESENCE_SCHEMA


def presence_joined(parts: pa.Table) -> pa.Table:
    """Rows of `PRESENCE_SCHEMA`, those of one minute, service and version as one."""
    whole = parts.group_by(["minute", "service", "version"]).aggregate([("records", "sum")])
    return whole.rename_columns({"records_sum": "records"}).select(PRESENCE_SCHEMA.names).cast(PRESENCE_SCHEMA)
