"""The any-ID lookup: pasted text -> the calls it is about, the one that says most, and the honest reason when there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from dashboards import gate
from dashboards.answers import answer_for, hops_for, miss_for
from dashboards.call_rows import IncidentLinks, call_rows, calls_of, with_twins
from dashboards.ids import Candidate, candidates
from dashboards.pages import Answer, CallRow, Hop
from dashboards.parts import Parts
from triage.domain.incident import Incident
from triage.domain.windows import DAY_NS, NS
from triage.incidents import documents
from triage.ports.records import Found

Row = dict[str, Any]
_MOST_CALLS: Final = 50
_SETTLING_NS: Final = 60 * NS  # an ID so young may still be on its way
_WORDS: Final = {"witness_id": "span_id", "log_id": "span_id"}  # internal names -> words of the interface


@dataclass(frozen=True, slots=True)
class Result:
    """What a lookup found."""

    query: str
    matched_kind: str  # '' when nothing matched
    matched_value: str
    reason: str  # '' when something matched
    answer: Answer
    calls: tuple[CallRow, ...]
    trace_id: str
    incident: Incident | None
    hops: tuple[Hop, ...]
    found: bool


def look_up(parts: Parts, query: str, retention_days: int) -> Result:
    """Answer for whatever ID the text holds. Raises StoreUnavailable when the store cannot be asked."""
    query = query.strip()
    guesses = candidates(query)
    if complaint := _complaint(parts, query):
        return complaint
    if not guesses:
        return _miss(query, "malformed")
    for guess in guesses:
        found = _find(parts, guess)
        if found:
            return _result(parts, query, found)
    return _miss(query, *_why_not(parts, guesses, retention_days))


def _find(parts: Parts, guess: Candidate) -> list[Found]:
    for spelling in guess.spellings:
        found = parts.records.find(spelling, limit=_MOST_CALLS)
        if found:
            return found
    return []


def _result(parts: Parts, query: str, found: list[Found]) -> Result:
    first = found[0]
    rows = _calls(parts, found)
    kind = _WORDS.get(first.kind, first.kind)
    if not rows:
        return _spans_only(query, kind, first)
    best = most_telling(rows)
    links = IncidentLinks(parts, [best])
    incident = links.incident_of(best)
    partner = parts.partner_name(best["partner"])
    return Result(
        query, kind, first.value, "", answer_for(best, rows, partner, incident, parts.clock()),
        call_rows(parts, rows[:_MOST_CALLS]), best["trace_id"] or first.trace_id, incident,
        hops_for(best, partner), found=True,
    )


def _calls(parts: Parts, found: list[Found]) -> list[Row]:
    """The calls behind what was found: its own witnesses, and the other witness of each through the trace."""
    own = parts.records.witnesses({item.witness_id for item in found if item.witness_id})
    known = set(own.column("witness_id").to_pylist())
    if not known:
        return calls_of(parts.records.by_trace("calls", {item.trace_id for item in found if item.trace_id}))
    calls = calls_of(with_twins(parts.records, own))
    if any(item.kind in ("trace_id", "span_id") for item in found):
        return calls
    # an ID of one call of a trace must not answer for its neighbours: keep the calls that the ID is on
    value, kind = found[0].value, found[0].kind
    exact = [row for row in calls if row.get(kind) == value or row["call_id"] in known]
    return exact or calls


def most_telling(rows: list[Row]) -> Row:
    """The newest failure, or else the newest call."""
    newest = sorted(rows, key=lambda row: -row["time_ns"])
    return next((row for row in newest if row["outcome"] not in ("ok", "unknown")), newest[0])


def _spans_only(query: str, kind: str, first: Found) -> Result:
    answer = Answer("We have the technical record, but not the request itself",
                    "Work that belongs to this number was recorded inside the bank, but no request of an app at the entrance.",
                    "unknown", "Not known: no request of an app was found.",
                    "“I found a technical record and pass it on to a colleague, who will come back to you.”")
    return Result(query, kind, first.value, "", answer, (), first.trace_id, None, (), found=True)


def _complaint(parts: Parts, query: str) -> Result | None:
    """The complaint itself, when its number was asked for."""
    number = query.strip().upper()
    doc = parts.state.get("complaint", number) if number.startswith("CMP-") else None
    if doc is None:
        return None
    value = doc.body.get("matched_value") or ""
    found = parts.records.find(value, limit=_MOST_CALLS) if value else []
    if found:
        inner = _result(parts, query, found)
        return Result(query, "complaint_id", number, "", inner.answer, inner.calls, inner.trace_id, inner.incident,
                      inner.hops, found=True)
    incident_doc = parts.state.get("incident", doc.body.get("incident_id") or "-")
    incident = documents.read(incident_doc) if incident_doc and gate.visible(incident_doc.tags) else None
    return Result(query, "complaint_id", number, "", miss_for("expired"), (), "", incident, (), found=False)


def _why_not(parts: Parts, guesses: list[Candidate], retention_days: int) -> tuple[str, str]:
    """The reason why nothing was found, and a word more about it. Only what is known is said."""
    oldest_ms = (parts.clock() - retention_days * DAY_NS) // 1_000_000
    for guess in guesses:
        for spelling in guess.spellings:
            if why := parts.refused(spelling):
                return "rejected_at_ingest", f"Reason: {why}."
        if 0 < guess.made_ms < oldest_ms:
            return "expired", f"We keep records for {retention_days} days."
    if any(guess.unsampled for guess in guesses):
        return "sampled_out", ""
    if any(guess.made_ms > (parts.clock() - _SETTLING_NS) // 1_000_000 for guess in guesses):
        return "not_yet_indexed", ""
    return "never_seen", ""


def _miss(query: str, reason: str, detail: str = "") -> Result:
    return Result(query, "", "", reason, miss_for(reason, detail), (), "", None, (), found=False)

