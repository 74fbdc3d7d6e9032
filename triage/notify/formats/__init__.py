"""In: Message. Out: the body that a kind of receiver understands. One file each, same `render(message, base_url)`.

A new kind: copy the nearest file, add it to `PROFILES` and `triage.domain.notice.Format`, and record its golden bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from triage.domain.incident import Json
from triage.domain.notice import Format, Message
from triage.notify.formats import alertmanager, native, pagerduty, slack, teams

PAGERDUTY_URL: Final = "https://events.pagerduty.com/v2/enqueue"


@dataclass(frozen=True, slots=True)
class Profile:
    """How a kind of receiver is told. `signed`: with Standard Webhooks headers, keyed by the receiver's secret."""

    render: Callable[[Message, str], Json]
    signed: bool


PROFILES: Final[Mapping[Format, Profile]] = {
    "native": Profile(native.render, signed=True),
    "alertmanager": Profile(alertmanager.render, signed=True),
    "pagerduty": Profile(pagerduty.render, signed=False),  # its secret is the routing key, in the body
    "slack": Profile(slack.render, signed=False),  # its secret is the URL
    "teams": Profile(teams.render, signed=False),
}
