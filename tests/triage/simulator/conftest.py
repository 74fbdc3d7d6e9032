"""Shared by the simulator's tests: the path to `otlp_decoding`, and a small busy bank."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from triage.simulator.bank import Bank, small_bank


@pytest.fixture(scope="session")
def bank() -> Bank:
    return small_bank(20.0)
