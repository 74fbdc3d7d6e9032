"""The description of the JSON interface, as OpenAPI 3.1."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, request

from dashboards import gate
from dashboards.api import schemas
from dashboards.api.common import DEFAULT_LIMIT, LARGEST_LIMIT, PREFIX
from triage.errors import BadInput

api: Final = Blueprint("api_openapi", __name__, url_prefix=PREFIX)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the table below. `query` are optional parameters; `answer` and `sent` name schemas."""

    method: str
    path: str
    summary: str
    answer: str = ""
    query: tuple[str, ...] = ()
    sent: str = ""
    status: str = "200"
    listed: bool = False


OPERATIONS: Final = (
    Operation("get", "/incidents", "Incidents, newest first", "Incident",
              ("state", "severity", "partner", "api", "side", "since"), listed=True),
    Operation("get", "/incidents/{incident_id}", "One incident with its history", "IncidentDetail"),
    Operation("post", "/incidents/{incident_id}/actions", "Act on an incident", "IncidentDetail", sent="Action"),
    Operation("get", "/traces/{trace_id}", "A trace: spans, logs, calls, incidents", "Trace"),
    Operation("get", "/lookup", "Answer for any ID or pasted text", "Lookup", ("q",)),
    Operation("get", "/complaints", "Complaints, newest first", "Complaint", ("incident",), listed=True),
    Operation("post", "/complaints", "Register a complaint", "Complaint", sent="NewComplaint", status="201"),
    Operation("get", "/calls", "Calls, newest first", "Call",
              ("partner", "api", "outcome", "status", "service", "trace", "code", "text", "min_ms", "since", "until", "after"),
              listed=True),
    Operation("get", "/spans", "Spans, newest first", "Span",
              ("service", "name", "status", "http", "error", "min_ms", "attribute", "trace", "since", "until", "after"), listed=True),
    Operation("get", "/logs", "Log records, newest first", "Log",
              ("service", "severity", "text", "error", "attribute", "trace", "since", "until", "after"), listed=True),
    Operation("get", "/partners", "Partners with their health over 24 h", "Partner", listed=True),
    Operation("get", "/partners/{partner_id}", "One partner", "Partner"),
    Operation("get", "/apis", "APIs with their health over 24 h", "Api", listed=True),
    Operation("get", "/apis/{api_key}", "One API", "Api"),
    Operation("get", "/groups", "Error groups, the one seen last first", "Group", listed=True),
    Operation("get", "/groups/{group_id}", "One error group, and what people taught about it", "Group"),
    Operation("post", "/groups/{group_id}/actions", "Merge or split a group, or take it back", "Group", sent="GroupAction"),
    Operation("get", "/group-rules", "Rules for error groups in their order, with the version of the whole", "GroupRule", listed=True),
    Operation("post", "/group-rules", "Keep a rule", "GroupRule", sent="NewGroupRule", status="201"),
    Operation("post", "/group-rules/try", "What a rule would have done to the last days", "GroupTrial", sent="NewGroupRule"),
    Operation("patch", "/group-rules/{rule_id}", "Switch a rule, or move it", "GroupRule", sent="GroupRuleChange"),
    Operation("delete", "/group-rules/{rule_id}", "Remove a rule", status="204"),
    Operation("get", "/changes", "Changes, newest first", "Change", ("kind",), listed=True),
    Operation("post", "/changes", "Note a change", "Change", sent="NewChange", status="201"),
    Operation("get", "/silences", "Silences", "Silence", listed=True),
    Operation("post", "/silences", "Hold back notices of a scope for a time", "Silence", sent="NewSilence", status="201"),
    Operation("delete", "/silences/{silence_id}", "End a silence", status="204"),
    Operation("get", "/receivers", "Receivers, without secrets", "Receiver", listed=True),
    Operation("post", "/receivers", "Add a receiver; its secret is in this answer only", "Receiver", sent="NewReceiver",
              status="201"),
    Operation("patch", "/receivers/{receiver_id}", "Switch a receiver on or off", "Receiver", sent="Switch"),
    Operation("delete", "/receivers/{receiver_id}", "Remove a receiver", status="204"),
    Operation("post", "/receivers/{receiver_id}/test", "Send a test now", "Delivery"),
    Operation("get", "/deliveries", "Deliveries, newest first", "Delivery", ("receiver", "incident", "state"), listed=True),
    Operation("post", "/deliveries/{delivery_id}/replay", "Send a delivery again", "Delivery"),
    Operation("get", "/status", "How the product fares", "Status"),
    Operation("post", "/backup", "Copy the embedded store into a new folder; on the same machine only", "Backup", sent="NewBackup"),
    Operation("get", "/openapi.json", "This description"),
)


def refuse_unknown() -> None:
    """A `before_request` hook: a list refuses a parameter that it does not know, since an answer without it would look like one
    with it. Raises BadInput that names the known ones."""
    if request.url_rule is None or request.method != "GET" or not request.path.startswith(f"{PREFIX}/"):
        return
    path = request.url_rule.rule.removeprefix(PREFIX)
    listed = next((each for each in OPERATIONS if each.listed and each.method == "get" and each.path == path), None)
    if listed is None:
        return
    known = (*listed.query, "limit", "cursor")
    if unknown := sorted(set(request.args) - set(known)):
        raise BadInput(f"There is no parameter {', '.join(unknown)}; {path} takes {', '.join(known)}.")


@api.get("/openapi.json")
def openapi() -> Json:
    """The description."""
    return description(gate.parts().version)


def description(version: str) -> Json:
    """The whole document."""
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        paths.setdefault(f"{PREFIX}{operation.path}", {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0", "info": {"title": "Gateway Triage", "version": version}, "paths": paths,
        "security": [{"bearer": []}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}, "schemas": schemas.ALL,
                       "responses": {"Problem": _content("Problem", "What went wrong", "application/problem+json")}},
    }


def _operation(operation: Operation) -> Json:
    described: Json = {
        "summary": operation.summary,
        "operationId": f"{operation.method}_" + re.sub(r"[^a-z_]+", "_", operation.path).strip("_"),
        "responses": {operation.status: _answer(operation), "default": {"$ref": "#/components/responses/Problem"}},
    }
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.sent:
        described["requestBody"] = {"required": True, **_content(operation.sent)}
    return described


def _parameters(operation: Operation) -> list[Json]:
    inside = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    found: list[Json] = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in inside]
    found += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in operation.query]
    if operation.listed:
        limits = {"type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": DEFAULT_LIMIT}
        found += [{"name": "limit", "in": "query", "schema": limits},
                  {"name": "cursor", "in": "query", "schema": {"type": "string"}}]
    return found


def _answer(operation: Operation) -> Json:
    if not operation.answer:
        return {"description": operation.summary}
    if not operation.listed:
        return _content(operation.answer, operation.summary)
    items = {"type": "array", "items": {"$ref": f"#/components/schemas/{operation.answer}"}}
    page = {"type": "object", "required": ["items", "next"],
            "properties": {"items": items, "next": {"type": ["string", "null"]}}}
    return {"description": operation.summary, "content": {"application/json": {"schema": page}}}


def _content(schema: str, words: str = "", kind: str = "application/json") -> Json:
    content: Json = {"content": {kind: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}
    return {"description": words, **content} if words else content
