"""What the analysis remembers between runs: the mining model, the groups, and services with their versions. Kept as documents."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

from triage.analyse.changes import ChangeSeen
from triage.analyse.digest import SAMPLES, Digest, GroupSeen
from triage.domain.windows import MINUTE_NS
from triage.errors import Conflict
from triage.ports.state import StateStore

_SETTLED_MINUTES: Final = 10
"""A version that is there from a service's first minutes on is not a deployment."""


@dataclass(slots=True)
class Memory:
    """Loaded at the beginning of a run, saved before the judgement."""

    model: dict[str, Any] = field(default_factory=dict)
    model_version: int | None = None
    aliases: dict[str, str] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    group_versions: dict[str, int] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    versions: dict[str, dict[str, int]] = field(default_factory=dict)  # service -> version -> first minute
    versions_version: int | None = None

    @classmethod
    def load(cls, state: StateStore) -> Memory:
        """Read every document of the analysis."""
        memory = cls()
        if model := state.get("model", "grouping"):
            memory.model, memory.model_version = model.body, model.version
        if services := state.get("model", "services"):
            memory.versions, memory.versions_version = services.body, services.version
        for doc in _every(state, "group_alias"):
            memory.aliases[doc.doc_id] = doc.body["into"]
        for doc in _every(state, "group"):
            memory.groups[doc.doc_id], memory.group_versions[doc.doc_id] = doc.body, doc.version
        return memory

    def learn(self, digest: Digest) -> None:
        """Take in what a chunk showed."""
        self.model = digest.model
        for (service, version), minute in digest.versions.items():
            known = self.versions.setdefault(service, {})
            known[version] = min(minute, known.get(version, minute))
        for group in digest.groups:
            self._learn_group(group)

    def _learn_group(self, group: GroupSeen) -> None:
        self.changed.add(group.id)
        known = self.groups.get(group.id)
        if known is None:
            self.groups[group.id] = asdict(group)
            return
        known["first_seen_ns"] = min(known["first_seen_ns"], group.first_seen_ns)
        known["last_seen_ns"] = max(known["last_seen_ns"], group.last_seen_ns)
        known["count"] = max(known["count"], group.count)
        known["parameters"] = group.parameters or known.get("parameters", [])
        known["neighbours"] = group.neighbours or known.get("neighbours", [])
        known["samples"] = list(dict.fromkeys([*group.samples, *known["samples"]]))[:SAMPLES]

    def save(self, state: StateStore) -> None:
        """Write what changed. A document that somebody else wrote meanwhile wins; the next run brings it up to date."""
        self.model_version = _put(state, "model", "grouping", self.model, self.model_version)
        self.versions_version = _put(state, "model", "services", self.versions, self.versions_version)
        for group_id in sorted(self.changed):
            body = self.groups[group_id]
            tags = [f"service:{body['service']}", f"api:{body['api']}", f"kind:{body['kind']}"]
            version = self.group_versions.get(group_id)
            self.group_versions[group_id] = _put(
                state, "group", group_id, body, version, sort=body["last_seen_ns"], tags=tags) or 0
        self.changed.clear()

    def services(self) -> frozenset[str]:
        """The bank's own services: those that sent spans or logs."""
        return frozenset(self.versions)

    def families(self) -> dict[str, str]:
        """Group -> the error code that it is about, for groups that differ by API alone."""
        return {
            group_id: "code:" + str(body["title"]).partition(" on ")[0]
            for group_id, body in self.groups.items() if body["kind"] == "code"
        }

    def ready_from(self, learning_minutes: int) -> dict[str, int]:
        """Service -> the minute from which its groups are no longer learned."""
        return {service: min(seen.values()) + learning_minutes for service, seen in self.versions.items() if seen}

    def title(self, group_id: str) -> str:
        """A group's title."""
        return str(self.groups.get(group_id, {}).get("title", group_id))

    def new_versions(self, start: int) -> list[ChangeSeen]:
        """Deployments that the spans show: a version that appears after the service was known under another one."""
        found = []
        for service, seen in self.versions.items():
            first = min(seen.values(), default=0)
            for version, minute in seen.items():
                if version and minute >= max(start, first + _SETTLED_MINUTES):
                    found.append(ChangeSeen("deployment", version, minute * MINUTE_NS, {"service": service}))
        return found


def _every(state: StateStore, kind: str) -> list[Any]:
    found, cursor = [], None
    while True:
        page = state.select(kind, limit=500, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


def _put(state: StateStore, kind: str, doc_id: str, body: dict[str, Any], version: int | None, **more: Any) -> int | None:
    try:
        return state.put(kind, doc_id, body, version=version or None, **more).version
    except Conflict as conflict:
        return conflict.found
