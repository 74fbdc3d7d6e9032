"""What the rules look at: the product's modules, parsed once, and the rooms that they belong to."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("triage", "collectors", "dashboards")


@dataclass(frozen=True, slots=True)
class Module:
    """One source file. `room` is a folder or module of `triage` (`store`, `flow`), or `collectors` or `dashboards`."""

    path: str  # from the project root
    room: str
    tree: ast.Module


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, with its full dotted name; `at_top` is false inside functions, classes and conditions."""

    module: Module
    line: int
    name: str
    at_top: bool

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.module.path}:{self.line}"

    @property
    def package(self) -> str:
        """The first word of the dotted name."""
        return self.name.partition(".")[0]


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the product."""
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    return tuple(_module(file) for file in files)


def _module(file: Path) -> Module:
    path = file.relative_to(ROOT)
    return Module(path.as_posix(), room_of(".".join(path.with_suffix("").parts)), ast.parse(file.read_text("utf-8")))


def room_of(name: str) -> str:
    """The room of a dotted module name of the product; '' for others. `triage` alone (the version) is a room too."""
    first, _, rest = name.partition(".")
    if first not in PACKAGES:
        return ""
    if first != "triage":
        return first
    room = rest.partition(".")[0]
    return room if room and room != "__init__" else "triage"


@cache
def imports() -> tuple[Import, ...]:
    """Every import of the product."""
    return tuple(found for module in modules() for found in _imports(module))


def _imports(module: Module) -> Iterator[Import]:
    top = {id(statement) for statement in module.tree.body}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, node.lineno, alias.name, id(node) in top)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module.path}:{node.lineno}: write the full name instead of a relative import"
            for alias in node.names:
                yield Import(module, node.lineno, _dotted(node.module or "", alias.name), id(node) in top)


def _dotted(module: str, name: str) -> str:
    """`from triage import flow` names the module triage.flow; `from triage import __version__` names triage."""
    inside = ROOT / module.replace(".", "/") / name
    return f"{module}.{name}" if module in PACKAGES and (inside.is_dir() or inside.with_suffix(".py").is_file()) else module


def third_party() -> Iterator[Import]:
    """Imports that are neither the product's nor the standard library's."""
    return (found for found in imports() if found.package not in (*PACKAGES, *sys.stdlib_module_names))


def calls_to(module: Module, *names: str) -> Iterator[int]:
    """Lines where a function or class with one of these names is called, however it was imported."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in names:
                yield node.lineno
