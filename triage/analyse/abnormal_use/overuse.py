"""Abnormal partner use that shows in calls that succeed: too many places, customers, accesses or calls (OWASP API Security Top 10
2023: API2, API4, API5).

Places and customers: how many a partner was never seen with before, among its calls, against its own past (`triage.analyse.episodes`).
A partner's batch goes through customers that it is known with, and new customers come with new consents; customers are judged when the
partner is known for a day. Unattended accesses: hours of a
UTC day in which the same access was made without the customer (RTS 2018/389, article 36(5): four a day). Limits and roles are those
that the partner directory agrees with the partner. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import poisson

from triage.analyse.abnormal_use.signs import Sign
from triage.analyse.abnormal_use.usage import Hashes, exploded
from triage.analyse.episodes import Sure, episodes
from triage.analyse.rows import CallRows, Counts, Traffic, sums
from triage.domain.windows import MINUTE_NS

PLACES: Final = Sure(1e-7, 10)
CUSTOMERS: Final = Sure(1e-12, 25)
MANY_NEW: Final = 100
"""New customers that a bulk extraction has at least."""
NEW_SHARE: Final = 0.5
"""Of all customers of the time, so many are new in an extraction."""
CONSENTED: Final = 0.5
"""New customers for whom a consent was made in the same time: a partner that grows has one for each."""
OVER: Final = 1.1
OVER_MINUTES: Final = 3
PER_DAY: Final = 4
LEAST_OVER: Final = 8
OVER_SHARE: Final = 0.3
PEER_FACTOR: Final = 3.0
LEAST_OUTSIDE: Final = 5
MOST_CUSTOMERS: Final = 512
"""Customers that are remembered of each partner: those with the smallest hashes."""
_DAY: Final = 1440
_HOUR: Final = 60
_GAP: Final = 20
_FAMILIES: Final = (
    ("/aisp/", "AISP"), ("/pisp/", "PISP"), ("/cbpii/", "CBPII"), ("/vrp/", "PISP"), ("/funds-confirmations", "CBPII"),
    ("payments", "PISP"), ("/accounts", "AISP"), ("/card-accounts", "AISP"),
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the directory agrees with a partner. No roles, 0 calls: nothing is agreed."""

    roles: frozenset[str] = frozenset()
    calls_per_minute: int = 0
    calls_per_day: int = 0


@dataclass(frozen=True, slots=True)
class Agreed:
    """Terms by partner, and how often a day an access may be made without the customer."""

    terms: Mapping[str, Terms] = field(default_factory=dict)
    unattended_per_day: int = PER_DAY


def role_of(route: str) -> str:
    """The role that a route of UK Open Banking or NextGenPSD2 asks for; '' where none is known."""
    return next((role for part, role in _FAMILIES if part in route), "")


@dataclass(frozen=True, slots=True)
class Use:
    """The use roll-up by partner: for each column of samples the minute (from `start` on) and hash of every entry."""

    start: int
    minutes: int
    samples: Mapping[str, Mapping[str, tuple[Hashes, Hashes]]]  # column -> partner -> (minute, hash)
    tokens: Mapping[str, Counts]
    attended: int

    @classmethod
    def of(cls, rows: pa.Table, start: int, end: int) -> Use:
        """From a table of `USE_SCHEMA`; minutes [start, end)."""
        rows = rows.combine_chunks()
        at = rows.column("minute").to_numpy() - start
        encoded = pc.dictionary_encode(rows.column("partner").combine_chunks())
        names, code = encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)
        given = np.bincount(code * (end - start) + at, weights=rows.column("tokens").to_numpy(), minlength=len(names) * (end - start))
        tokens = dict(zip(names, given.reshape(len(names), end - start), strict=True))
        samples: dict[str, dict[str, tuple[Hashes, Hashes]]] = {}
        for column in ("customers", "unattended", "places"):
            row, value = exploded(rows, column)
            order = np.argsort(code[row], kind="stable")
            bounds = np.searchsorted(code[row][order], np.arange(len(names) + 1))
            samples[column] = {
                name: (at[row[mine]], value[mine])
                for place, name in enumerate(names) if len(mine := order[bounds[place] : bounds[place + 1]])
            }
        return cls(start, end - start, samples, tokens, int(rows.column("attended").to_numpy().sum()))


def overuse_signs(
    use: Use, calls: CallRows, traffic: Traffic, known: Mapping[str, Mapping[str, Any]], agreed: Agreed,
) -> list[Sign]:
    """`known`: partner -> what it was seen with before the roll-ups (see `triage.analyse.abnormal_use.known_use`)."""
    signs: list[Sign] = []
    for partner in use.tokens:
        if partner not in traffic.of_partner:
            continue
        signs += _places(use, partner, calls, traffic, _before(known, partner, "places", use.start))
        since = min(known.get(partner, {}).get("apis", {}).values(), default=use.start + int(np.argmax(traffic.of_partner[partner] > 0)))
        signs += _customers(use, partner, calls, traffic, _before(known, partner, "customers", use.start), since)
        signs += _limits(partner, calls, traffic, agreed.terms.get(partner, Terms()))
        signs += _outside(partner, calls, agreed.terms.get(partner, Terms()))
    return [*signs, *_unattended(use, calls, agreed.unattended_per_day)]


def _before(known: Mapping[str, Mapping[str, Any]], partner: str, what: str, start: int) -> list[int]:
    """The hashes that the partner was seen with before a minute."""
    return [hash_ for hash_, minute in known.get(partner, {}).get(what, ()) if minute < start]


def _fresh(samples: tuple[Hashes, Hashes], minutes: int, known: Sequence[int]) -> tuple[Counts, Hashes, Hashes]:
    """Things first seen in each minute, shape (minutes,), and of each thing its first minute and hash. The order of time counts."""
    at, value = samples
    order = np.lexsort((at, value))
    at, value = at[order], value[order]
    first = np.ones(len(value), bool)
    first[1:] = value[1:] != value[:-1]
    new = first & ~np.isin(value, np.asarray(known, np.int64))
    return np.bincount(at[new], minlength=minutes).astype(float), at[new], value[new]


def _places(use: Use, partner: str, calls: CallRows, traffic: Traffic, known: Sequence[int]) -> Iterator[Sign]:
    samples = use.samples["places"].get(partner)
    if samples is None:
        return
    events, new_at, fresh = _fresh(samples, use.minutes, known)
    mine = traffic.of_partner[partner]
    for episode in episodes(events, mine, int(np.argmax(mine > 0)) + 30, PLACES) if events.sum() >= PLACES.events else []:
        seen = (samples[0] >= episode.first) & np.isin(samples[1], fresh[new_at >= episode.first])
        first, last = episode.first, int(samples[0][seen].max(initial=episode.last))
        here = set(samples[1][(samples[0] >= first) & (samples[0] <= last)].tolist())
        before = set(samples[1][samples[0] < first].tolist()) | set(known)
        if len(here - before) < PLACES.events:
            continue
        yield Sign(
            "places", partner, (use.start + first) * MINUTE_NS, (use.start + last + 1) * MINUTE_NS - 1,
            "is called in from many new networks",
            f"used its credential from {len(here)} networks within {last - first + 1} min, {len(here - before)} of them never seen before; "
            f"until then it came from {len(before)}. This looks like a credential in other hands.",
            [f"{len(here - before)} networks that this partner never used within {last - first + 1} min; {len(before)} were known"],
            grown_apis(calls, partner, use.start + first, use.start + last), severity="high",
        )


def _customers(
    use: Use, partner: str, calls: CallRows, traffic: Traffic, known: Sequence[int], since: int,
) -> Iterator[Sign]:
    """`since`: the minute from which the partner is known; on its first day nearly every customer is new."""
    samples = use.samples["customers"].get(partner)
    if samples is None:
        return
    at, value = _whole(samples)
    if len(known) >= MOST_CUSTOMERS and len(value):
        at, value = at[value <= max(known)], value[value <= max(known)]
    events, first_at, _ = _fresh((at, value), use.minutes, known)
    scale = 2.0**32 / max(int(value.max(initial=1)), 1) if len(value) < len(samples[1]) else 1.0
    mine = traffic.of_partner[partner]
    begin = max(since + _DAY - use.start, 0)
    for episode in episodes(events, mine, begin, CUSTOMERS) if events[begin:].sum() >= CUSTOMERS.events else []:
        inside = (at >= episode.first) & (at <= episode.last)
        all_now = len(set(value[inside].tolist()))
        new_now = int(((first_at >= episode.first) & (first_at <= episode.last)).sum())
        new = new_now * scale
        consents = _consents_made(calls, partner, use.start + episode.first, use.start + episode.last)
        if new < MANY_NEW or new_now < NEW_SHARE * all_now or consents >= CONSENTED * new:
            continue
        minutes = episode.last - episode.first + 1
        yield Sign(
            "customers", partner, (use.start + episode.first) * MINUTE_NS, (use.start + episode.last + 1) * MINUTE_NS - 1,
            "reads the data of very many customers that it never asked for before",
            f"read the data of about {new:,.0f} customers that it never asked for before in {minutes} min, where "
            f"{episode.usual * scale:,.0f} are usual. This looks like bulk extraction.",
            [f"about {new:,.0f} customers for the first time within {minutes} min; {episode.usual * scale:,.0f} are usual in that time",
             f"{consents:,} consents were made in the same time"],
            grown_apis(calls, partner, use.start + episode.first, use.start + episode.last), severity="high",
        )


def _whole(samples: tuple[Hashes, Hashes], kept: int = 64) -> tuple[Hashes, Hashes]:
    """The entries below the hash up to which every minute's sample is whole, so that minutes can be compared."""
    at, value = samples
    count = np.bincount(at)
    full = np.flatnonzero(count >= kept)
    if not len(full):
        return at, value
    limit = min(int(value[at == minute].max()) for minute in full)
    return at[value <= limit], value[value <= limit]


def _consents_made(calls: CallRows, partner: str, first: int, last: int) -> int:
    mine = (calls.partner == partner) & calls.between(first - 10, last)
    made = [api.startswith("POST ") and "consent" in api for api in calls.api[mine]]
    return int(calls.calls[mine][np.array(made, bool)].sum()) if made else 0


def grown_apis(calls: CallRows, partner: str, first: int, last: int) -> dict[str, int]:
    """The partner's APIs with far more calls than before, by more than chance; all that it used when none grew so."""
    mine = calls.partner == partner
    during, before = mine & calls.between(first, last), mine & (calls.minute < first)
    now, then = sums(calls.api[during], calls.calls[during]), sums(calls.api[before], calls.calls[before])
    start = int(calls.minute[mine].min(initial=first))
    share = (last - first + 1) / max(first - start, last - first + 1)
    grown = {
        api: count for api, count in now.items()
        if count >= 2 * (usual := then.get(api, 0) * share) + 5 and poisson.sf(count - 1, max(1.5 * usual, 0.1)) < 1e-6
    }
    return grown or now


def _limits(partner: str, calls: CallRows, traffic: Traffic, terms: Terms) -> Iterator[Sign]:
    mine = traffic.of_partner[partner]
    if terms.calls_per_minute:
        over = np.flatnonzero(mine > OVER * terms.calls_per_minute)
        for run in np.split(over, np.flatnonzero(np.diff(over) > _GAP) + 1):
            if len(run) >= OVER_MINUTES:
                peak = mine[run].max()
                yield _limit(partner, calls, traffic, int(run[0]), int(run[-1]),
                             f"{peak:,.0f} calls a minute, agreed are {terms.calls_per_minute:,}")
    if terms.calls_per_day:
        day = (traffic.start + len(mine) - 1) // _DAY * _DAY
        first = max(day - traffic.start, 0)
        made = np.cumsum(mine[first:])
        beyond = np.flatnonzero(made > OVER * terms.calls_per_day)
        if len(beyond):
            yield _limit(partner, calls, traffic, first + int(beyond[0]), len(mine) - 1,
                         f"{made[-1]:,.0f} calls today, agreed are {terms.calls_per_day:,}")


def _limit(partner: str, calls: CallRows, traffic: Traffic, first: int, last: int, numbers: str) -> Sign:
    since, until = traffic.start + first, traffic.start + last
    return Sign(
        "limit", partner, since * MINUTE_NS, (until + 1) * MINUTE_NS - 1, "calls more often than was agreed",
        f"goes beyond the agreed traffic: {numbers}.", [f"{numbers}, over {last - first + 1} min"],
        grown_apis(calls, partner, since, until), severity="low",
    )


def _outside(partner: str, calls: CallRows, terms: Terms) -> Iterator[Sign]:
    """Calls on APIs for which the partner has no role, whether they were refused or not."""
    if not terms.roles:
        return
    mine = calls.partner == partner
    outside = {api for api in set(calls.api[mine].tolist()) if (role := role_of(api)) and role not in terms.roles}
    if not outside:
        return
    rows = np.flatnonzero(mine & np.isin(calls.api, list(outside)))
    number = int(calls.calls[rows].sum())
    if number < LEAST_OUTSIDE:
        return
    first, last = int(calls.minute[rows].min()), int(calls.minute[rows].max())
    yield Sign(
        "role", partner, first * MINUTE_NS, (last + 1) * MINUTE_NS - 1, "calls APIs that it has no role for",
        f"made {number:,} calls on {len(outside)} APIs that ask for another role than its own ({', '.join(sorted(terms.roles))}).",
        [f"{number:,} calls on APIs for {', '.join(sorted({role_of(api) for api in outside}))}"],
        sums(calls.api[rows], calls.calls[rows]), severity="high",
    )


def _unattended(use: Use, calls: CallRows, per_day: int) -> Iterator[Sign]:
    """Partners many of whose accesses were made, without the customer, in more hours of the day than are allowed."""
    if not use.attended or not per_day:
        return  # the gateway does not say whether the customer is there
    day = (use.start + use.minutes - 1) // _DAY * _DAY - use.start
    of_partner: dict[str, _Unattended] = {}
    for partner, (at, value) in use.samples["unattended"].items():
        today = at >= day
        if today.any():
            of_partner[partner] = _often(*_whole((at[today], value[today])), per_day)
    for partner, seen in of_partner.items():
        others = [o.share for name, o in of_partner.items() if name != partner and o.accesses >= 2 * LEAST_OVER]
        usual = float(np.median(others)) if others else 0.0
        if seen.often < LEAST_OVER or seen.share < max(OVER_SHARE, PEER_FACTOR * usual):
            continue
        first, last = use.start + seen.first, use.start + seen.last
        yield Sign(
            "unattended", partner, first * MINUTE_NS, (last + 1) * MINUTE_NS - 1, "reads data without the customer too often",
            f"made {seen.often:,} of {seen.accesses:,} accesses without the customer more than {per_day} times today ({seen.share:.0%}; "
            f"of other partners {usual:.0%}).",
            [f"{seen.share:.0%} of its accesses without the customer were made in more than {per_day} hours of the day; "
             f"{usual:.0%} are usual"],
            grown_apis(calls, partner, use.start + seen.began, last), severity="low",
        )


@dataclass(frozen=True, slots=True)
class _Unattended:
    """Different accesses without the customer and those made too often; the minutes in which these began, were first too often, ended."""

    accesses: int
    often: int
    began: int
    first: int
    last: int

    @property
    def share(self) -> float:
        """Of all accesses, those made too often."""
        return self.often / max(self.accesses, 1)


def _often(at: Hashes, value: Hashes, per_day: int) -> _Unattended:
    """Accesses made in more than `per_day` hours; `at` counts minutes, `value` says which access."""
    order = np.lexsort((at, value))
    at, value = at[order], value[order]
    fresh = np.ones(len(value), bool)
    fresh[1:] = (value[1:] != value[:-1]) | (at[1:] // _HOUR != at[:-1] // _HOUR)
    keys, starts, counts = np.unique(value[fresh], return_index=True, return_counts=True)
    over = counts > per_day
    if not over.any():
        return _Unattended(len(keys), 0, 0, 0, 0)
    began, became = at[fresh][starts[over]], at[fresh][starts[over] + per_day]
    return _Unattended(
        len(keys), int(over.sum()), int(began.min()), int(became.min()), int(at[np.isin(value, keys[over])].max()))
