"""Receivers as documents: made, read, changed, disabled."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from triage.domain.codec import from_body, to_body
from triage.domain.incident import SEVERITIES
from triage.domain.notice import NOTICE_TYPES, Filter, Format, Receiver
from triage.errors import BadInput, Conflict
from triage.notify.formats import PAGERDUTY_URL, PROFILES
from triage.notify.ledger import DELIVERY, read_delivery
from triage.notify.signing import key_of, new_secret
from triage.ports.state import Document, StateStore

RECEIVER: Final = "receiver"
PAGE: Final = 200
MAX_NAME: Final = 100
MAX_URL: Final = 2_048
CHANGE_TRIES: Final = 5
_LAST: Final = 20  # newest deliveries among which the last attempt is looked for


def create_receiver(
    state: StateStore, *, name: str, url: str, form: Format, now_ns: int, secret: str = "",
    wanted: Filter | None = None,
) -> Receiver:
    """Make a receiver. A signed format gets a fresh secret when none is given. Raises BadInput with all faults.

    The caller shows the secret once; later it is in the document only, since each message is signed with it.
    """
    profile = PROFILES.get(form)
    receiver = Receiver(
        id=f"rcv-{secrets.token_hex(6)}", name=name.strip(), url=url or (PAGERDUTY_URL if form == "pagerduty" else ""),
        format=form, secret=secret or (new_secret() if profile and profile.signed else ""),
        filter=wanted or Filter(), created_ns=now_ns,
    )
    check(receiver)
    _put(state, receiver, None)
    return receiver


def check(receiver: Receiver) -> None:
    """Raise BadInput that names everything that is wrong with a receiver, without its URL or secret."""
    faults = [*_name_faults(receiver), *_secret_faults(receiver), *_filter_faults(receiver.filter)]
    faults += [fault for fault in [url_fault(receiver.url)] if fault]
    if faults:
        raise BadInput("; ".join(faults))


def url_fault(url: str) -> str:
    """What is wrong with a receiver's URL, without showing it; empty when nothing is."""
    try:
        parsed = parse_url(url)
    except LocationParseError:
        return "the URL cannot be read"
    if parsed.scheme not in ("http", "https") or not parsed.host:
        return "the URL has to start with https:// (or http://) and name a host"
    if parsed.auth:
        return "the URL may not hold a user name or password"
    return f"the URL is longer than {MAX_URL} characters" if len(url) > MAX_URL else ""


def read_receiver(state: StateStore, receiver_id: str) -> Receiver | None:
    """The receiver, or None."""
    document = state.get(RECEIVER, receiver_id)
    return from_body(Receiver, document.body) if document else None


def all_receivers(state: StateStore) -> list[Receiver]:
    """Every receiver, the newest first."""
    found: list[Receiver] = []
    cursor: str | None = None
    while True:
        page = state.select(RECEIVER, limit=PAGE, cursor=cursor)
        found += [from_body(Receiver, document.body) for document in page.items]
        if page.next is None:
            return found
        cursor = page.next


def last_failure(state: StateStore, receiver_id: str) -> str | None:
    """Why the last attempt at this receiver failed; '' when it arrived, None when there was none."""
    for document in state.select(DELIVERY, [(f"receiver:{receiver_id}",)], limit=_LAST).items:
        delivery = read_delivery(document)
        if delivery.state == "delivered":
            return ""
        error = delivery.attempts[-1].error if delivery.attempts else ""
        if delivery.state == "failed" or error:
            return error or delivery.reason or "not delivered"
    return None


def failing_receivers(state: StateStore) -> list[tuple[str, str]]:
    """Names of the receivers that are on and whose last delivery failed, with the reason."""
    told = [(receiver.name, last_failure(state, receiver.id)) for receiver in all_receivers(state) if receiver.enabled]
    return [(name, reason) for name, reason in told if reason]


def change_receiver(state: StateStore, receiver_id: str, change: Callable[[Receiver], Receiver]) -> Receiver | None:
    """Apply `change` to the present receiver and return it, or None when there is none. Raises BadInput, Conflict."""
    for remaining in reversed(range(CHANGE_TRIES)):
        document = state.get(RECEIVER, receiver_id)
        if document is None:
            return None
        changed = change(from_body(Receiver, document.body))
        check(changed)
        try:
            _put(state, changed, document.version)
        except Conflict:
            if not remaining:
                raise
        else:
            return changed
    return None


def disable_receiver(state: StateStore, receiver_id: str, reason: str) -> None:
    """Tell this receiver nothing more until somebody enables it again."""
    change_receiver(state, receiver_id, lambda receiver: replace(receiver, enabled=False, disabled_reason=reason))


def _put(state: StateStore, receiver: Receiver, version: int | None) -> Document:
    return state.put(RECEIVER, receiver.id, to_body(receiver), version=version, sort=receiver.created_ns)


def _name_faults(receiver: Receiver) -> list[str]:
    return [] if 0 < len(receiver.name) <= MAX_NAME else [f"the name needs 1 to {MAX_NAME} characters"]


def _secret_faults(receiver: Receiver) -> list[str]:
    profile = PROFILES.get(receiver.format)
    if profile is None:
        return [f"the format is one of {', '.join(PROFILES)}"]
    if profile.signed:
        try:
            key_of(receiver.secret)
        except BadInput as error:
            return [error.reason]
    if receiver.format == "pagerduty" and not receiver.secret:
        return ["PagerDuty needs its routing key as the secret"]
    return []


def _filter_faults(wanted: Filter) -> list[str]:
    faults = [f"severity {entry!r} is not one of {', '.join(SEVERITIES)}" for entry in wanted.severity
              if entry not in SEVERITIES]
    return faults + [f"type {entry!r} is not one of {', '.join(NOTICE_TYPES)}" for entry in wanted.types
                     if entry not in NOTICE_TYPES]
