"""Abnormal partner use that shows in refused calls (OWASP API Security Top 10 2023: API1, API2, API5, API6).

Resources: UK Open Banking answers 400 or 403 for a resource that is not the partner's, never 404, so a count of 404 alone would miss
it. A partner with a broken integration asks for the same resources again and again; one that walks through IDs hardly ever asks twice.
Tokens: calls whose token or client authentication is refused, while the partner's other calls go on and no new token follows; an app
that logs everybody in again is given new ones. Consents: those that are dead are asked for again and again; a wave of expiries asks
once each. Endpoints: several that the partner never used, all refused. Each is compared with the partner's own past. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import nbinom

from triage.analyse.abnormal_use.refused import Refused
from triage.analyse.abnormal_use.signs import Sign
from triage.analyse.episodes import Episode, Sure, episodes
from triage.analyse.problems import Problem
from triage.analyse.rows import CallRows, Counts, ErrorRows, Mask, Traffic, distinct, sums, texts
from triage.domain.windows import HOUR_NS, MINUTE_NS

MIN_RESOURCES: Final = 12
MIN_DISTINCT: Final = 0.6
"""Different resources among the refused calls; a walk through IDs comes near 1."""
PEER_FACTOR: Final = 5.0
PEER_CALLS: Final = (1_000.0, 200.0)
CHANCE: Final = 1e-6
QUIET_MINUTES: Final = 30
TOKENS: Final = Sure(1e-12, 30)
CONSENTS: Final = Sure(1e-9, 24)
FAILED_FOR_GIVEN: Final = 3.0
"""Refused tokens for each token that was given: a client that renews what has expired has about one."""
GO_ON: Final = 0.2
"""The partner's other calls go on at this part of their usual number; else its access as a whole is broken."""
REPEATS: Final = 3.0
"""Refused calls for each dead consent."""
NEW_ENDPOINTS: Final = 3
MIN_ENDPOINT_CALLS: Final = 12
KNOWN_CALLS: Final = 50
EVERYWHERE: Final = 0.5
"""A code that refuses this share of the calls of APIs that the partner does use tells of its access, not of a function."""
TRIED: Final = 0.7
"""A partner's refusals of which this share are of a kind for this room are for it to judge."""
EARLY_REPEATS: Final = 0.2
ENDED_MINUTES: Final = 5


def refusal_signs(
    refused: Refused, calls: CallRows, traffic: Traffic, tokens: Mapping[str, Counts], known_apis: Mapping[str, Mapping[str, int]],
) -> list[Sign]:
    """`traffic`: the calls of the same minutes and before; `tokens`: partner -> tokens given by the minute of `traffic`;
    `known_apis`: partner -> API -> first minute, from before."""
    signs = [*_walks(refused, calls)]
    for partner in distinct(refused.partner):
        if not partner or partner not in traffic.of_partner:
            continue
        mine = np.asarray(refused.partner == partner, bool)
        signs += _tokens(refused, mine, partner, traffic, tokens.get(partner, np.zeros(len(traffic.total))))
        signs += _consents(refused, mine, partner, traffic)
        signs += _endpoints(refused, mine, partner, calls, known_apis.get(partner, {}))
    return signs


def _walks(refused: Refused, calls: CallRows) -> Iterator[Sign]:
    """Partners that were refused on far more distinct resources than others with as many calls of the same APIs are.

    Sure as `triage.analyse.episodes` is: few calls of others tell little of what is usual.
    """
    at = refused.on_resource
    made = calls.minute >= int(refused.time_ns.min(initial=0)) // MINUTE_NS
    for partner, count in sums(refused.partner[at], np.ones(int(at.sum()), np.int64)).items():
        if count < MIN_RESOURCES or not partner:
            continue
        rows = _latest_walk(np.flatnonzero(at & (refused.partner == partner)), refused.time_ns)
        names = refused.table.column("resource_ref").take(pa.array(rows))
        resources = len(pc.unique(names))
        refusals, others, own = _peers(refused, rows, calls, made, partner)
        usual = refusals / max(others, 1.0) * own
        sure = nbinom.sf(resources - 1, refusals + 1, others / (others + PEER_FACTOR * own)) < CHANCE
        if sure and resources >= MIN_RESOURCES and resources >= MIN_DISTINCT * len(rows):
            yield _walk(refused, partner, rows, resources, usual)


def _peers(
    refused: Refused, rows: npt.NDArray[np.int64], calls: CallRows, made: Mask, partner: str,
) -> tuple[float, float, float]:
    """What others were refused on and called, and what the partner called, on the APIs and in the time of these rows.

    So many as PEER_CALLS of the others' calls on the same APIs and on all of them count beside, from the whole time (`made`).
    """
    first, last = (int(refused.time_ns[rows[place]]) // MINUTE_NS for place in (0, -1))
    apis = distinct(refused.api[rows])
    bad, good = refused.on_resource & (refused.partner != partner), made & (calls.partner != partner)
    bad_here, good_here = bad & np.isin(refused.api, apis), good & np.isin(calls.api, apis)
    own = (calls.partner == partner) & np.isin(calls.api, apis) & calls.between(first, last)
    refusals = float((bad_here & refused.between(first, last)).sum())
    asked = float(calls.calls[good_here & calls.between(first, last)].sum())
    for most, some, all_ in zip(PEER_CALLS, (bad_here, bad), (good_here, good), strict=True):
        number = float(calls.calls[all_].sum())
        part = min(most / max(number, 1.0), 1.0)
        refusals, asked = refusals + part * float(some.sum()), asked + part * number
    return refusals, asked, float(calls.calls[own].sum())


def _walk(refused: Refused, partner: str, rows: npt.NDArray[np.int64], resources: int, usual: float) -> Sign:
    times = refused.time_ns[rows]
    minutes = max((int(times[-1]) - int(times[0])) / HOUR_NS, 1 / 60) * 60
    apis = sums(refused.api[rows], np.ones(len(rows), np.int64))
    what = "consents" if "consent" in next(iter(apis)) else "accounts"
    return Sign(
        "resources", partner, int(times[0]), int(times[-1]), f"tries many {what} that are not its customers'",
        f"was refused on {resources:,} different resources in {minutes:.0f} min, {resources / minutes * 60:,.0f} an hour. "
        "This looks like enumeration.",
        [f"{resources:,} different resources were asked for and refused within {minutes:.0f} min",
         f"a partner with as many calls is usually refused on {usual:.1f}; "
         f"{resources / len(rows):.0%} of the refused calls ask for a new one"],
        _mostly(refused, rows), failed=len(rows), failed_at=_by_minute(refused, rows), traces=_traces(refused, rows),
    )


def _latest_walk(rows: npt.NDArray[np.int64], time_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The longest run of refused calls without a long pause, so that everyday ones before it do not move its beginning."""
    times = time_ns[rows]
    pauses = np.flatnonzero(np.diff(times) > QUIET_MINUTES * MINUTE_NS)
    best = max(np.split(rows, pauses + 1), key=len)
    gaps = np.diff(time_ns[best])
    if len(gaps) >= MIN_RESOURCES:  # leading stragglers lie far before the walk's own pace
        far = np.flatnonzero(gaps[: len(gaps) // 2] > 10 * np.median(gaps) + MINUTE_NS)
        best = best[far[-1] + 1 :] if len(far) else best
    return best


def _stretches(events: Counts, traffic: Traffic, partner: str, sure: Sure) -> list[Episode]:
    """Episodes of the events among the partner's calls, judged from its tenth minute on."""
    calls = traffic.of_partner[partner]
    begin = int(np.argmax(calls > 0)) + 10
    return episodes(events, calls, begin, sure) if events.sum() >= sure.events else []


def _tokens(refused: Refused, mine: Mask, partner: str, traffic: Traffic, tokens: Counts) -> Iterator[Sign]:
    mask = mine & refused.token
    events = refused.minutes(mask, traffic)
    for episode in _stretches(events, traffic, partner, TOKENS):
        span = slice(episode.first, episode.last + 1)
        failed, given = float(events[span].sum()), float(tokens[span].sum())
        if failed < FAILED_FOR_GIVEN * given or not _goes_on(refused, mine, partner, traffic, episode):
            continue
        rows = np.flatnonzero(mask & refused.between(traffic.start + episode.first, traffic.start + episode.last))
        minutes = episode.last - episode.first + 1
        yield Sign(
            "tokens", partner, int(refused.time_ns[rows[0]]), int(refused.time_ns[rows[-1]]),
            "has very many tokens or credentials refused",
            f"had {failed:,.0f} calls refused for their token or credentials in {minutes} min, where {episode.usual:,.0f} are usual, "
            f"and was given {given:,.0f} new tokens. This looks like guessing or the use of stolen tokens.",
            [f"{failed:,.0f} refused for token or credentials within {minutes} min; {episode.usual:.1f} are usual in that time",
             f"{given:,.0f} new tokens were given in the same time; a client that renews its tokens gets as many as were refused"],
            _mostly(refused, rows), failed=len(rows), failed_at=_by_minute(refused, rows), severity="high", traces=_traces(refused, rows),
        )


def _goes_on(refused: Refused, mine: Mask, partner: str, traffic: Traffic, episode: Episode) -> bool:
    """Whether the partner's other calls still succeed."""
    calls = traffic.of_partner[partner]
    first, last = traffic.start + episode.first, traffic.start + episode.last
    during = float(calls[episode.first : episode.last + 1].sum())
    well = during - float((mine & refused.between(first, last)).sum())
    before = calls[: episode.first][np.cumsum(calls[: episode.first]) > 0]
    return well >= GO_ON * float(before.mean() if len(before) else 0.0) * (episode.last - episode.first + 1)


def _consents(refused: Refused, mine: Mask, partner: str, traffic: Traffic) -> Iterator[Sign]:
    for episode in _stretches(refused.minutes(mine & refused.repeated, traffic), traffic, partner, CONSENTS):
        first, last = traffic.start + episode.first, traffic.start + episode.last
        rows = np.flatnonzero(mine & refused.consent & refused.between(first, last))
        owner = np.where(texts(refused.table, "consent_id") != "", texts(refused.table, "consent_id"), texts(refused.table, "customer"))
        consents = len(set(owner[rows].tolist()))
        if len(rows) < REPEATS * consents:
            continue
        minutes = last - first + 1
        yield Sign(
            "consents", partner, int(refused.time_ns[rows[0]]), int(refused.time_ns[rows[-1]]),
            "keeps using consents that have ended",
            f"used {consents:,} expired or revoked consents {len(rows):,} times in {minutes} min, "
            f"{len(rows) / consents:.0f} times each.",
            [f"{len(rows):,} calls under {consents:,} consents that had ended, {len(rows) / consents:.1f} each within {minutes} min; "
             f"{episode.usual:.1f} repeated uses are usual in that time",
             "when consents merely expire, a client asks once and then has the customer authorise again"],
            _mostly(refused, rows), failed=len(rows), failed_at=_by_minute(refused, rows), traces=_traces(refused, rows),
        )


def _endpoints(
    refused: Refused, mine: Mask, partner: str, calls: CallRows, known: Mapping[str, int],
) -> Iterator[Sign]:
    """Several APIs that the partner never used before and is refused on where others are not, and calls refused for its role."""
    denied = mine & (refused.role | (refused.table.column("status").to_numpy() != 400)) & ~refused.token & ~refused.consent
    candidates = np.flatnonzero(denied)
    if len(candidates) < MIN_ENDPOINT_CALLS:
        return
    of_partner = calls.partner == partner
    made = sums(calls.api[of_partner], calls.calls[of_partner])
    refusals = sums(refused.api[mine], np.ones(int(mine.sum()), np.int64))
    since = int(refused.time_ns[candidates[0]]) // MINUTE_NS - 60
    fresh = {
        api for api in distinct(refused.api[candidates])
        if refusals[api] >= TRIED * made.get(api, 0) and known.get(api, since + 1) > since
    }
    if sum(made.values()) - sum(made.get(api, 0) for api in fresh) < KNOWN_CALLS:
        return
    rows = candidates[np.isin(refused.api[candidates], list(fresh) or [""])]
    rows = rows[~_refused_everywhere(refused, rows, np.flatnonzero(mine), of_partner, calls)]
    fresh = set(refused.api[rows].tolist())
    by_role = int(refused.role[rows].sum())
    if len(rows) < MIN_ENDPOINT_CALLS or (len(fresh) < NEW_ENDPOINTS and by_role < MIN_ENDPOINT_CALLS):
        return
    minutes = max((int(refused.time_ns[rows[-1]]) - int(refused.time_ns[rows[0]])) // MINUTE_NS, 1)
    yield Sign(
        "endpoints", partner, int(refused.time_ns[rows[0]]), int(refused.time_ns[rows[-1]]),
        "tries functions that it never used and has no right to",
        f"was refused {len(rows):,} times in {minutes} min on {len(fresh)} APIs that it never used before.",
        [f"{len(rows):,} refused calls on {len(fresh)} APIs; none of them ever succeeded for this partner before",
         f"{by_role:,} of them were refused for its role or method"],
        _mostly(refused, rows), failed=len(rows), failed_at=_by_minute(refused, rows), severity="high", traces=_traces(refused, rows),
    )


def _refused_everywhere(
    refused: Refused, rows: npt.NDArray[np.int64], mine: npt.NDArray[np.int64], of_partner: Mask, calls: CallRows,
) -> Mask:
    """Which rows, refused on functions that are new to the partner, have codes that refuse it as well on those that it uses.

    `mine`: all refused calls of the partner; `of_partner`: its rows of `calls`. A refusal for its role is never one of them.
    """
    new = distinct(refused.api[rows])
    everywhere = set()
    for codes in set(refused.codes[rows].tolist()):
        coded = mine[np.array([each == codes for each in refused.codes[mine]], bool)]
        on_new = np.isin(refused.api[coded], new)
        minutes = refused.time_ns[coded] // MINUTE_NS
        first, last = int(minutes[on_new].min()), int(minutes[on_new].max())
        elsewhere = int((~on_new & (minutes >= first) & (minutes <= last)).sum())
        made = int(calls.calls[of_partner & ~np.isin(calls.api, new) & calls.between(first, last)].sum())
        if elsewhere and elsewhere >= EVERYWHERE * made:
            everywhere.add(codes)
    return np.array([codes in everywhere for codes in refused.codes[rows]], bool) & ~refused.role[rows]


def _mostly(refused: Refused, rows: npt.NDArray[np.int64]) -> dict[str, int]:
    """API -> its refused calls, without the few on other APIs that everyday life adds."""
    apis = sums(refused.api[rows], np.ones(len(rows), np.int64))
    return {api: count for api, count in apis.items() if count >= 0.1 * max(apis.values())}


def _by_minute(refused: Refused, rows: npt.NDArray[np.int64]) -> dict[int, int]:
    """Epoch minute -> its refused calls."""
    minutes, counts = np.unique(refused.time_ns[rows] // MINUTE_NS, return_counts=True)
    return dict(zip(minutes.tolist(), counts.tolist(), strict=True))


def _traces(refused: Refused, rows: npt.NDArray[np.int64]) -> Sequence[str]:
    traces: list[str] = refused.table.column("trace_id").take(pa.array(rows[:50])).to_pylist()
    return traces


def is_abuse(
    problem: Problem, rows: ErrorRows, refused: Refused, signs: Mapping[str, Sequence[Sign]], goes_on: Callable[[Problem], bool],
) -> bool:
    """Whether a partner's problem is (or may become) one of abnormal use, which is told to security alone.

    `signs`: partner -> its signs; `goes_on`: whether calls of the problem's partner still succeed in its time."""
    what, _, partner = problem.owner.partition(":")
    if what != "partner":
        return False
    if problem.kind == "traffic_drop":  # what was too much has ended
        return any(abs(s.until_ns // MINUTE_NS - problem.since) <= ENDED_MINUTES for s in signs.get(partner, ()))
    near = [s for s in signs.get(partner, ()) if s.since_ns // MINUTE_NS <= problem.until and s.until_ns // MINUTE_NS >= problem.since]
    if not problem.rows.any():
        return bool(near) and problem.kind in ("traffic_surge", "abnormal_use")
    if problem.kind == "traffic_surge" and any(sign.kind == "limit" for sign in near):
        return True
    during = refused.between(problem.since, problem.until) & (refused.partner == partner)
    failures = float(rows.count[problem.rows].sum())
    kinds = {sign.kind for sign in near}
    if (during & refused.on_resource).sum() >= TRIED * failures:
        return True
    told = (during & refused.on_resource).sum() + sum(
        (during & mask).sum() for kind, mask in (("tokens", refused.token), ("consents", refused.consent)) if kind in kinds)
    if "endpoints" in kinds or "role" in kinds:
        told += (during & refused.role).sum()
    return told >= TRIED * failures or _may_become(problem, refused, during, failures, goes_on)


def _may_become(
    problem: Problem, refused: Refused, during: Mask, failures: float, goes_on: Callable[[Problem], bool],
) -> bool:
    """Few refusals so far, of a kind that more of them would show to be abuse: told when it is plain what they are."""
    dead, repeated = (during & refused.consent).sum(), (during & refused.repeated).sum()
    if dead >= TRIED * failures and dead < CONSENTS.events * 1.5:
        return bool(repeated >= max(2.0, EARLY_REPEATS * dead))
    denied = (during & refused.role).sum()
    if denied >= TRIED * failures and denied < 2 * MIN_ENDPOINT_CALLS:
        return True
    return bool((during & refused.token).sum() >= TRIED * failures and failures < TOKENS.events and goes_on(problem))
