"""What each partner was seen with before the minutes that are judged: APIs, networks, a sample of its customers. One small document.

It is learned an hour late, so that what is going on does not teach what is usual, and not from partners that are judged to abuse.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import numpy as np

from triage.analyse.abnormal_use.overuse import MOST_CUSTOMERS, Use
from triage.analyse.rows import CallRows
from triage.errors import Conflict
from triage.ports.state import StateStore

LATE: Final = 60
AGAIN: Final = 120
"""Minutes that are looked at once more, for what came late."""
MOST_APIS: Final = 300
MOST_PLACES: Final = 64
_KEY: Final = ("model", "use")
Known = dict[str, dict[str, Any]]


def load(state: StateStore) -> Known:
    """Partner -> apis (API -> first minute), places and customers ([hash, first minute], the smallest hashes)."""
    document = state.get(*_KEY)
    return document.body if document else {}


def learned(known: Known, use: Use, calls: CallRows, until: int, abusers: Collection[str]) -> Known:
    """With what the minutes before `until` - LATE showed."""
    last = until - LATE
    new: Known = {partner: {**body, "apis": dict(body["apis"])} for partner, body in known.items()}
    rows = np.flatnonzero((calls.minute < last) & (calls.minute >= (last - AGAIN if known else 0)))
    for minute, partner, api in zip(calls.minute[rows].tolist(), calls.partner[rows], calls.api[rows], strict=True):
        if partner and partner not in abusers:
            apis = new.setdefault(partner, {"apis": {}, "places": [], "customers": []})["apis"]
            if len(apis) < MOST_APIS:
                apis[api] = min(minute, apis.get(api, minute))
    for name, most in (("places", MOST_PLACES), ("customers", MOST_CUSTOMERS)):
        for partner, (at, value) in use.samples[name].items():
            if partner in new and partner not in abusers:
                firsts = dict(new[partner][name])
                old = (at < last - use.start) & (at >= (last - AGAIN - use.start if firsts else 0))
                for hash_, minute in zip(value[old].tolist(), (at[old] + use.start).tolist(), strict=True):
                    firsts[hash_] = min(minute, firsts.get(hash_, minute))
                new[partner][name] = [[hash_, firsts[hash_]] for hash_ in sorted(firsts)[:most]]
    return new


def save(state: StateStore, known: Known) -> None:
    """Write it when it changed. Whoever wrote meanwhile wins; the next run brings it up to date."""
    document = state.get(*_KEY)
    if document is not None and document.body == known:
        return
    try:
        state.put(*_KEY, known, version=document.version if document else None)
    except Conflict:
        return
