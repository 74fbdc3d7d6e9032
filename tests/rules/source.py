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
    name: str  # dotted
    room: str
    tree: ast.Module


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, with its full dotted name; `at_top` is false inside functions, classes and conditions other than
    `if TYPE_CHECKING:`, whose imports are for the type checker only."""

    module: Module
    line: int
    name: str
    at_top: bool
    for_types: bool

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
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    return Module(path.as_posix(), name, room_of(name), ast.parse(file.read_text("utf-8")))


def room_of(name: str) -> str:
    """The room of a dotted module name of the product; '' for others. `triage` alone (the version) is a room too."""
    first, _, rest = name.partition(".")
    if first not in PACKAGES:
        return ""
    if first != "triage":
        return first
    return rest.partition(".")[0] or "triage"


@cache
def imports() -> tuple[Import, ...]:
    """Every import of the product."""
    return tuple(found for module in modules() for found in _imports(module))


def _imports(module: Module) -> Iterator[Import]:
    top = {id(statement) for statement in module.tree.body}
    for_types = {
        id(statement) for block in module.tree.body
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for statement in block.body
    }
    for node in ast.walk(module.tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module.path}:{node.lineno}: write the full name instead of a relative import"
            names = [_dotted(node.module or "", alias.name) for alias in node.names]
        for name in names:
            yield Import(module, getattr(node, "lineno", 0), name, id(node) in top | for_types, id(node) in for_types)


def _dotted(module: str, name: str) -> str:
    """`from triage import flow` names the module triage.flow; `from triage import __version__` names triage."""
    return f"{module}.{name}" if f"{module}.{name}" in _names() else module


@cache
def _names() -> frozenset[str]:
    return frozenset(module.name for module in modules())


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
