"""What the console is made of: the seams it reads and acts through. The bootstrap fills them in; tests fill in doubles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from triage.accounts.accounts import Accounts
from triage.accounts.sessions import Sessions
from triage.domain.incident import Incident
from triage.domain.notice import Delivery
from triage.ports.records import RecordStore
from triage.ports.state import StateStore


class Actions(Protocol):
    """What people do to incidents. One call is one compare-and-set change."""

    def __call__(
        self, incident_id: str, action: str, version: int | None, actor: str, **args: Any,
    ) -> Incident:
        """Act and return the incident as it then is. `args`: reason, assignee, until_ns, text, into, groups.

        `version=None` means whatever version there is (a person's click on a page that is a moment old).
        Raises Conflict when the version is stale, NotAllowed, BadInput, KeyError when there is no such incident.
        """
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that `create_app` needs. `counters` gives duplicates, rejected {reason: n}, masked, lag_s, sources."""

    records: RecordStore
    state: StateStore
    accounts: Accounts
    sessions: Sessions
    act: Actions
    replay: Callable[[str], Delivery]  # by delivery ID; raises NotAllowed
    send_test: Callable[[str], Delivery]  # by receiver ID; raises NotAllowed
    clock: Callable[[], int]
    counters: Callable[[], dict[str, Any]]
    version: str
    store: str  # what the store is called, such as 'embedded'
    ready: Callable[[], list[str]]  # reasons why not
    partner_name: Callable[[str], str]
    mask_text: Callable[[str], str]  # masks what people type before it is kept
    refused: Callable[[str], str | None]  # the reason why a record with this ID was refused, where that is known
    unreachable: Callable[[str], str]  # why nothing can be sent to a receiver's URL as things are; '' when it can
    back_up: Callable[[Path], dict[str, Any]] | None = None  # into a new folder of this machine; None on Elasticsearch


@dataclass(frozen=True, slots=True)
class Kept:
    """How long things are kept, days: records (the longest of the signals), and the hashes of their IDs."""

    retention_days: int = 30
    ledger_days: int = 396


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """How the console behaves."""

    base_url: str  # without a slash at the end
    secret_key: str
    session_hours: int = 12
    secure_cookie: bool = False
    kept: Kept = Kept()
