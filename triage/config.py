"""Settings: the only reader of the environment. Sources, strongest first: `TRIAGE_*` and `TRIAGE_*_FILE` in the environment, then
`triage.toml` (or the file that `TRIAGE_CONFIG` names), then the defaults. Every fault is reported at once."""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from triage.errors import ConfigError

PREFIX: Final = "TRIAGE_"
_CONFIG_FILE: Final = "triage.toml"


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError("write it as HOST:PORT, such as 127.0.0.1:8080")
    return text


def _store(text: str) -> str:
    if text.startswith("embedded:") and text != "embedded:":
        return text
    if text.startswith(("http://", "https://")):
        return text.rstrip("/")
    raise ValueError("write embedded:PATH or the address of Elasticsearch, such as http://127.0.0.1:9200 (several: comma separated)")


def _words(value: Any) -> Any:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _networks(values: list[str]) -> list[str]:
    for value in values:
        ipaddress.ip_network(value, strict=False)
    return values


NamedPart = Literal[
    "partner", "customer", "customer_present", "interaction_id", "request_id", "gateway_request_id", "consent_id", "payment_id",
    "idempotency", "codes", "body", "responder", "upstream_status", "flag", "network",
]
Address = Annotated[str, AfterValidator(_address)]
Words = Annotated[list[str], BeforeValidator(_words)]


class PartnerEntry(BaseModel):
    """One entry of the partner directory."""

    model_config = ConfigDict(extra="forbid")
    id: str
    name: str
    aliases: list[str] = []
    contact: str = ""
    team: str = ""
    roles: list[str] = []  # AISP, PISP, CBPII; none: not checked
    calls_per_minute: int = Field(0, ge=0)  # agreed traffic; 0: none agreed
    calls_per_day: int = Field(0, ge=0)


class ApiEntry(BaseModel):
    """One entry of the API catalogue."""

    model_config = ConfigDict(extra="forbid")
    route: str
    name: str = ""
    team: str = ""
    tier: str = ""
    runbook: str = ""


class Settings(BaseModel):
    """All settings. In the environment each is `TRIAGE_<NAME>` in capitals; lists are comma separated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: Annotated[str, AfterValidator(_store)] = Field("embedded:./data", description="Where records and state are kept.")
    web: Address = Field("127.0.0.1:8080", description="Address of the console and its API.")
    otlp_http: Address = Field("127.0.0.1:4318", description="Address for OTLP/HTTP and gateway logs.")
    otlp_grpc: Address = Field("127.0.0.1:4317", description="Address for OTLP/gRPC.")
    base_url: str = Field("", description="Address of the console as people see it; links in webhooks begin with it.")
    retention_days: int = Field(30, ge=1, le=400, description="Days that records are kept.")
    retention_days_calls: int = Field(0, ge=0, le=400, description="Days that calls are kept; 0: as records.")
    retention_days_spans: int = Field(0, ge=0, le=400, description="Days that spans are kept; 0: as records.")
    retention_days_logs: int = Field(0, ge=0, le=400, description="Days that logs are kept; 0: as records.")
    retention_days_rollups: int = Field(395, ge=1, le=4000, description="Days that roll-ups by minute are kept.")
    retention_days_documents: int = Field(90, ge=1, le=4000, description="Days that deliveries, notices and the history of runs are kept.")
    ledger_days: int = Field(
        396, ge=1, le=4000, description="Days that hashes of IDs are kept, by which 'expired' is told from 'never seen'.")
    analysis_seconds: int = Field(30, ge=1, le=3600, description="Seconds between analysis runs.")
    learning_minutes: int = Field(10, ge=0, le=1440, description="Event time that a service is learned before its groups are new.")
    resolve_minutes: int = Field(30, ge=5, le=1440, description="Minutes without failures after which an incident resolves itself.")
    unattended_per_day: int = Field(4, ge=0, le=1440, description="Accesses a day without the customer (PSD2: 4); 0: not judged.")
    gateway_services: Words = Field([], description="service.name of the gateways, comma separated.")
    mask_key: SecretStr = Field(SecretStr(""), description="Key of the pseudonyms. Made and kept in the data folder if empty.")
    secret_key: SecretStr = Field(SecretStr(""), description="Key of the session cookies. Made and kept if empty.")
    webhook_allow: Annotated[list[str], BeforeValidator(_words), AfterValidator(_networks)] = Field(
        [], description="Networks that webhooks may reach beside public ones.")
    body_limit_mib: int = Field(64, ge=1, le=1024, description="Largest request body, also after decompression.")
    connections: int = Field(2000, ge=10, le=100_000, description="Connections that the front door takes.")
    store_memory_mib: int = Field(128, ge=64, le=65536, description="Memory of the embedded store.")
    spool: str = Field("", description="Folder where batches wait while the store is away; ./spool on Elasticsearch if empty.")
    spool_mib: int = Field(1024, ge=1, le=1_048_576, description="Largest size of the spool, and of the refused records beside it.")
    elastic_api_key: SecretStr = Field(SecretStr(""), description="API key for Elasticsearch.")
    elastic_username: str = Field("", description="User for Elasticsearch (basic authentication).")
    elastic_password: SecretStr = Field(SecretStr(""), description="Password for Elasticsearch.")
    elastic_ca_certs: str = Field("", description="File with the CA certificates of Elasticsearch.")
    elastic_replicas: int = Field(1, ge=0, le=5, description="Replicas of each index.")
    elastic_shards: int = Field(1, ge=1, le=64, description="Shards of each day's index.")
    elastic_prefix: str = Field("triage", pattern=r"^[a-z][a-z0-9-]*$", description="First word of every index name.")
    otel_endpoint: str = Field("", description="OTLP/HTTP endpoint for the product's own traces; off if empty.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Level of the product's own log.")
    openapi: str = Field("", description="OpenAPI file (JSON) whose routes name the APIs.")
    names: dict[NamedPart, list[str]] = Field(
        {}, description="Attribute names to look at first, by part ([names] in triage.toml).")
    partner: list[PartnerEntry] = Field([], description="The partner directory ([[partner]] in triage.toml).")
    api: list[ApiEntry] = Field([], description="The API catalogue ([[api]] in triage.toml).")

    @model_validator(mode="after")
    def _rollups_outlive_records(self) -> Settings:
        longest = max(self.days_kept().values())
        if self.retention_days_rollups < longest:
            raise ValueError(f"the roll-ups would be dropped before their records, which are kept {longest} days; write {longest} or more")
        return self

    def days_kept(self) -> dict[Literal["calls", "spans", "logs"], int]:
        """Days that the records of each signal are kept."""
        return {
            "calls": self.retention_days_calls or self.retention_days, "spans": self.retention_days_spans or self.retention_days,
            "logs": self.retention_days_logs or self.retention_days,
        }

    def embedded_path(self) -> Path | None:
        """The data folder in embedded mode, None on Elasticsearch."""
        return Path(self.store.removeprefix("embedded:")) if self.store.startswith("embedded:") else None

    def local_folder(self) -> Path:
        """Where this machine keeps what is its own: the data folder in embedded mode, else ./data (keys, run.json)."""
        return self.embedded_path() or Path("data")

    def spool_path(self) -> Path | None:
        """The folder of the spool; None when there is none."""
        if self.spool:
            return Path(self.spool)
        return None if self.embedded_path() else Path("spool")

    def hosts(self) -> list[str]:
        """Addresses of Elasticsearch."""
        return [] if self.embedded_path() else [host.strip() for host in self.store.split(",")]


def load_settings(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Read every source. Raises ConfigError with all faults."""
    environment = os.environ if environment is None else environment
    faults: list[str] = []
    values = _from_file(environment, folder or Path.cwd(), faults)
    values.update(_from_environment(environment, faults))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        faults += [_fault(item) for item in error.errors()]
    if faults:
        raise ConfigError(faults)
    return settings


def _from_file(environment: Mapping[str, str], folder: Path, faults: list[str]) -> dict[str, Any]:
    named = environment.get(PREFIX + "CONFIG")
    file = Path(named) if named else folder / _CONFIG_FILE
    if not named and not file.exists():
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        faults.append(f"{PREFIX}CONFIG: {file} cannot be read: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{file.name} is not valid TOML: {error}")
    return {}


def _from_environment(environment: Mapping[str, str], faults: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name == PREFIX + "CONFIG":
            continue
        field = name.removeprefix(PREFIX).lower()
        if field not in Settings.model_fields and field.endswith("_file"):
            field = field.removesuffix("_file")
            try:
                value = Path(value).read_text("utf-8").strip()
            except OSError as error:
                faults.append(f"{name}: the file cannot be read: {error.strerror}")
                continue
        if field not in Settings.model_fields:
            faults.append(f"{name} is not a setting; `triage doctor` lists them all")
            continue
        values[field] = value
    return values


def _fault(item: Any) -> str:
    path = [str(part) for part in item["loc"]] or ["retention_days_rollups"]  # the one rule about several settings
    name = PREFIX + path[0].upper() + "".join(f"[{part}]" for part in path[1:])
    if item["type"] in ("greater_than_equal", "less_than_equal") and len(path) == 1:
        rules = Settings.model_fields[path[0]].metadata
        low, high = (next(getattr(rule, edge) for rule in rules if hasattr(rule, edge)) for edge in ("ge", "le"))
        return f"{name}: write a number from {low} to {high}; {item['input']} is outside"
    if item["type"] == "extra_forbidden":
        return f"{'.'.join(path)} in triage.toml is not a setting; `triage doctor` lists them all"
    return f"{name}: {item['msg'].removeprefix('Value error, ')}"
