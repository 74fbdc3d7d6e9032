"""Names, mappings and settings of the Elasticsearch indices, and their installation.

Records lie in plain indices by day, `<prefix>-spans-2026.11.24`, all behind the alias `<prefix>-spans`. What is pinned of a
dropped day lies in `<prefix>-pinned-spans-2026.11.24`, behind the same alias; its IDs lie in `<prefix>-ledger-2026.11`. Roll-ups,
receipts and state are undated. An index of roll-ups in a layout before this one, `…-v1`, is neither read nor written, and can be
deleted: what is touched from then on is rolled up again from its records.
Mappings are never dynamic, so no input can make them grow. The format stands in the `_meta` of every mapping.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from elasticsearch import Elasticsearch

from triage.domain.columns import COLUMNS, ID_COLUMNS, SIGNALS, Signal
from triage.domain.windows import day_of
from triage.errors import StoreFormatError
from triage.store.conditions import JSON_COLUMNS
from triage.store.elastic.client import translated

FORMAT: Final = 1
TEMPLATE_VERSION: Final = 4  # raised with every change of what stands below

IGNORE_ABOVE: Final = 8191  # UTF-16 units; more could pass Lucene's limit of 32,766 bytes a term
ATTRIBUTE_LIMIT: Final = 8000  # the same for one attribute, less its name

TEXT_COLUMNS: Final = frozenset(
    {"name", "status_message", "exception_message", "exception_stack", "body", "message", "route", "error_type"}
)
"""Columns whose values can be longer than IGNORE_ABOVE: found through `_ignored` then, and compared by the client."""

_NO_DOC_VALUES: Final = TEXT_COLUMNS | {
    "parent_id", "interaction_id", "request_id", "gateway_request_id", "consent_id", "payment_id", "idempotency",
}


@dataclass(frozen=True, slots=True)
class Names:
    """Names of indices and aliases under a prefix."""

    prefix: str

    def alias(self, signal: Signal) -> str:
        """What holds all records of a signal."""
        return f"{self.prefix}-{signal}"

    def day(self, signal: Signal, time_ns: int) -> str:
        """The index of the day that `time_ns` belongs to."""
        return self.of_day(signal, day_of(time_ns))

    def of_day(self, signal: Signal, day: str) -> str:
        """The index of a day, YYYY-MM-DD."""
        return f"{self.prefix}-{signal}-{day.replace('-', '.')}"

    def pinned(self, signal: Signal, day: str) -> str:
        """The index of what is pinned of a dropped day."""
        return f"{self.prefix}-pinned-{signal}-{day.replace('-', '.')}"

    @property
    def all_pinned(self) -> str:
        """Pattern of every index of pinned records."""
        return f"{self.prefix}-pinned-*"

    def ledger(self, day: str) -> str:
        """The index of the IDs of a day that was dropped: one a month."""
        return f"{self.prefix}-ledger-{day[:7].replace('-', '.')}"

    def merged_ledger(self, month: str, generation: int) -> str:
        """The index of the IDs of a month, YYYY-MM, when it has been merged so often."""
        return f"{self.ledger(month)}-{generation}"

    @property
    def all_ledgers(self) -> str:
        """Pattern of every index of IDs."""
        return f"{self.prefix}-ledger-*"

    @property
    def pins(self) -> str:
        """The index of pinned trace IDs."""
        return f"{self.prefix}-pins-v1"

    @property
    def receipts(self) -> str:
        """The index of receipts."""
        return f"{self.prefix}-receipts-v1"

    def rollups(self, kind: str) -> str:
        """The index of the roll-ups of a kind."""
        return f"{self.prefix}-rollups-{kind}-v2"

    @property
    def state(self) -> str:
        """The index of state documents."""
        return f"{self.prefix}-state-v1"


@dataclass(frozen=True, slots=True)
class Layout:
    """Shards and replicas of the indices. A cluster of fewer nodes holds fewer replicas, and more as soon as it can."""

    shards: int = 1  # of a day index; the others have one
    replicas: int = 1

    def settings(self, *, shards: int | None = None, refresh: str | None = None) -> dict[str, Any]:
        """Index settings."""
        settings = {
            "number_of_shards": shards or self.shards,
            "auto_expand_replicas": f"0-{self.replicas}",
            # a node that restarts must not hold up writers, who wait for two copies, for the default minute
            "unassigned.node_left.delayed_timeout": "10s",
            "max_regex_length": 10_000,
        }
        return settings if refresh is None else settings | {"refresh_interval": refresh}


def signal_mapping(signal: Signal) -> dict[str, Any]:
    """The mapping of a signal's records."""
    properties: dict[str, Any] = {
        "@timestamp": {"type": "date", "format": "epoch_millis"},  # for people with Kibana; we read time_ns
        "attributes_long": {"type": "boolean", "doc_values": False},
    }
    for name, kind in COLUMNS[signal].items():
        if name == "attributes":
            properties[name] = {"type": "flattened", "ignore_above": ATTRIBUTE_LIMIT, "depth_limit": 900}
        elif name in JSON_COLUMNS:
            properties[name] = {"type": "object", "enabled": False}
        elif kind == "str":
            properties[name] = _keyword(name, signal)
        else:
            properties[name] = {"type": "long" if kind == "int" else "boolean"}
    return _mapping(properties)


def _keyword(name: str, signal: Signal) -> dict[str, Any]:
    sorted_by = name in ID_COLUMNS[signal]
    lean = name in _NO_DOC_VALUES or (name.endswith("_id") and not sorted_by)
    keyword: dict[str, Any] = {"type": "keyword", "ignore_above": IGNORE_ABOVE}
    return keyword | {"doc_values": False} if lean else keyword


def _mapping(properties: dict[str, Any]) -> dict[str, Any]:
    return {"dynamic": False, "_meta": {"format": FORMAT}, "properties": properties}


_LONG: Final = {"type": "long"}
_KEYWORD: Final = {"type": "keyword", "ignore_above": IGNORE_ABOVE}
_OPAQUE: Final = {"type": "object", "enabled": False}
_UNSEARCHED: Final = {"index": False, "doc_values": False}
_SELECTOR: Final = _KEYWORD | {"doc_values": False}
ROLLUP_SELECTORS: Final = ("partner", "api", "group_id")
"""Columns of roll-ups whose distinct values stand beside the rows of a block, so that it can be selected by them."""

ROLLUP_MAPPING: Final = _mapping(
    {"first": _LONG, "last": _LONG | {"doc_values": False}} | dict.fromkeys(ROLLUP_SELECTORS, _SELECTOR)
    | dict.fromkeys(("count", "size"), _LONG | _UNSEARCHED) | {"rows": {"type": "binary"}}
)
RECEIPT_MAPPING: Final = _mapping({"at_ns": _LONG, "minutes": _OPAQUE})
LEDGER_MAPPING: Final = _mapping({"low": _LONG, "high": _LONG | {"doc_values": False}, "ids": {"type": "binary"}})
PIN_MAPPING: Final = _mapping({"trace_id": _KEYWORD})
STATE_MAPPING: Final = _mapping(
    {"kind": _KEYWORD, "doc_id": _KEYWORD, "version": _LONG, "sort": _LONG, "tags": _KEYWORD, "body": _OPAQUE}
)


def record_templates(names: Names, layout: Layout) -> dict[str, dict[str, Any]]:
    """Index templates of everything that a record store writes, by template name."""
    own = {"settings": layout.settings(shards=1)}
    by_hand = {"settings": layout.settings(shards=1, refresh="-1")}  # read only after a refresh that we ask for
    templates = {
        names.alias(signal): _template(
            layout, f"{names.alias(signal)}-*",
            {"settings": layout.settings(), "aliases": {names.alias(signal): {}}, "mappings": signal_mapping(signal)},
        )
        for signal in SIGNALS
    }
    templates[f"{names.prefix}-rollups"] = _template(layout, names.rollups("*"), by_hand | {"mappings": ROLLUP_MAPPING})
    templates[f"{names.prefix}-receipts"] = _template(layout, names.receipts, by_hand | {"mappings": RECEIPT_MAPPING})
    templates[f"{names.prefix}-ledger"] = _template(layout, names.all_ledgers, by_hand | {"mappings": LEDGER_MAPPING})
    templates[f"{names.prefix}-pins"] = _template(layout, names.pins, own | {"mappings": PIN_MAPPING})
    return templates


def state_templates(names: Names, layout: Layout) -> dict[str, dict[str, Any]]:
    """The index template of state documents."""
    body = {"settings": layout.settings(shards=1), "mappings": STATE_MAPPING}
    return {f"{names.prefix}-state": _template(layout, names.state, body)}


def _template(layout: Layout, pattern: str, body: dict[str, Any]) -> dict[str, Any]:
    """A template; its `_meta` says what can differ between two installations of the same version."""
    meta = {"format": FORMAT, "shards": layout.shards, "replicas": layout.replicas}
    return {"index_patterns": [pattern], "priority": 500, "version": TEMPLATE_VERSION, "meta": meta, "template": body}


def install(pattern: str, templates: dict[str, dict[str, Any]], client: Elasticsearch) -> None:
    """Put the templates, unless these stand there; older ones are replaced. Raises StoreFormatError for templates of a later version
    and for data that we cannot read.

    `pattern` names the indices and templates to look at; it holds a `*`, since there may be none yet.
    """
    with translated():
        _refuse_newer(client, pattern)
        there = client.options(ignore_status=404).indices.get_index_template(name=pattern).body
        known = {entry["name"]: entry["index_template"] for entry in there.get("index_templates", [])}
        for name, body in templates.items():
            template = known.get(name, {})
            meta, version = template.get("_meta", {}), template.get("version", 0)
            if meta.get("format", 0) > FORMAT:
                raise _newer(name, meta["format"])
            if version > TEMPLATE_VERSION:
                raise StoreFormatError(
                    f"the template {name} in Elasticsearch has version {version}; this version knows {TEMPLATE_VERSION}. "
                    "Start the newer version again."
                )
            if version < TEMPLATE_VERSION or meta != body["meta"]:
                client.indices.put_index_template(name=name, **body)


def _refuse_newer(client: Elasticsearch, pattern: str) -> None:
    found = client.indices.get_mapping(index=pattern, filter_path="*.mappings._meta.format").body
    for index, described in found.items():
        version = described["mappings"]["_meta"]["format"]
        if version > FORMAT:
            raise _newer(index, version)


def _newer(name: str, version: int) -> StoreFormatError:
    return StoreFormatError(
        f"{name} in Elasticsearch has format {version}; this version reads up to {FORMAT}. Start the newer version again."
    )
