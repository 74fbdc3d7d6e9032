"""A bank's own attribute names go in front of the usual ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.naming import Finder
from triage.bootstrap.build import naming_of
from triage.config import load_settings
from triage.errors import ConfigError


def test_own_names_win(tmp_path: Path) -> None:
    (tmp_path / "triage.toml").write_text('[names]\npartner = ["acme.tpp"]\n')
    finder = Finder(naming_of(load_settings({}, tmp_path)))
    assert finder.parts({"partner.id": "usual", "acme.tpp": "own"})["partner"] == "own"
    assert finder.parts({"partner.id": "usual"})["partner"] == "usual"


def test_an_unknown_part_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "triage.toml").write_text('[names]\npartnr = ["x"]\n')
    with pytest.raises(ConfigError):
        load_settings({}, tmp_path)
