"""Reads the sample lines: facts of public log formats, and lines built from their documented fields."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.gateways.read import read_lines
from triage.domain.records import Records

Rows = Callable[..., list[dict[str, Any]]]
NOW = 1_709_640_000_000_000_000  # 2024-03-05T12:00:00Z


@pytest.fixture
def rows() -> Rows:
    """`rows("kong.json", "kong")`: the rows that a sample file gives; fails when a line is rejected."""

    def read(name: str, kind: str) -> list[dict[str, Any]]:
        records = Records()
        body = (Path(__file__).parent / "samples" / name).read_bytes()
        read_lines(kind, body, records, now_ns=NOW)
        assert records.rejected == []
        return [dict(zip(records.calls, row, strict=True)) for row in zip(*records.calls.values(), strict=True)]

    return read
