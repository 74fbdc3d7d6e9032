"""Receivers and deliveries as JSON."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, request

from dashboards import gate
from dashboards.alerts.telling import (
    delivery_json,
    make_receiver,
    receiver_json,
    remove_receiver,
    replay_delivery,
    select_deliveries,
    switch_receiver,
    test_receiver,
)
from dashboards.api.common import PREFIX, body, cursor, limit, listed
from triage.domain.notice import DELIVERY_STATES
from triage.errors import BadInput
from triage.notify.receivers import all_receivers, last_failure

api: Final = Blueprint("api_receivers", __name__, url_prefix=PREFIX)


@api.get("/receivers")
def index() -> dict[str, Any]:
    """All receivers, without secrets."""
    state = gate.parts().state
    return listed([receiver_json(receiver, failing=last_failure(state, receiver.id)) for receiver in all_receivers(state)])


@api.post("/receivers")
def create() -> tuple[dict[str, Any], int]:
    """Add one; the answer holds its secret, which is never shown again."""
    gate.demand("receivers")
    receiver, secret = make_receiver(gate.parts(), body())
    return {**receiver_json(receiver, secret), "warning": gate.parts().unreachable(receiver.url) or None}, 201


@api.patch("/receivers/<receiver_id>")
def switch(receiver_id: str) -> dict[str, Any]:
    """Switch one on or off: `{"enabled": false}`."""
    gate.demand("receivers")
    enabled = body().get("enabled")
    if not isinstance(enabled, bool):
        raise BadInput("Send `enabled`, true or false.")
    receiver = switch_receiver(gate.parts(), receiver_id, enabled=enabled, actor=gate.person().name)
    return receiver_json(receiver, failing=last_failure(gate.parts().state, receiver.id))


@api.delete("/receivers/<receiver_id>")
def delete(receiver_id: str) -> tuple[str, int]:
    """Remove one."""
    gate.demand("receivers")
    remove_receiver(gate.parts(), receiver_id)
    return "", 204


@api.post("/receivers/<receiver_id>/test")
def test(receiver_id: str) -> dict[str, Any]:
    """Send a test now; the answer is its delivery."""
    gate.demand("deliver")
    return delivery_json(test_receiver(gate.parts(), receiver_id), {})


@api.get("/deliveries")
def deliveries() -> dict[str, Any]:
    """Deliveries, newest first; `?receiver=` and `?incident=` narrow them."""
    gate.demand("deliver")
    if (state := request.args.get("state", "")) and state not in DELIVERY_STATES:
        raise BadInput(f"`state` is one of {', '.join(DELIVERY_STATES)}.")
    where = [(f"{name}:{value}",) for name in ("receiver", "incident", "state") if (value := request.args.get(name))]
    items, following = select_deliveries(gate.parts(), where, limit=limit(), cursor=cursor())
    return listed(items, following)


@api.post("/deliveries/<delivery_id>/replay")
def replay(delivery_id: str) -> dict[str, Any]:
    """Send one again, under the same message ID."""
    gate.demand("deliver")
    return delivery_json(replay_delivery(gate.parts(), delivery_id), {})
