"""The directions of the house, by the product's own syntax trees: imports point down, siblings do not know each other, each
third-party library lives in named rooms, and one module reads the environment."""

from __future__ import annotations

import ast
import tomllib
from typing import Final

import pytest
from rules.source import ROOT, imports, modules, room_of, third_party

LAYERS: Final[tuple[tuple[str, ...], ...]] = (
    ("triage", "errors", "simulator"),  # the version; errors; a bank that talks to the product over HTTP only, like any bank
    ("domain", "config", "telemetry", "heap"),
    ("ports", "directory"),
    ("calls",),  # the join of witnesses: the analysis and the pages must not disagree about what one call is
    ("mask", "analyse", "incidents", "notify", "store", "accounts"),
    ("flow", "heard", "retention", "runfile"),
    ("scheduler", "collectors", "dashboards", "analysis_process"),
    ("decoding",),  # helper processes: the intake and the mask, without stores
    ("bootstrap",),
    ("cli",),
    ("__main__",),
)
"""From the bottom up. A room may import the rooms of lower rows; rooms in one row are siblings and never import each other."""

ONLY_FOR: Final[dict[str, frozenset[str]]] = {
    "config": frozenset({"directory", "bootstrap", "cli"}),  # settings are read at the top and handed down as plain values
    "telemetry": frozenset({"bootstrap", "cli"}),
    "directory": frozenset({"bootstrap", "cli"}),
    "runfile": frozenset({"bootstrap", "cli"}),
    "mask": frozenset({"flow", "decoding", "bootstrap", "cli"}),  # who masks is seen at a glance
    "store": frozenset({"bootstrap", "cli"}),  # others know the ports only
    "simulator": frozenset({"cli"}),
    "errors": frozenset(), "triage": frozenset(), "domain": frozenset(), "ports": frozenset(),
}
"""Rooms that not everybody above them may import. Empty: no limit."""

THIRD_PARTY: Final[dict[str, tuple[str, ...]]] = {
    "apscheduler": ("scheduler",),
    "argon2": ("accounts",),
    "click": ("cli",),
    "duckdb": ("store",),
    "elastic_transport": ("store",),
    "elasticsearch": ("store",),
    "flask": ("dashboards",),
    "google": ("collectors",),  # protobuf
    "grpc": ("collectors",),
    "grpc_status": ("collectors",),
    "httptools": ("collectors",),
    "jinja2": ("dashboards",),
    "numpy": ("analyse", "calls", "store", "simulator"),
    "opentelemetry": ("collectors", "telemetry"),  # message classes; the SDK
    "orjson": ("analyse", "bootstrap", "cli", "collectors", "mask", "notify", "runfile", "simulator", "store", "telemetry"),
    "pyarrow": ("heap", "ports", "mask", "calls", "analyse", "store", "dashboards"),  # the form in which records travel
    "pydantic": ("config",),
    "scipy": ("analyse",),
    "sklearn": ("analyse",),
    "urllib3": ("cli", "notify", "simulator"),
    "uvicorn": ("collectors",),
    "waitress": ("bootstrap",),
    "werkzeug": ("dashboards",),
    "zstandard": ("collectors",),
}
"""The rooms that may import a library. A new one needs a row here and in pyproject.toml."""

LATE: Final[dict[str, str]] = {
    "triage/analysis_process.py": "the child's half: the parent imports the module too, and must not pay for scikit-learn",
}
"""Modules that may import inside functions, with their reason."""

HEAVY: Final = frozenset({"sklearn", "scipy"})  # the analysis process and the commands on files load them, nobody else

STANDARD: Final[dict[str, tuple[str, ...]]] = {"sqlite3": ("store",)}
COMES_WITH: Final = {
    "elastic_transport": "elasticsearch", "google": "googleapis-common-protos", "grpc": "grpcio", "grpc_status": "grpcio-status",
    "jinja2": "flask", "werkzeug": "flask", "scipy": "scikit-learn", "sklearn": "scikit-learn", "argon2": "argon2-cffi",
    "opentelemetry": "opentelemetry-sdk",
}
"""Import name -> the requirement that brings it, where the two differ."""

CLOCKLESS: Final = ("domain", "ports", "calls", "mask", "analyse", "incidents", "directory")
CLOCKS: Final = frozenset({"time.time", "time.time_ns", "time.sleep", "datetime.now", "datetime.utcnow", "date.today"})

_ROW: Final = {room: number for number, row in enumerate(LAYERS) for room in row}


def test_every_room_has_its_row() -> None:
    """A new room says where it stands before it is built on."""
    assert {module.room for module in modules()} <= set(_ROW)


def test_imports_point_down_and_siblings_do_not_know_each_other() -> None:
    wrong = []
    for found in imports():
        here, there = found.module.room, room_of(found.name)
        if not there or there == here:
            continue
        if _ROW[there] >= _ROW[here]:
            wrong.append(f"{found.place}: {here} must not import {there}")
    assert not wrong, "\n".join(wrong)


def test_some_rooms_have_few_users() -> None:
    wrong = [
        f"{found.place}: {there} is only for {', '.join(sorted(ONLY_FOR[there]))}"
        for found in imports()
        if (there := room_of(found.name)) and ONLY_FOR.get(there)
        and found.module.room not in (*ONLY_FOR[there], there)
    ]
    assert not wrong, "\n".join(wrong)


def test_libraries_stay_in_their_rooms() -> None:
    wrong = [f"{found.place}: {found.package}" for found in third_party()
             if found.module.room not in THIRD_PARTY.get(found.package, ())]
    wrong += [f"{found.place}: {found.package}" for found in imports()
              if found.package in STANDARD and found.module.room not in STANDARD[found.package]]
    assert not wrong, "\n".join(wrong)


def test_libraries_are_declared() -> None:
    """What is imported is required by pyproject.toml, not there by luck."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {requirement.split(">")[0].split("=")[0].split("<")[0].strip().lower() for requirement in project["dependencies"]}
    wanted = {COMES_WITH.get(found.package, found.package) for found in third_party()}
    assert wanted <= declared, f"not in pyproject.toml: {sorted(wanted - declared)}"


def test_imports_stand_at_the_top() -> None:
    """Hidden imports hide cycles. The command line loads its commands by name with importlib, which is no import statement."""
    assert not [found.place for found in imports() if not found.at_top and found.module.path not in LATE]
    assert set(LATE) == {found.module.path for found in imports() if not found.at_top}, "an exception that nobody needs any more"


@pytest.mark.parametrize("start", ["triage.bootstrap.running", "triage.cli.roles", "triage.cli.ingest", "triage.analysis_process"])
def test_a_service_loads_no_scikit_learn(start: str) -> None:
    """Its memory and its second of loading belong to the analysis process."""
    loads: dict[str, set[str]] = {}
    for found in imports():
        if found.at_top and not found.for_types:
            loads.setdefault(found.module.name, set()).add(found.name)
    ways = {start: start}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        parents = {here.rsplit(".", level)[0] for level in range(1, here.count(".") + 1)}
        for name in (loads.get(here, set()) | parents) - set(ways):
            ways[name] = f"{ways[here]} > {name}"
            waiting.append(name)
    assert not [way for name, way in ways.items() if name.partition(".")[0] in HEAVY]


@pytest.mark.parametrize("name", ["importlib", "__import__"])
def test_only_the_command_line_loads_modules_by_name(name: str) -> None:
    users = {module.path for module in modules()
             for node in ast.walk(module.tree) if isinstance(node, ast.Name) and node.id == name}
    assert users <= {"triage/cli/__init__.py"}  # a small command starts at once


def test_only_config_reads_the_environment() -> None:
    wrong = [
        f"{module.path}:{node.lineno}"
        for module in modules() if module.path != "triage/config.py"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute | ast.Name) and (getattr(node, "attr", "") or getattr(node, "id", "")) in
        ("environ", "environb", "getenv", "putenv")
    ]
    assert not wrong, "\n".join(wrong)


def test_judging_rooms_read_no_clock() -> None:
    """The time is an argument there: what they say about a window must not depend on when they are asked."""
    wrong = [
        f"{module.path}:{node.lineno}: {ast.unparse(node)}"
        for module in modules() if module.room in CLOCKLESS
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and f"{node.value.id}.{node.attr}" in CLOCKS
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_runs_at_import() -> None:
    """Module bodies hold definitions and constants only; a loop, a with or a bare call is work."""
    wrong = []
    for module in modules():
        for statement in module.tree.body:
            work = isinstance(statement, ast.For | ast.While | ast.With | ast.Try)
            bare = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
            if (work or bare) and module.path != "triage/__main__.py":
                wrong.append(f"{module.path}:{statement.lineno}")
    assert not wrong, "\n".join(wrong)
