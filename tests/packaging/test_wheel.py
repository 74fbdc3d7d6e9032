"""The wheel, not the source tree: built, installed into a fresh environment, and asked."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Final

import pytest

pytestmark = pytest.mark.slow
ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("triage", "collectors", "dashboards")
DATA_FOLDERS: Final = ("dashboards/templates", "dashboards/static")
_UNWANTED: Final = shutil.ignore_patterns("__pycache__", "*.pyc")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing left in the tree by an earlier build gets in."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=_UNWANTED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)])
    (built,) = out.glob("gateway_triage-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel and, from the tests' own environment, what it depends on."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    bin_folder = home / "bin"
    _run([sys.executable, "-m", "pip", "--python", str(bin_folder / "python"), "--disable-pip-version-check", "install",
          "--quiet", "--no-deps", "--no-index", str(wheel)])
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return bin_folder


def test_holds_every_module_template_and_static_file(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    expected = {file.relative_to(ROOT).as_posix() for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    expected |= {
        file.relative_to(ROOT).as_posix() for folder in DATA_FOLDERS for file in (ROOT / folder).rglob("*") if file.is_file()
    }
    expected |= {"triage/py.typed"}

    assert any(name.endswith(".html") for name in expected)
    assert expected <= held, sorted(expected - held)


def test_holds_nothing_else(wheel: Path) -> None:
    held = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in held if ".dist-info/" not in name} == set(PACKAGES)
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_the_command_answers(installed: Path, tmp_path: Path) -> None:
    version = _run([str(installed / "triage"), "--version"], cwd=tmp_path)
    assert version.startswith("triage, version ")
    assert "serve" in _run([str(installed / "triage"), "--help"], cwd=tmp_path)


def test_every_command_and_page_loads_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """Imports what the roles need, and finds the templates beside it, not in the source tree."""
    program = (
        "import pathlib, triage.bootstrap.running, dashboards, collectors;"
        "from triage.cli import commands;"
        "assert all(commands.get_command(None, name) for name in commands.list_commands(None));"
        "home = pathlib.Path(dashboards.__file__).parent;"
        "print(home, (home / 'templates' / 'base.html').is_file(), (home / 'static' / 'app.css').is_file())"
    )
    home, *found = _run([str(installed / "python"), "-c", program], cwd=tmp_path).split()
    assert Path(home).is_relative_to(installed.parent)
    assert found == ["True", "True"]


def _run(command: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
