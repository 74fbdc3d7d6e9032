"""How the product fares, who may sign in, and the tokens of scripts and collectors."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from dashboards import gate
from dashboards.admin.status import status_json
from dashboards.pages import CollectorRow, Fact, StatusPage, TokensPage, UsersPage
from dashboards.render import render, tell
from dashboards.words import count, plural, size, span_of_time
from triage.accounts.permissions import ROLES, Role
from triage.domain.windows import NS
from triage.errors import BadInput

pages: Final = Blueprint("admin", __name__, url_prefix="/admin")


@pages.get("/status")
def status() -> str:
    """The product's own health."""
    parts = gate.parts()
    found = status_json(parts)
    kept, run = found["kept"], found["last_analysis"]
    facts = (Fact(count(kept["calls"]), "call witnesses kept"), Fact(count(kept["spans"]), "spans kept"),
             Fact(count(kept["logs"]), "logs kept"), Fact(count(found["duplicates"]), "duplicates ignored"),
             Fact(count(found["masked"]), "values masked"))
    runs = [("Store", found["store"]), ("Version", found["version"]), ("Oldest record", found["oldest"] or "none"),
            ("Newest record", found["newest"] or "none"), ("Newest one is", _age(found["lag_s"]))]
    if run:
        runs += [("Last analysis", run["at"]), ("It took", f"{float(run['seconds']):.2f} s"),
                 ("It read", f"{count(int(run['records']))} records"), ("It found", f"{count(int(run['findings']))} problems")]
        runs += [("It failed", str(run["error"]))] if run.get("error") else []
    runs += _retention(found["last_retention"])
    return render(StatusPage(
        facts=facts, rejected=tuple(sorted(found["rejected"].items(), key=lambda item: -item[1])),
        sources=tuple(_source(source) for source in found["sources"]), runs=tuple(runs), reasons=tuple(found["reasons"]),
        collectors=tuple(_collector(said) for said in found["collectors"]),
        failing=tuple((said["name"], said["reason"]) for said in found["receivers_failing"]), can_manage=gate.may("accounts"),
    ))


def _retention(run: Any) -> list[tuple[str, str]]:
    """What the last retention run did."""
    if run is None:
        return []
    dropped = run["dropped"]
    records = sum(dropped["records"].values())
    days = f" of {plural(len(dropped['days']), 'day')}" if dropped["days"] else ""
    return [("Last retention run", run["at"]), ("It dropped", f"{count(records)} records{days}, {count(dropped['rollups'])} roll-ups"),
            ("It gave back", size(max(run["freed_bytes"], 0))), ("On disk", size(run["disk_bytes"]))]


def _collector(said: dict[str, Any]) -> CollectorRow:
    """What waits at a collector, in words."""
    spool, dead = said["spool"], said["dead_letters"]
    words = ["Nothing waits"]
    if spool["batches"]:
        words = [f"{plural(spool['batches'], 'batch', 'batches')} ({size(spool['bytes'])} of {size(spool['limit_bytes'])}) wait for "
                 f"the store, the oldest for {span_of_time(int(float(spool['oldest_s'] or 0) * NS))}"]
    if spool["full"]:
        words.append("its spool is full, senders are told to wait")
    if dead["pieces"]:
        words.append(f"{plural(dead['records'], 'record')} refused by the store: see `triage dead-letters list` there")
    if said["silent"]:
        words.append("not heard since then")
    return CollectorRow(said["host"], said["at"], "; ".join(words) + ".", bool(spool["full"] or said["silent"] or dead["pieces"]))


def _age(seconds: float | None) -> str:
    return "not known" if seconds is None else f"{span_of_time(int(float(seconds) * NS))} old"


def _source(source: Any) -> tuple[str, str]:
    if not isinstance(source, dict):
        return str(source), ""
    ago = source.get("seconds_ago")
    return str(source.get("source", "")), "" if ago is None else f"{span_of_time(int(float(ago) * NS))} ago"


@pages.get("/users")
@gate.needs("accounts")
def users() -> str:
    """People who can sign in."""
    return render(_users(""))


@pages.post("/users")
@gate.needs("accounts")
def create_user() -> Response | tuple[str, int]:
    """Add a user."""
    form, parts = request.form, gate.parts()
    try:
        parts.accounts.create_user(form.get("name", "").strip(), form.get("password", ""), _role(form.get("role", "")),
                                   parts.clock())
    except BadInput as error:
        return render(_users(error.reason)), 400
    tell(f"{form['name'].strip()} can sign in now.")
    return redirect("/admin/users", 303)


@pages.post("/users/<name>/disable")
@gate.needs("accounts")
def disable_user(name: str) -> Response:
    """Let a user in no more, and end their sessions."""
    if name == gate.person().name:
        raise BadInput("You cannot switch off yourself; ask another administrator.")
    gate.parts().accounts.disable_user(name)
    gate.parts().sessions.end_all(name)
    tell(f"{name} was signed out everywhere and cannot sign in any more.")
    return redirect("/admin/users", 303)


@pages.post("/users/<name>/password")
@gate.needs("accounts")
def set_password(name: str) -> Response | tuple[str, int]:
    """Give a user a new password, and end their sessions."""
    try:
        gate.parts().accounts.set_password(name, request.form.get("password", ""))
    except BadInput as error:
        return render(_users(error.reason)), 400
    gate.parts().sessions.end_all(name)
    tell(f"{name} has a new password and was signed out everywhere.")
    return redirect("/sign-in" if name == gate.person().name else "/admin/users", 303)


@pages.get("/tokens")
@gate.needs("accounts")
def tokens() -> str:
    """Tokens, without their secrets."""
    return render(_tokens())


@pages.post("/tokens")
@gate.needs("accounts")
def create_token() -> str | tuple[str, int]:
    """Add a token; its secret is on the page that answers, and never again."""
    form, parts = request.form, gate.parts()
    try:
        token, text = parts.accounts.create_token(form.get("name", ""), _role(form.get("role", "")), parts.clock(),
                                                  created_by=gate.person().name)
    except BadInput as error:
        return render(_tokens(fault=error.reason)), 400
    return render(_tokens(secret=text.written(), secret_of=token.name))


@pages.post("/tokens/<token_id>/revoke")
@gate.needs("accounts")
def revoke_token(token_id: str) -> Response:
    """Make a token useless."""
    gate.parts().accounts.revoke_token(token_id, gate.parts().clock())
    tell("The token was revoked. Elsewhere it may be good for up to 30 s more.")
    return redirect("/admin/tokens", 303)


def _role(text: str) -> Role:
    if text not in ROLES:
        raise BadInput(f"the role is one of {', '.join(ROLES)}")
    return text


def _users(fault: str) -> UsersPage:
    parts = gate.parts()
    return UsersPage(users=tuple(parts.accounts.users()), roles=tuple(role for role in ROLES if role != "ingest"),
                     me=gate.person().name, fault=fault, now_ns=parts.clock())


def _tokens(*, secret: str = "", secret_of: str = "", fault: str = "") -> TokensPage:
    parts = gate.parts()
    return TokensPage(tokens=tuple(parts.accounts.tokens()), roles=ROLES, secret=secret, secret_of=secret_of, fault=fault,
                      now_ns=parts.clock())
