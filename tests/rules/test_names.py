"""No path of somebody's machine gets into the tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rules.source import ROOT

_NOT_OURS: Final = frozenset({
    ".git", ".venv", ".cache", ".hypothesis", ".mypy_cache", ".ruff_cache", ".pytest_cache", "__pycache__", "data", "build",
    "dist", "node_modules",
})
_LINK: Final = re.compile(r"\]\((?!https?:|#)([^)#]+)")
_MACHINE_PATH: Final = re.compile(r'(?<![\w.$}/-])(?<!\w")/(?:work|root|tmp|home|Users)/[\w.-]')


def files(folder: Path = ROOT) -> Iterator[Path]:
    """Every text file that belongs to the project."""
    for path in sorted(folder.iterdir()):
        if path.name in _NOT_OURS or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from files(path)
        elif b"\0" not in path.read_bytes()[:1024]:
            yield path


def test_no_machine_paths() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if _MACHINE_PATH.search(line)
    ]
    assert not wrong, "\n".join(wrong)


def test_text_is_utf8_and_ends_with_a_newline() -> None:
    wrong = [str(path.relative_to(ROOT)) for path in files() if path.stat().st_size and not path.read_bytes().endswith(b"\n")]
    assert not wrong, wrong


def test_links_lead_somewhere() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in files() if path.suffix == ".md"
        for target in _LINK.findall(path.read_text("utf-8")) if not (path.parent / target).exists()
    ]
    assert not wrong, "\n".join(wrong)
