"""What every test shares: the import path, and one real Elasticsearch node for the tests that ask for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
sys.path.insert(0, str(TESTS))  # builders, contracts, elastic_node
sys.path.append(str(TESTS.parent))  # last, so that an installed wheel comes before the source tree

from elastic_node.node import running_node


@pytest.fixture(scope="session")
def elastic_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real node that lives as long as the session. Fails, never skips, where the node cannot be had."""
    with running_node(tmp_path_factory.mktemp("elastic")) as url:
        yield url
