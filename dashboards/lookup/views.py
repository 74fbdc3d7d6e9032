"""The complaint desk: any ID in, an answer out that support can read to the customer; and the register of complaints."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from dashboards import gate
from dashboards.lookup.answer import Result, look_up
from dashboards.lookup.complaints import register
from dashboards.lookup.ids import candidates
from dashboards.lookup.words import side_sentence
from dashboards.pages import LookupPage
from dashboards.render import render

pages: Final = Blueprint("lookup", __name__)
_CARRIED: Final = 3  # likely IDs of a pasted mail that go into the address


@pages.get("/lookup")
def ask() -> str:
    """The form, and the answer when something was asked."""
    query = request.args.get("q", "").strip()
    return render(_page(look_up(gate.parts(), query, gate.kept()) if query else None))


@pages.post("/lookup")
def paste() -> Response | str:
    """Pasted text: only what may be an ID goes into the address, so that no personal data do."""
    text = request.form.get("q", "").strip()
    guesses = candidates(text)
    if len(text) < 80 and "\n" not in text and "@" not in text and " " not in text:
        return redirect(url_for("lookup.ask", q=text), 303)
    if not guesses:
        return render(_page(look_up(gate.parts(), text, gate.kept()) if text else None))
    result = look_up(gate.parts(), text, gate.kept())
    words = [result.matched_value] if result.matched_value else [guess.written for guess in guesses[:_CARRIED]]
    return redirect(url_for("lookup.ask", q=" ".join(words)), 303)


@pages.post("/lookup/complaints")
def complain() -> Response:
    """Register a complaint, then show the answer again with its number."""
    gate.demand("complain")
    complaint = register(gate.parts(), gate.arguments(), gate.kept())
    return redirect(url_for("lookup.ask", q=request.form.get("query", ""), registered=complaint["id"]), 303)

def _page(result: Result | None) -> LookupPage:
    incident = result.incident if result else None
    return LookupPage(
        query=result.query if result else "", asked=result is not None,
        matched_kind=result.matched_kind if result else "", matched_value=result.matched_value if result else "",
        answer=result.answer if result else None,
        side_words=side_sentence(result.answer.whose_side, result.found) if result else "",
        incident_id=incident.id if incident else "",
        hops=result.hops if result else (), calls=result.calls if result else (),
        trace_id=result.trace_id if result else "", can_complain=gate.may("complain"),
        registered=request.args.get("registered", ""), now_ns=gate.parts().clock(),
    )
