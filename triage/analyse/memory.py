"""What the analysis remembers between runs: the mining model, the groups, and services with their versions. Kept as documents."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Final

import pyarrow as pa

from triage.analyse.changes import ChangeSeen
from triage.analyse.digest import Digest
from triage.analyse.grouping.assignment import current_group
from triage.analyse.grouping.group_seen import MOST_MEMBERS, MOST_PLACES, SAMPLES, GroupSeen
from triage.analyse.grouping.taught import Taught
from triage.analyse.grouping.teaching import every, load_taught
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
    taught: Taught = field(default_factory=Taught)
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
        memory.taught = load_taught(state)
        for doc in every(state, "group"):
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
        for old, new in digest.moved.items():
            self._note(old, moved_into=new)
        for old, (rule, into) in digest.taken.items():
            self._note(old, joined_by={"rule": rule, "into": into, "version": self.taught.book.version})

    def _note(self, group_id: str, **facts: Any) -> None:
        """Write on a group that is known what became of it."""
        body = self.groups.get(group_id)
        if body is not None and any(body.get(name) != value for name, value in facts.items()):
            body.update(facts)
            self.changed.add(group_id)

    def _learn_group(self, group: GroupSeen) -> None:
        self.changed.add(group.id)
        known = self.groups.get(group.id)
        if known is None:
            self.groups[group.id] = asdict(group)
            return
        for fact in ("joined_by", "moved_into"):  # no longer so; where it still is, it is noted again
            known.pop(fact, None)
        known["first_seen_ns"] = min(known["first_seen_ns"], group.first_seen_ns)
        known["last_seen_ns"] = max(known["last_seen_ns"], group.last_seen_ns)
        known["count"] = max(known["count"], group.count)
        for name in ("parameters", "neighbours", "example", "rule"):
            known[name] = getattr(group, name) or known.get(name, getattr(group, name))
        known["samples"] = list(dict.fromkeys([*group.samples, *known["samples"]]))[:SAMPLES]
        known["members"] = _most_members(known.get("members", []), group.members)
        for name in ("routes", "services"):
            known[name] = _most({**known.get(name, {})}, getattr(group, name))
        if group.flood.get("messages", 0) >= known.get("flood", {}).get("messages", 1):
            known["flood"] = group.flood

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

    def families(self, since_ns: int) -> dict[str, str]:
        """Group -> the error code that it is about, for groups that differ by API alone. Groups that people made since then go
        with those that they were made of."""
        families = {
            group_id: "code:" + str(body["title"]).partition(" on ")[0]
            for group_id, body in self.groups.items() if body["kind"] == "code"
        }
        return families | self._made_by_people(since_ns)

    def _made_by_people(self, since_ns: int) -> dict[str, str]:
        """Groups that people made lately, and those that they were made of, as one: what is new is the name, not the error."""
        found: dict[str, str] = {}
        for lesson in self.taught.lessons:
            if lesson.action == "split" and max(lesson.at_ns, lesson.undone_at_ns) >= since_ns:
                found[lesson.into] = found[lesson.group] = found.get(lesson.group, f"taught:{lesson.group}")
        lately = {rule.id for rule in self.taught.book.rules if rule.at_ns >= since_ns}
        for group_id, body in self.groups.items():
            joined = body.get("joined_by") or {}
            if joined.get("rule") in lately:
                found[group_id] = found[joined["into"]] = f"taught:{joined['into']}"
        return found

    def renamed(self, errors: pa.Table) -> pa.Table:
        """Rows of `ERRORS_SCHEMA` under the groups that stand for theirs today."""
        moved = self.model.get("moved", {})
        known = errors.column("group_id").unique().to_pylist()
        names = {group: name for group in known if (name := current_group(group, self.taught, moved)) != group}
        if not names:
            return errors
        column = pa.array([names.get(group, group) for group in errors.column("group_id").to_pylist()], pa.string())
        return errors.set_column(errors.schema.get_field_index("group_id"), errors.schema.field("group_id"), column)

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


def _most_members(known: list[dict[str, Any]], seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The templates of both, those with most errors in a chunk first; of a fingerprint that rests on its message the newest text."""
    both: dict[tuple[str, str], dict[str, Any]] = {}
    for each in [*known, *seen]:
        key = (each["print"], "" if each["kind"] == "message" else each["template"])
        both[key] = {**each, "count": max(each["count"], both[key]["count"] if key in both else 0)}
    return sorted(both.values(), key=lambda each: -int(each["count"]))[:MOST_MEMBERS]


def _most(known: dict[str, int], seen: dict[str, int]) -> dict[str, int]:
    """The larger count of each name, the largest first."""
    both = {name: max(known.get(name, 0), seen.get(name, 0)) for name in known.keys() | seen.keys()}
    return dict(sorted(both.items(), key=lambda item: (-item[1], item[0]))[:MOST_PLACES])


def _put(state: StateStore, kind: str, doc_id: str, body: dict[str, Any], version: int | None, **more: Any) -> int | None:
    try:
        return state.put(kind, doc_id, body, version=version or None, **more).version
    except Conflict as conflict:
        return conflict.found
