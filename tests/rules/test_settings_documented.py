"""docs/settings.md says what the code says, and no text names a setting that does not exist."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr
from rules.source import ROOT

from triage.config import PREFIX, Settings

DOCUMENT: Final = (ROOT / "docs" / "settings.md").read_text("utf-8")
ROWS: Final = {
    name: (default.strip("`"), text)
    for name, default, text in re.findall(r"^\| `TRIAGE_(\w+)` \| (.+?) \| (.+) \|$", DOCUMENT, re.MULTILINE)
}


def written(value: Any) -> str:
    """A default as the table writes it."""
    plain = value.get_secret_value() if isinstance(value, SecretStr) else value
    return str(plain) if plain not in ("", [], {}) else "empty"


def test_every_setting_has_its_row_in_the_order_of_the_code() -> None:
    assert [name.lower() for name in ROWS] == list(Settings.model_fields)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_default_and_the_bounds_are_those_of_the_code(name: str) -> None:
    field = Settings.model_fields[name]
    default, text = ROWS[name.upper()]
    assert default == written(field.default)
    bounds = [getattr(rule, edge) for edge in ("ge", "le") for rule in field.metadata if hasattr(rule, edge)]
    if bounds:
        assert " to ".join(map(str, bounds)) in text


def test_secrets_are_called_secrets() -> None:
    secret = {name.upper() for name, field in Settings.model_fields.items() if isinstance(field.default, SecretStr)}
    assert secret == {name for name, (_, text) in ROWS.items() if text.startswith("secret:")}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_help_line_of_a_setting_is_a_sentence(name: str) -> None:
    """`triage doctor` prints it."""
    description = Settings.model_fields[name].description
    assert description and description.endswith(".")


def texts() -> Iterator[Path]:
    """What people read or start."""
    yield from (ROOT / "docs").rglob("*.md")
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "Dockerfile",
                                         "docker-compose.yml", "scripts/setup.sh"))
    yield from (ROOT / "tests" / "elastic_node").iterdir()


def test_nothing_names_a_setting_that_does_not_exist() -> None:
    """Not even for tests: the product refuses to start with an unknown `TRIAGE_` name in its environment."""
    known = {"CONFIG", *(name.upper() for name in Settings.model_fields)}
    known |= {f"{name}_FILE" for name in known}
    wrong = [
        f"{path.relative_to(ROOT)}: {PREFIX}{name}"
        for path in texts() if path.is_file()
        for name in re.findall(r"\bTRIAGE_([A-Z][A-Z_]*[A-Z])\b", path.read_text("utf-8"))
        if name not in known
    ]
    assert not wrong, "\n".join(wrong)


def test_the_example_of_the_directory_is_valid() -> None:
    example = re.search(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert example
    settings = Settings(**tomllib.loads(example[1]))
    assert [partner.id for partner in settings.partner] == ["acme-pay"] and settings.api[0].route == "/payments/{id}/submit"
