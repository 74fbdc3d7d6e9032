"""The demo's story: what went wrong before `now`, what is wrong at `now`, and what will go wrong while people watch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from triage.simulator import faults as make
from triage.simulator.bank import Bank
from triage.simulator.calls import Call
from triage.simulator.fault_types import NS, Change, Fault
from triage.simulator.traffic import Simulator

MINUTE: Final = 60 * NS
LIVE_DAYS: Final = 14
LIVE_EVERY_S: Final = 240
ABUSER: Final = "tallyhouse"
EXPIRED: Final = "rentright"
_NOTES: Final = (
    (
        "phone",
        "Customer says that the payment in the app ended with an error, and asks whether money was taken.",
    ),
    ("e-mail", "My budgeting app shows 'bank not reachable'. This is what it says on the screen."),
    ("chat", "The customer authorised again yesterday, and still no accounts appear."),
    ("branch", "Shop checkout refused twice; the customer paid by card in the end."),
)
_LIVE_KINDS: Final = (
    "provider_failing",
    "certificate_expired",
    "bad_release",
    "retry_storm",
    "upstream_timeout",
    "instance_down",
    "misroute",
    "slow_dependency",
    "consent_wave",
    "silence",
)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a customer wrote, for POST /api/v1/complaints."""

    query: str
    note: str
    channel: str
    at_ns: int

    def as_request(self) -> dict[str, str]:
        """The body of the request."""
        return {"query": self.query, "note": self.note, "channel": self.channel}


@dataclass(frozen=True, slots=True)
class Story:
    """Faults and changes around `now_ns`; traffic before `begin_ns` is not told."""

    bank: Bank
    seed: int
    begin_ns: int
    now_ns: int
    faults: tuple[Fault, ...]
    changes: tuple[Change, ...]

    def simulator(self) -> Simulator:
        """The traffic of the story; play it from `begin_ns` to `now_ns`, then live."""
        return Simulator(self.seed, self.bank, self.faults, self.changes)

    def changes_between(self, start_ns: int, end_ns: int) -> list[Change]:
        """Changes made in [start_ns, end_ns), in order."""
        return sorted(
            (change for change in self.changes if start_ns <= change.at_ns < end_ns),
            key=lambda change: change.at_ns,
        )

    def complaints(self, simulator: Simulator) -> list[Complaint]:
        """One complaint for each fault so far that failed a call of a present customer, with the ID of that call."""
        found: list[Complaint] = []
        for place, fault in enumerate(self.faults):
            if fault.begin_ns >= self.now_ns:
                continue
            call = next(_victims(simulator, place, fault.begin_ns, min(fault.end_ns, self.now_ns)), None)
            if call is not None:
                channel, text = _NOTES[len(found) % len(_NOTES)]
                query = call.interaction_id
                found.append(
                    Complaint(query, f"{text} Reference: {query}", channel, call.start + call.totals[0])
                )
        return found


def _victims(simulator: Simulator, place: int, begin_ns: int, end_ns: int) -> Iterator[Call]:
    """Failed calls of a fault with a customer at the screen, from its middle on."""
    for call in simulator.calls((begin_ns + end_ns) // 2, end_ns):
        if call.fault == place and call.failure is not None and call.present and call.interaction_id:
            yield call


def story(
    now_ns: int, bank: Bank, *, hours: float = 3.0, seed: int = 20, live_days: int = LIVE_DAYS
) -> Story:
    """The story around `now_ns`: `hours` of past with ended faults, four open at `now`, then one every few minutes.

    Shorter pasts leave out what would begin before them. The live part is `live_days` long.
    """
    begin_ns = now_ns - int(hours * 3600) * NS
    past_faults, past_changes = _past(bank, now_ns)
    open_faults, open_changes = _open(bank, now_ns)
    live_faults, live_changes = _live(bank, now_ns, seed, live_days)
    faults = (
        [fault for fault in past_faults if fault.begin_ns >= begin_ns + 15 * MINUTE]
        + open_faults
        + live_faults
    )
    changes = [change for change in past_changes if change.at_ns >= begin_ns] + open_changes + live_changes
    return Story(bank, seed, begin_ns, now_ns, tuple(faults), tuple(changes))


def _past(bank: Bank, now: int) -> tuple[list[Fault], list[Change]]:
    """Faults that ended over an hour ago, and deployments without effect."""
    faults = [
        make.upstream_timeout(bank, now - 152 * MINUTE, now - 138 * MINUTE),
        make.provider_failing(bank, now - 126 * MINUTE, now - 108 * MINUTE),
        make.flapping(bank, now - 98 * MINUTE, now - 74 * MINUTE),
    ]
    changes = [
        make.innocent_deployment(now - 160 * MINUTE, "card-service", "2.4.0"),
        make.innocent_deployment(now - 101 * MINUTE, "notification-service", "1.9.2"),
        Change(
            "configuration",
            now - 65 * MINUTE,
            api="GET /open-banking/v4.0/aisp/accounts",
            version="rate-limit-700",
            by="gateway-team",
        ),
    ]
    return faults, changes


def _open(bank: Bank, now: int) -> tuple[list[Fault], list[Change]]:
    """What is wrong when the console is opened for the first time."""
    release, changes = make.bad_release(bank, now - 14 * MINUTE, now + 12 * MINUTE)
    faults = [
        make.enumeration(bank, now - 25 * MINUTE, now + 30 * MINUTE, ABUSER),
        make.certificate_expired(bank, now - 21 * MINUTE, now + 45 * MINUTE, EXPIRED),
        release,
        make.misroute(bank, now - 8 * MINUTE, now + 9 * MINUTE, "uk-consent-status"),
    ]
    return faults, [make.innocent_deployment(now - 11 * MINUTE, "consent-service", "3.11.3"), *changes]


def _live(bank: Bank, now: int, seed: int, days: int) -> tuple[list[Fault], list[Change]]:
    """A fault every few minutes, each kind once before any comes again, and a harmless deployment after every fifth. No two kinds
    are of one service, since they overlap, and what fails in one service at one time is one problem."""
    rng = np.random.default_rng([seed, 5])
    faults: list[Fault] = []
    changes: list[Change] = []
    kinds: list[str] = []
    for place in range(days * 86400 // LIVE_EVERY_S):
        if not kinds:
            kinds = [_LIVE_KINDS[choice] for choice in rng.permutation(len(_LIVE_KINDS))]
        begin = now + (place * LIVE_EVERY_S + 150 + int(rng.integers(0, 60))) * NS
        fault, made = _live_fault(bank, kinds.pop(), begin, begin + int(rng.integers(200, 420)) * NS, place)
        faults.append(fault)
        changes += made
        if place % 5 == 4:
            changes.append(make.innocent_deployment(begin + 45 * NS, "notification-service", f"1.10.{place}"))
    return faults, changes


def _live_fault(
    bank: Bank,
    kind: str,
    begin: int,
    end: int,
    place: int,
) -> tuple[Fault, Sequence[Change]]:
    troubled = {ABUSER, EXPIRED}  # already wrong when the live part begins
    busy = [partner for partner in bank.partners[:12] if partner.id not in troubled]
    partner = busy[place * 3 % len(busy)].id  # never the same twice running
    if kind == "bad_release":
        service = ("accounts-service", "payments-service")[place % 2]
        return make.bad_release(
            bank, begin, end, service=service, version=f"{bank.service(service).version}-rc{place}"
        )
    if kind == "misroute":
        routes = ("uk-balances", "bg-transactions", "uk-payment-status", "uk-accounts")
        return make.misroute(bank, begin, end, routes[place % len(routes)]), ()
    if kind == "retry_storm":
        return make.retry_storm(bank, begin, end, partner, bank.apis_of(partner)[0]), ()
    if kind == "consent_wave":
        reader = next(item.id for item in busy[place % 6 :] if "AISP" in item.roles)
        return make.consent_wave(bank, begin, end, reader), ()
    return _plain_fault(bank, kind, begin, end, partner), ()


def _plain_fault(bank: Bank, kind: str, begin: int, end: int, partner: str) -> Fault:
    if kind == "certificate_expired":
        return make.certificate_expired(bank, begin, end, partner)
    if kind == "silence":
        return make.silence(bank, begin, end, partner)
    if kind == "provider_failing":
        return make.provider_failing(bank, begin, end)
    if kind == "upstream_timeout":
        return make.upstream_timeout(bank, begin, end)
    if kind == "instance_down":
        return make.instance_down(bank, begin, end)
    return make.slow_dependency(bank, begin, end, "consent-service", 40, creeping=False)
