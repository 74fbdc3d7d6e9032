"""The any-ID lookup: pasted text -> the calls it is about, the one that says most, and the honest reason when there is none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from dashboards import gate
from dashboards.incidents.links import IncidentLinks, as_then
from dashboards.lookup.ids import Candidate, candidates
from dashboards.lookup.words import NO_DETAILS, answer_for, hops_for, incident_answer, miss_for
from dashboards.pages import Answer, CallRow, Hop
from dashboards.parts import Kept, Parts
from dashboards.records.call_rows import call_rows, calls_of
from triage.domain.columns import Signal
from triage.domain.incident import Incident
from triage.domain.windows import DAY_NS, NS
from triage.heard import reports
from triage.incidents import documents
from triage.ports.records import Found

Row = dict[str, Any]
_MOST_CALLS: Final = 50
_COMPLAINT: Final = re.compile(r"\bCMP-\d{1,9}\b", re.IGNORECASE)
_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}\Z")
_MOST_ASKED: Final = 10  # IDs of a pasted text that are looked for among the refused ones
_OF_TRACES: Final[tuple[Signal, ...]] = ("spans", "logs")
_SETTLING_NS: Final = 60 * NS  # an ID so young may still be on its way
_WORDS: Final = {"witness_id": "span_id", "log_id": "span_id"}  # internal names -> words of the interface


@dataclass(frozen=True, slots=True)
class Result:
    """What a lookup found."""

    query: str
    matched_kind: str  # '' when nothing matched
    matched_value: str
    reason: str  # '' when something matched; 'sampled_out' also for a call whose trace was asked for and not recorded
    answer: Answer
    calls: tuple[CallRow, ...]
    trace_id: str
    incident: Incident | None
    hops: tuple[Hop, ...]
    found: bool


def look_up(parts: Parts, query: str, kept: Kept) -> Result:
    """Answer for whatever ID the text holds. Raises StoreUnavailable when the store cannot be asked."""
    query = query.strip()
    if own := _complaint(parts, query) or _incident(parts, query):
        return own
    guesses = candidates(query)
    if not guesses:
        return _miss(query, "malformed")
    if found := _find(parts, guesses):
        return _result(parts, query, found)
    spellings = _spellings(guesses)
    reason, detail = _why_not(parts, guesses, kept)
    if not reason and parts.records.pending(*spellings):
        if found := _find(parts, guesses):  # it came in between
            return _result(parts, query, found)
        reason = "not_yet_indexed"
    reason = reason or _unknown(parts, guesses, kept)
    if reason == "never_seen":
        detail = " ".join(_doubts(parts, guesses, kept))
    return _miss(query, reason, detail)


def _find(parts: Parts, guesses: list[Candidate]) -> list[Found]:
    """What carries the likeliest of the IDs that exist."""
    found = parts.records.find(*_spellings(guesses), limit=_MOST_CALLS)
    for guess in guesses if found else ():
        for spelling in guess.spellings:
            if mine := [item for item in found if item.value == spelling]:
                return mine
    return []


def _doubts(parts: Parts, guesses: list[Candidate], kept: Kept) -> Iterator[str]:
    """Why an ID that nobody knows may have been here all the same."""
    if any(_SPAN_ID.match(spelling) for spelling in guesses[0].spellings):
        yield ("A number of this form often names one step of a request. We know those only as long as we keep the step, "
               f"{kept.retention_days} days; the number of the whole request, of 32 digits and letters, is remembered for longer: try it.")
    if _others_wait(parts):
        yield "Some records are still on their way to us, and this one may be among them; ask again in a few minutes."


def _others_wait(parts: Parts) -> bool:
    """Whether records wait in the spool of another process, whose IDs nobody here knows."""
    return any(said.spool_batches and said.pid != os.getpid() for said in reports(parts.state, parts.clock()))


def _spellings(guesses: list[Candidate]) -> list[str]:
    return list(dict.fromkeys(spelling for guess in guesses for spelling in guess.spellings))


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
    then = as_then(incident, best["time_ns"]) if incident else None
    answer, reason = answer_for(best, rows, partner, then, parts.clock()), ""
    if _unsampled(parts, kind, best):
        reason, answer = "sampled_out", replace(answer, what_happened=f"{answer.what_happened} {NO_DETAILS}")
    return Result(
        query, kind, first.value, reason, answer,
        call_rows(parts, rows[:_MOST_CALLS]), best["trace_id"] or first.trace_id, incident,
        hops_for(best, partner), found=True,
    )


def _calls(parts: Parts, found: list[Found]) -> list[Row]:
    """The calls behind what was found: all witnesses of its traces, since two may have seen one call, and those without a trace."""
    known = {item.witness_id for item in found if item.witness_id}
    rows = parts.records.by_trace("calls", {item.trace_id for item in found if item.trace_id})
    if alone := {item.witness_id for item in found if item.witness_id and not item.trace_id}:
        rows = pa.concat_tables([rows, parts.records.witnesses(alone)]).sort_by("time_ns")
    calls = calls_of(rows)
    if not known or any(item.kind in ("trace_id", "span_id") for item in found):
        return calls
    # an ID of one call of a trace must not answer for its neighbours: keep the calls that the ID is on
    value, kind = found[0].value, found[0].kind
    exact = [row for row in calls if row.get(kind) == value or not known.isdisjoint((row["call_id"], row["line_id"]))]
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


def _unsampled(parts: Parts, kind: str, row: Row) -> bool:
    """Whether what was asked for is the trace of a call whose trace flags say that none was recorded."""
    if kind not in ("trace_id", "span_id") or row["sampled"] or not row["trace_id"]:
        return False
    return not any(len(parts.records.by_trace(signal, [row["trace_id"]])) for signal in _OF_TRACES)


def _complaint(parts: Parts, query: str) -> Result | None:
    """The complaint itself, when its number was asked for."""
    numbers = [found.upper() for found in _COMPLAINT.findall(query)[:_MOST_ASKED]]
    doc = next(filter(None, (parts.state.get("complaint", number) for number in numbers)), None)
    if doc is None:
        return None
    number = doc.doc_id
    value = doc.body.get("matched_value") or ""
    found = parts.records.find(value, limit=_MOST_CALLS) if value else []
    if found:
        return replace(_result(parts, query, found), matched_kind="complaint_id", matched_value=number)
    incident_doc = parts.state.get("incident", doc.body.get("incident_id") or "-")
    incident = documents.read(incident_doc) if incident_doc and gate.visible(incident_doc.tags) else None
    return Result(query, "complaint_id", number, "", miss_for(doc.body["reason"] or "expired"), (), "", incident, (), found=False)


def _incident(parts: Parts, query: str) -> Result | None:
    """An incident's number: not what the desk looks for, but nothing of a restricted incident may be told."""
    doc = parts.state.get("incident", query.upper()) if query[:4].upper() == "INC-" else None
    if doc is None:
        return None
    if not gate.visible(doc.tags):
        return _miss(query, "not_permitted")
    incident = documents.read(doc)
    return replace(_miss(query, "malformed"), answer=incident_answer(incident.id, incident.title), incident=incident)


def _why_not(parts: Parts, guesses: list[Candidate], kept: Kept) -> tuple[str, str]:
    """What is known of an ID that is not here, and a word more about it; '' when nothing is."""
    for guess in guesses[:_MOST_ASKED]:
        for spelling in guess.spellings:
            if why := parts.refused(spelling):
                return "rejected_at_ingest", f"Reason: {why}."
    seen = parts.records.last_seen(*_spellings(guesses))
    if seen:
        return "expired", f"It was last seen on {max(seen.values())}. We keep records for {kept.retention_days} days."
    return "", ""


def _unknown(parts: Parts, guesses: list[Candidate], kept: Kept) -> str:
    """The reason when no store knows an ID: what the ID itself says, or else that it was never seen."""
    now_ms = parts.clock() // 1_000_000
    forgotten_ms = now_ms - kept.ledger_days * DAY_NS // 1_000_000
    if any(0 < guess.made_ms < forgotten_ms for guess in guesses):
        return "expired"
    if any(guess.unsampled for guess in guesses):
        return "sampled_out"
    if any(guess.made_ms > now_ms - _SETTLING_NS // 1_000_000 for guess in guesses):
        return "not_yet_indexed"
    return "never_seen"


def _miss(query: str, reason: str, detail: str = "") -> Result:
    return Result(query, "", "", reason, miss_for(reason, detail), (), "", None, (), found=False)
