"""The refused calls of some hours as columns, with what each was refused for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from triage.analyse.rows import Counts, Mask, Texts, Traffic, texts
from triage.domain.windows import MINUTE_NS

ABUSE_COLUMNS: Final = (
    "witness_id", "witness", "time_ns", "duration_ns", "partner", "method", "route", "status", "codes", "resource_ref", "consent_id",
    "customer", "trace_id", "span_id", "gateway_request_id",
)
REFUSED: Final = (400, 401, 403, 404, 405)
ON_RESOURCE: Final = (400, 403, 404)
TOKEN_CODES: Final = frozenset({
    "invalid_token", "invalid_client", "invalid_grant", "unauthorized_client", "TOKEN_INVALID", "TOKEN_UNKNOWN",
})
CONSENT_CODES: Final = frozenset({
    "CONSENT_EXPIRED", "CONSENT_INVALID", "UK.OBIE.Reauthenticate", "UK.OBIE.Resource.InvalidConsentStatus", "U028",
    "TKXP",
})
ROLE_CODES: Final = frozenset({"ROLE_INVALID", "SERVICE_INVALID", "insufficient_scope"})


@dataclass(frozen=True, slots=True)
class Refused:
    """The refused calls of a stretch of minutes, in order of time; shape (rows,) each."""

    table: pa.Table
    time_ns: npt.NDArray[np.int64]
    partner: Texts
    api: Texts
    codes: Texts  # sets of codes
    on_resource: Mask
    token: Mask
    consent: Mask
    role: Mask
    repeated: Mask  # a dead consent that was refused before

    @classmethod
    def of(cls, calls: pa.Table) -> Refused:
        """From paired calls with ABUSE_COLUMNS."""
        calls = calls.sort_by("time_ns")
        status = calls.column("status").to_numpy()
        codes = np.array([frozenset(text.split()) for text in calls.column("codes").to_pylist()], object)
        kinds = [_has(codes, kind) for kind in (TOKEN_CODES, CONSENT_CODES, ROLE_CODES)]
        bare = (status == 401) & np.array([not each for each in codes], bool)
        resource = texts(calls, "resource_ref") != ""
        api = np.array([f"{m} {r}" for m, r in zip(texts(calls, "method"), texts(calls, "route"), strict=True)], object)
        owner = np.where(texts(calls, "consent_id") != "", texts(calls, "consent_id"), texts(calls, "customer"))
        on_resource = np.asarray(np.isin(status, ON_RESOURCE) & resource & ~kinds[2], bool)
        consent = np.asarray(kinds[1] & (owner != ""), bool)
        return cls(
            calls, calls.column("time_ns").to_numpy(), texts(calls, "partner"), api, codes, on_resource, kinds[0] | bare,
            consent, kinds[2] | np.asarray(status == 405, bool), _repeated(texts(calls, "partner"), owner, consent),
        )

    def minutes(self, mask: Mask, traffic: Traffic) -> Counts:
        """Calls by the minute of the traffic."""
        at = self.time_ns[mask] // MINUTE_NS - traffic.start
        at = at[(at >= 0) & (at < len(traffic.total))]
        return np.bincount(at, minlength=len(traffic.total)).astype(float)

    def between(self, first: int, last: int) -> Mask:
        """Which calls lie in these minutes, inclusive."""
        return np.asarray((self.time_ns >= first * MINUTE_NS) & (self.time_ns < (last + 1) * MINUTE_NS), bool)


def _has(codes: Texts, wanted: frozenset[str]) -> Mask:
    return np.array([not wanted.isdisjoint(each) for each in codes], bool)


def _repeated(partner: Texts, owner: Texts, dead: Mask) -> Mask:
    seen: set[tuple[str, str]] = set()
    out = np.zeros(len(partner), bool)
    for row in np.flatnonzero(dead).tolist():
        key = (partner[row], owner[row])
        out[row] = key in seen
        seen.add(key)
    return out
