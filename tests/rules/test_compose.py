"""docker-compose.yml and the Dockerfile, read by a parser: what they name exists, and they start what the tests start by hand."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
import yaml
from click.testing import CliRunner
from rules.source import PACKAGES, ROOT

from triage.cli import commands
from triage.config import PREFIX, Settings, load_settings

ROLES: Final = ("collect", "web", "work")
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]


def docker_instructions() -> list[tuple[str, str]]:
    """(instruction, the rest) in order; continued lines are joined."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text("utf-8"))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def test_runs_elasticsearch_and_the_three_roles() -> None:
    assert set(SERVICES) == {"elasticsearch", *ROLES}
    assert SERVICES["elasticsearch"]["image"].startswith("elasticsearch:9.2")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_a_command_of_the_console_script(role: str) -> None:
    assert SERVICES[role]["command"] == [role]
    assert CliRunner().invoke(commands, [role, "--help"]).exit_code == 0
    assert SERVICES[role]["depends_on"] == {"elasticsearch": {"condition": "service_healthy"}}


@pytest.mark.parametrize("role", ROLES)
def test_the_settings_of_a_role_are_accepted(role: str, tmp_path: Any) -> None:
    """As the product itself reads them; secrets lie in files there."""
    environment = dict(SERVICES[role]["environment"])
    for name, value in environment.items():
        if name.endswith("_FILE"):
            secret = value.removeprefix("/run/secrets/")
            assert secret in SERVICES[role]["secrets"] and secret in COMPOSE["secrets"]
            (tmp_path / secret).write_text("00" * 32, "ascii")
            environment[name] = str(tmp_path / secret)
    settings = load_settings(environment, tmp_path)
    assert settings.embedded_path() is None
    assert settings.mask_key.get_secret_value() == "00" * 32
    assert settings.secret_key.get_secret_value() == "00" * 32


def test_every_role_has_the_same_keys() -> None:
    keys = [{name: SERVICES[role]["environment"].get(name) for name in ("TRIAGE_MASK_KEY_FILE", "TRIAGE_SECRET_KEY_FILE")}
            for role in ROLES]
    assert keys[0] == keys[1] == keys[2] and None not in keys[0].values()


def test_no_secret_is_written_down() -> None:
    assert all(set(source) == {"environment"} for source in COMPOSE["secrets"].values())
    secret = {f"{PREFIX}{name.upper()}" for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)}
    assert not [name for role in ROLES for name in SERVICES[role]["environment"] if name in secret]


def test_publishes_on_loopback_only_and_what_the_roles_listen_on() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published and all(re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port) for port in published)
    listened = {value.rpartition(":")[2] for role in ROLES for name, value in SERVICES[role]["environment"].items()
                if name in ("TRIAGE_WEB", "TRIAGE_OTLP_HTTP", "TRIAGE_OTLP_GRPC")}
    assert {port.rpartition(":")[2] for port in published} == listened


def test_volumes_and_secrets_are_declared() -> None:
    used = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert used == set(COMPOSE["volumes"])
    assert {secret for service in SERVICES.values() for secret in service.get("secrets", ())} == set(COMPOSE["secrets"])


def test_the_image_holds_the_three_packages_and_runs_as_nobody_special() -> None:
    instructions = docker_instructions()
    copied = {word for name, rest in instructions if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]}
    assert {*PACKAGES, "pyproject.toml", "README.md", "LICENSE"} == copied
    assert all((ROOT / name).exists() for name in copied)
    assert ("ENTRYPOINT", '["triage"]') in instructions
    assert [rest for name, rest in instructions if name == "USER"] == ["triage"]


def test_the_image_has_a_python_that_the_project_allows() -> None:
    bases = {rest.split()[0] for name, rest in docker_instructions() if name == "FROM"}
    assert len(bases) == 1
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim", bases.pop())
    assert version and (int(version[1]), int(version[2])) >= (3, 11)


def test_the_image_listens_where_the_defaults_say() -> None:
    exposed = {port for name, rest in docker_instructions() if name == "EXPOSE" for port in rest.split()}
    defaults = Settings()
    assert exposed == {address.rpartition(":")[2] for address in (defaults.web, defaults.otlp_http, defaults.otlp_grpc)}
