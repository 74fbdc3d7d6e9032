"""Schemas of the JSON interface. Fields may be added to answers, so none forbids more of them."""

from __future__ import annotations

from typing import Any, Final, get_args

from dashboards.alerts.telling import FORMATS
from dashboards.changes import KINDS as CHANGE_KINDS
from dashboards.groups.actions import ACTIONS as GROUP_ACTIONS
from dashboards.incidents.actions import ACTIONS
from dashboards.lookup.complaints import CHANNELS
from triage.analyse.grouping.group_rules import FIELDS
from triage.domain.calls import OUTCOMES, Side
from triage.domain.incident import KINDS, SEVERITIES, STATES, SuspectKind

Json = dict[str, Any]
_TEXT: Final[Json] = {"type": "string"}
_MAYBE: Final[Json] = {"type": ["string", "null"]}
_TIME: Final[Json] = {"type": "string", "format": "date-time"}
_MAYBE_TIME: Final[Json] = {"type": ["string", "null"], "format": "date-time"}
_WHOLE: Final[Json] = {"type": "integer"}
_NUMBER: Final[Json] = {"type": "number"}
_TRUTH: Final[Json] = {"type": "boolean"}
_ANY: Final[Json] = {"type": "object"}


def _list(of: Json) -> Json:
    return {"type": "array", "items": of}


def _word(*words: str) -> Json:
    return {"type": "string", "enum": list(words)}


def _object(properties: Json, *required: str) -> Json:
    shape: Json = {"type": "object", "properties": properties}
    return {**shape, "required": list(required)} if required else shape


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXTS: Final = _list(_TEXT)
_HIT: Final[Json] = {"failed": _WHOLE, "total": _WHOLE}
_INCIDENT: Final[Json] = {
    "id": _TEXT, "title": _TEXT, "state": _word(*STATES), "severity": _word(*SEVERITIES), "kind": _word(*KINDS),
    "scope": _TEXT, "whose_side": _word(*get_args(Side)), "first_seen": _TIME, "last_seen": _TIME, "opened": _TIME,
    "resolved": _MAYBE_TIME, "snoozed_until": _MAYBE_TIME, "failed_calls": _WHOLE, "total_calls": _WHOLE, "customers": _WHOLE,
    "partners": _list(_object({"id": _TEXT, "name": _TEXT, **_HIT})),
    "apis": _list(_object({"method": _TEXT, "route": _TEXT, **_HIT})), "services": _TEXTS, "instances": _TEXTS,
    "suspects": _list(_object({"kind": _word(*get_args(SuspectKind)), "name": _TEXT, "score": _NUMBER, "why": _TEXTS,
                               "why_not": _TEXTS})),
    "groups": _TEXTS, "trace_ids": _TEXTS, "assignee": _MAYBE, "merged_into": _MAYBE, "restricted": _TRUTH,
    "backfilled": _TRUTH, "version": _WHOLE, "url": _TEXT,
}
_HEALTH: Final[Json] = {
    "calls": _WHOLE, "failed_calls": _WHOLE, "faults": _WHOLE, "error_share": {"type": ["number", "null"]},
    "p50_ms": {"type": ["number", "null"]}, "p95_ms": {"type": ["number", "null"]}, "incidents": _TEXTS,
    "customers": _WHOLE, "customers_failed": _WHOLE,
}
_SCOPE: Final = _object({"service": _MAYBE, "api": _MAYBE, "partner": _MAYBE})
_MATCH: Final = _object(dict.fromkeys(FIELDS, _TEXT))
_FILTER: Final = _object({"severity": _TEXTS, "partner": _TEXTS, "api": _TEXTS, "types": _TEXTS, "restricted": _TRUTH})

ALL: Final[dict[str, Json]] = {
    "Problem": _object({"type": _TEXT, "title": _TEXT, "status": _WHOLE, "detail": _TEXT, "instance": _TEXT}, "status"),
    "Incident": _object(_INCIDENT, *_INCIDENT),
    "IncidentDetail": {"allOf": [_ref("Incident"), _object({
        "summary": _TEXT,
        "timeline": _list(_object({"at": _TIME, "actor": _TEXT, "action": _TEXT, "reason": _TEXT, "detail": _TEXT})),
        "series": _list(_object({"at": _TIME, "calls": _WHOLE, "failed": _WHOLE})),
        "comparison": _list(_object({"attribute": _TEXT, "value": _TEXT, "failing": _NUMBER, "healthy": _NUMBER, "looked_at": _NUMBER})),
        "similar": _TEXTS, "notices": _list(_ANY), "deliveries": _list(_ref("Delivery")), "complaints": _WHOLE,
        "silenced": {"type": ["object", "null"], "properties": {"until": _TIME, "by": _TEXT, "reason": _MAYBE}},
    })]},
    "Action": _object({
        "action": _word(*ACTIONS), "version": _WHOLE, "reason": _TEXT, "assignee": _TEXT, "until": _TIME, "text": _TEXT,
        "into": _TEXT, "groups": _TEXTS}, "action", "version"),
    "Call": _object({
        "call_id": _TEXT, "at": _TIME, "partner": _TEXT, "partner_name": _TEXT, "api": _TEXT, "status": _WHOLE,
        "outcome": _word(*OUTCOMES), "duration_ms": _NUMBER, "trace_id": _MAYBE, "incident_id": _MAYBE, "service": _MAYBE,
        "codes": _TEXTS, "source": _TEXT}),
    "Span": _object({"trace_id": _TEXT, "span_id": _TEXT, "parent_id": _MAYBE, "at": _TIME, "duration_ms": _NUMBER, "name": _TEXT,
                     "service": _TEXT, "attributes": _ANY, "resource": _ANY, "events": _list(_ANY)}),
    "Log": _object({"log_id": _TEXT, "trace_id": _TEXT, "span_id": _TEXT, "at": _TIME, "severity": _WHOLE, "body": _TEXT,
                    "service": _TEXT, "attributes": _ANY, "resource": _ANY}),
    "Trace": _object({"trace_id": _TEXT, "spans": _list(_ANY), "logs": _list(_ANY), "calls": _list(_ref("Call")),
                      "incidents": _TEXTS}),
    "Lookup": _object({
        "query": _TEXT, "matched": {"type": ["object", "null"]}, "reason": _MAYBE,
        "answer": _object({"headline": _TEXT, "what_happened": _TEXT, "whose_side": _word(*get_args(Side)), "side": _TEXT,
                           "known_incident": _TEXT, "tell_customer": _TEXT}),
        "calls": _list(_ref("Call")), "trace_id": _MAYBE, "incident": {"type": ["object", "null"]}}),
    "Complaint": _object({"id": _TEXT, "at": _TIME, "by": _TEXT, "query": _TEXT, "note": _TEXT, "channel": _word(*CHANNELS),
                          "calls": _TEXTS, "trace_ids": _TEXTS, "incident_id": _MAYBE, "reason": _MAYBE}),
    "NewComplaint": _object({"query": _TEXT, "note": _TEXT, "channel": _word(*CHANNELS)}),
    "Partner": _object({"id": _TEXT, "name": _TEXT, **_HEALTH}),
    "Api": _object({"id": _TEXT, "method": _TEXT, "route": _TEXT, **_HEALTH}),
    "Group": _object({"id": _TEXT, "kind": _TEXT, "title": _TEXT, "evidence": _TEXTS, "template": _TEXT, "service": _TEXT,
                      "api": _TEXT, "codes": _TEXTS, "first_seen": _TIME, "last_seen": _TIME, "count": _WHOLE,
                      "samples": _TEXTS, "incidents": _TEXTS, "members": _list(_ANY), "neighbours": _list(_ANY), "version": _WHOLE,
                      "merged_into": _MAYBE, "merged": _TEXTS, "history": _list(_ANY)}),
    "GroupAction": _object({"action": _word(*GROUP_ACTIONS), "version": _WHOLE, "reason": _TEXT, "into": _TEXT, "templates": _TEXTS,
                            "match": _MATCH, "lesson": _TEXT}, "action", "version"),
    "GroupRule": _object({"id": _TEXT, "place": _WHOLE, "match": _MATCH, "key": _TEXT, "enabled": _TRUTH, "note": _MAYBE,
                          "by": _MAYBE, "at": _TIME}),
    "NewGroupRule": _object({"match": _MATCH, "key": _TEXT, "enabled": _TRUTH, "note": _TEXT, "place": _WHOLE, "version": _WHOLE},
                            "match", "key"),
    "GroupRuleChange": _object({"enabled": _TRUTH, "place": _WHOLE, "version": _WHOLE}),
    "GroupTrial": _object({"summary": _TEXT, "joins": _WHOLE, "errors": _WHOLE, "splits": _WHOLE, "keys": _TEXTS,
                           "groups": _list(_ANY), "looked_at": _ANY}),
    "Change": _object({"id": _TEXT, "kind": _word(*CHANGE_KINDS), "scope": _SCOPE, "version": _MAYBE, "at": _TIME,
                       "until": _MAYBE_TIME, "by": _MAYBE, "link": _MAYBE}),
    "NewChange": _object({"kind": _word(*CHANGE_KINDS), "scope": _SCOPE, "version": _TEXT, "at": _TIME, "until": _TIME,
                          "by": _TEXT, "link": _TEXT}, "kind"),
    "Silence": _object({"id": _TEXT, "scope": _SCOPE, "at": _TIME, "until": _TIME, "reason": _MAYBE, "by": _TEXT,
                        "active": _TRUTH}),
    "NewSilence": _object({"scope": _SCOPE, "until": _TIME, "reason": _TEXT}, "scope", "until"),
    "Receiver": _object({"id": _TEXT, "name": _TEXT, "url": _TEXT, "format": _word(*FORMATS), "enabled": _TRUTH,
                         "disabled_reason": _MAYBE, "filter": _FILTER, "created": _TIME, "secret": _TEXT, "failing": _MAYBE,
                         "tried": _TRUTH, "warning": _MAYBE}),
    "NewReceiver": _object({"name": _TEXT, "url": _TEXT, "format": _word(*FORMATS), "secret": _TEXT, "enabled": _TRUTH,
                            "filter": _FILTER}, "name", "url"),
    "Switch": _object({"enabled": _TRUTH}, "enabled"),
    "Delivery": _object({"id": _TEXT, "receiver": _TEXT, "receiver_name": _TEXT, "incident_id": _TEXT, "type": _TEXT,
                         "state": _TEXT, "at": _TIME, "webhook_id": _TEXT, "tries": _WHOLE, "next_at": _MAYBE_TIME,
                         "status": {"type": ["integer", "null"]}, "reason": _MAYBE, "attempts": _list(_ANY)}),
    "NewBackup": _object({"path": _TEXT}, "path"),
    "Backup": _object({"path": _TEXT, "at": _TIME, "bytes": _WHOLE, "seconds": _NUMBER}),
    "Status": _object({
        "version": _TEXT, "store": _TEXT, "kept": _object({"calls": _WHOLE, "spans": _WHOLE, "logs": _WHOLE}),
        "duplicates": _WHOLE, "rejected": _ANY, "masked": _WHOLE, "oldest": _MAYBE_TIME, "newest": _MAYBE_TIME,
        "lag_s": {"type": ["number", "null"]}, "sources": _list({}), "last_analysis": {"type": ["object", "null"]},
        "last_retention": {"type": ["object", "null"]}, "reasons": _TEXTS,
        "receivers_failing": _list(_object({"name": _TEXT, "reason": _TEXT})),
        "dead_letters": _object({"pieces": _WHOLE, "records": _WHOLE}), "collectors": _list(_object({
            "id": _TEXT, "host": _TEXT, "pid": _WHOLE, "at": _TIME, "silent": _TRUTH,
            "spool": _object({"batches": _WHOLE, "bytes": _WHOLE, "limit_bytes": _WHOLE, "full": _TRUTH,
                              "oldest_s": {"type": ["number", "null"]}}),
            "dead_letters": _object({"pieces": _WHOLE, "records": _WHOLE, "bytes": _WHOLE})}))}),
}
