"""Receivers of notices, and the deliveries to them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from dashboards import gate
from dashboards.alerts.telling import (
    FORMATS,
    make_receiver,
    receiver_json,
    remove_receiver,
    replay_delivery,
    select_deliveries,
    switch_receiver,
    test_receiver,
)
from dashboards.pages import ReceiversPage
from dashboards.render import render, tell
from triage.domain.incident import SEVERITIES
from triage.errors import BadInput
from triage.notify.receivers import all_receivers, last_failure

pages: Final = Blueprint("receivers", __name__)
PAGE: Final = 30
_FORM: Final = ("name", "url", "format", "secret", "severity", "partner", "api")


@pages.get("/receivers")
def index() -> str:
    """Receivers, deliveries, and the form for those who may add one."""
    return render(_page())


@pages.post("/receivers")
def create() -> str | tuple[str, int]:
    """Add a receiver; its secret is on the page that answers, and never again."""
    gate.demand("receivers")
    form = request.form
    sent = {name: form.get(name, "") for name in ("name", "url", "format", "secret")}
    wanted = {"severity": form.getlist("severity"), "partner": form.get("partner", "").split(),
              "api": [line.strip() for line in form.get("api", "").split(",") if line.strip()],
              "restricted": form.get("restricted") == "yes"}
    try:
        receiver, secret = make_receiver(gate.parts(), {**sent, "filter": wanted})
    except BadInput as error:
        return render(_page(fault=error.reason)), 400
    why = gate.parts().unreachable(receiver.url)
    warning = f"Nothing can be sent to {receiver.name} yet: {why}." if why else ""
    return render(_page(secret=secret, secret_of=receiver.name, warning=warning))


@pages.post("/receivers/<receiver_id>/test")
def test(receiver_id: str) -> Response:
    """Send a test now, and say how it went."""
    gate.demand("deliver")
    delivery = test_receiver(gate.parts(), receiver_id)
    last = delivery.attempts[-1] if delivery.attempts else None
    if delivery.state == "delivered" and last:
        tell(f"The test arrived: HTTP {last.status} after {last.seconds:.1f} s.")
    else:
        tell(f"The test did not arrive: {delivery.reason or (last.error if last else 'no attempt was made')}.")
    return redirect("/receivers", 303)


@pages.post("/receivers/<receiver_id>/switch")
def switch(receiver_id: str) -> Response:
    """Tell it again, or no more."""
    gate.demand("receivers")
    on = request.form.get("enabled") == "yes"
    receiver = switch_receiver(gate.parts(), receiver_id, enabled=on, actor=gate.person().name)
    tell(f"{receiver.name} is told again." if on else f"{receiver.name} is told nothing more.")
    return redirect("/receivers", 303)


@pages.post("/receivers/<receiver_id>/delete")
def delete(receiver_id: str) -> Response:
    """Remove it."""
    gate.demand("receivers")
    remove_receiver(gate.parts(), receiver_id)
    tell("The receiver was removed. Its deliveries are kept.")
    return redirect("/receivers", 303)


@pages.post("/deliveries/<delivery_id>/replay")
def replay(delivery_id: str) -> Response:
    """Send a delivery again."""
    gate.demand("deliver")
    replay_delivery(gate.parts(), delivery_id)
    tell("It will be sent again, under the same message ID.")
    return redirect("/receivers#deliveries", 303)


def _page(*, fault: str = "", secret: str = "", secret_of: str = "", warning: str = "") -> ReceiversPage:
    parts, receiver = gate.parts(), request.args.get("receiver", "")
    deliveries: list[dict[str, Any]] = []
    following = None
    if gate.may("deliver"):
        where = [(f"receiver:{receiver}",)] if receiver else []
        deliveries, following = select_deliveries(parts, where, limit=PAGE, cursor=request.args.get("cursor"))
    return ReceiversPage(
        receivers=tuple(receiver_json(kept, failing=last_failure(parts.state, kept.id)) for kept in all_receivers(parts.state)),
        deliveries=tuple(deliveries),
        receiver=receiver, next=f"/receivers?{urlencode({'receiver': receiver, 'cursor': following})}#deliveries"
        if following else "", formats=FORMATS, severities=SEVERITIES, can_manage=gate.may("receivers"),
        can_deliver=gate.may("deliver"), secret=secret, secret_of=secret_of, warning=warning, fault=fault,
        form={name: request.form.get(name, "") if fault else "" for name in _FORM},
        wanted=(*request.form.getlist("severity"), *request.form.getlist("restricted")) if fault else (),
    )
