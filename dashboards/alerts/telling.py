"""Receivers and deliveries as pages and scripts see them: never with a URL's secret part or a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from dashboards.pages import NoticeRow
from dashboards.parts import Parts
from dashboards.words import short_time
from triage.domain.codec import from_body
from triage.domain.incident import Incident
from triage.domain.notice import Delivery, Filter, Format, Receiver
from triage.domain.windows import rfc3339
from triage.errors import BadInput
from triage.notify.receivers import all_receivers, change_receiver, create_receiver, read_receiver
from triage.notify.silences import Silence, covering, silences_since

FORMATS: Final[tuple[str, ...]] = get_args(Format)
_FILTER_FIELDS: Final = ("severity", "partner", "api", "types")
_FIELDS: Final = frozenset({"name", "url", "format", "secret", "enabled", "filter"})
_TONES: Final = {"delivered": "told", "pending": "", "failed": "bad", "dropped": "held"}
_WORDS: Final = {"delivered": "told", "pending": "not told yet", "failed": "could not tell", "dropped": "held back"}


def receiver_json(receiver: Receiver, secret: str = "", failing: str | None = None) -> dict[str, Any]:
    """A receiver in the JSON of the interface. `failing`: see `last_failure`. The URL is cut behind its host, since a
    chat's URL is a credential by itself."""
    body: dict[str, Any] = {
        "id": receiver.id, "name": receiver.name, "url": shown_url(receiver.url), "format": receiver.format,
        "enabled": receiver.enabled, "failing": failing or None, "tried": failing is not None,
        "disabled_reason": receiver.disabled_reason or None,
        "filter": {**{name: getattr(receiver.filter, name) for name in _FILTER_FIELDS},
                   "restricted": receiver.filter.restricted},
        "created": rfc3339(receiver.created_ns),
    }
    return {**body, "secret": secret} if secret else body


def shown_url(url: str) -> str:
    """'https://host/…'."""
    pieces = urlsplit(url)
    return f"{pieces.scheme}://{pieces.netloc}" + ("/…" if pieces.path.strip("/") or pieces.query else "")


def make_receiver(parts: Parts, sent: Mapping[str, Any]) -> tuple[Receiver, str]:
    """A new receiver and its secret, to be shown this once. Raises BadInput."""
    if unknown := sent.keys() - _FIELDS:
        raise BadInput(f"A receiver has no field {', '.join(sorted(unknown))}.")
    receiver = create_receiver(
        parts.state, name=_text(sent, "name"), url=_text(sent, "url"), form=_format(sent), now_ns=parts.clock(),
        secret=_text(sent, "secret"), wanted=filter_of(sent.get("filter") or {}),
    )
    if sent.get("enabled") is False:
        change_receiver(parts.state, receiver.id, lambda kept: replace(kept, enabled=False, disabled_reason="made so"))
    return receiver, receiver.secret


def switch_receiver(parts: Parts, receiver_id: str, *, enabled: bool, actor: str) -> Receiver:
    """Tell a receiver again, or no more. Raises KeyError."""
    reason = "" if enabled else f"switched off by {actor}"
    changed = change_receiver(
        parts.state, receiver_id, lambda kept: replace(kept, enabled=enabled, disabled_reason=reason))
    if changed is None:
        raise KeyError(f"receiver {receiver_id}")
    return changed


def remove_receiver(parts: Parts, receiver_id: str) -> None:
    """Remove a receiver; its deliveries stay. Raises KeyError, Conflict."""
    doc = parts.state.get("receiver", receiver_id)
    if doc is None:
        raise KeyError(f"receiver {receiver_id}")
    parts.state.delete("receiver", receiver_id, version=doc.version)


def test_receiver(parts: Parts, receiver_id: str) -> Delivery:
    """Send a test now. Raises KeyError."""
    if read_receiver(parts.state, receiver_id) is None:
        raise KeyError(f"receiver {receiver_id}")
    return parts.send_test(receiver_id)


def replay_delivery(parts: Parts, delivery_id: str) -> Delivery:
    """Send a delivery again. Raises KeyError, NotAllowed."""
    if parts.state.get("delivery", delivery_id) is None:
        raise KeyError(f"delivery {delivery_id}")
    return parts.replay(delivery_id)


def filter_of(sent: Any) -> Filter:
    """What a receiver wants, from JSON. Raises BadInput."""
    if not isinstance(sent, Mapping):
        raise BadInput("`filter` is an object with severity, partner, api, types: lists of words.")
    lists: dict[str, list[str]] = {}
    for name in _FILTER_FIELDS:
        value = sent.get(name) or []
        entries = [value] if isinstance(value, str) else value
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise BadInput(f"`filter.{name}` is a list of words.")
        lists[name] = entries
    return Filter(**lists, restricted=sent.get("restricted") is True)


def select_deliveries(
    parts: Parts, where: Sequence[Sequence[str]], *, limit: int, cursor: str | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    """Deliveries as JSON, newest first, and the cursor of the next page."""
    page = parts.state.select("delivery", where, limit=limit, cursor=cursor)
    names = {receiver.id: receiver.name for receiver in all_receivers(parts.state)}
    return [delivery_json(from_body(Delivery, doc.body), names) for doc in page.items], page.next


def delivery_json(delivery: Delivery, names: Mapping[str, str]) -> dict[str, Any]:
    """A delivery in the JSON of the interface."""
    last = delivery.attempts[-1] if delivery.attempts else None
    return {
        "id": delivery.id, "receiver": delivery.receiver_id, "receiver_name": names.get(delivery.receiver_id, ""),
        "incident_id": delivery.incident_id, "type": delivery.type, "state": delivery.state,
        "at": rfc3339(delivery.created_ns), "webhook_id": delivery.webhook_id, "tries": delivery.tries,
        "next_at": rfc3339(delivery.next_at_ns) if delivery.state == "pending" and delivery.next_at_ns else None,
        "status": last.status if last else None, "reason": delivery.reason or (last.error if last else "") or None,
        "attempts": [{"at": rfc3339(a.at_ns), "status": a.status, "error": a.error or None, "seconds": round(a.seconds, 3)}
                     for a in delivery.attempts],
    }


def incident_notices(parts: Parts, incident: Incident) -> tuple[NoticeRow, ...]:
    """What was told of an incident, to whom, and what was held back and why, oldest first."""
    page = parts.state.select("delivery", [(f"incident:{incident.id}",)], limit=200)
    names = {receiver.id: receiver.name for receiver in all_receivers(parts.state)} if page.items else {}
    rows = [_notice_row(from_body(Delivery, doc.body), names) for doc in page.items]
    planned = {doc.body.get("notice_id") for doc in page.items}
    waits = _waits(parts, incident)
    rows += [NoticeRow(notice.at_ns, _type_words(notice.type), "", "nobody wanted it" if notice.sent else waits, "held")
             for notice in incident.notices if notice.id not in planned]
    return tuple(sorted(rows, key=lambda row: row.at_ns))


def silenced(parts: Parts, incident: Incident) -> Silence | None:
    """The silence that holds the notices of an incident back now."""
    now = parts.clock()
    return covering(silences_since(parts.state, now), incident, now)


def silenced_json(parts: Parts, incident: Incident) -> dict[str, Any] | None:
    """The same in the JSON of the interface."""
    found = silenced(parts, incident)
    return {"until": rfc3339(found.until_ns), "by": found.by, "reason": found.reason or None} if found else None


def silenced_words(parts: Parts, incident: Incident) -> str:
    """The same in a sentence; '' when nothing is held back."""
    found = silenced(parts, incident)
    if found is None:
        return ""
    why = f" ({found.reason})" if found.reason else ""
    return f"Notices are held back until {short_time(found.until_ns, parts.clock())} UTC: silence by {found.by or 'somebody'}{why}."


def _waits(parts: Parts, incident: Incident) -> str:
    """What an unsent notice waits for."""
    silence = silenced(parts, incident)
    if silence is None:
        return "waiting to be sent"
    return f"held back until {short_time(silence.until_ns, parts.clock())} UTC by a silence" + (
        f" ({silence.reason})" if silence.reason else "")


def _notice_row(delivery: Delivery, names: Mapping[str, str]) -> NoticeRow:
    last = delivery.attempts[-1] if delivery.attempts else None
    detail = _type_words(delivery.type)
    if delivery.state == "delivered" and last:
        detail += f", {last.seconds:.1f} s"
    elif reason := delivery.reason or (last.error if last else ""):
        detail += f": {reason}"
    at = last.at_ns if last else delivery.created_ns
    receiver = names.get(delivery.receiver_id, delivery.receiver_id)
    return NoticeRow(at, detail, receiver, _WORDS[delivery.state], _TONES[delivery.state])


def _type_words(notice_type: str) -> str:
    return notice_type.removeprefix("incident.").replace(".", " ")


def _text(sent: Mapping[str, Any], name: str) -> str:
    value = sent.get(name) or ""
    if not isinstance(value, str):
        raise BadInput(f"`{name}` is a text.")
    return value.strip()


def _format(sent: Mapping[str, Any]) -> Any:
    value = _text(sent, "format") or "native"
    if value not in FORMATS:
        raise BadInput(f"`format` is one of {', '.join(FORMATS)}.")
    return value
