"""How the product itself fares: what is kept, what was refused, how late it is, and the last analysis."""

from __future__ import annotations

from typing import Any

from dashboards.parts import Parts
from triage.domain.columns import SIGNALS
from triage.domain.windows import rfc3339


def status_json(parts: Parts) -> dict[str, Any]:
    """`GET /api/v1/status`. Raises StoreUnavailable."""
    counts, live = parts.records.counts(), parts.counters()
    run = parts.state.get("run", "last")
    return {
        "version": parts.version, "store": parts.store,
        "kept": {signal: counts.kept.get(signal, 0) for signal in ("calls", "spans", "logs") if signal in SIGNALS},
        "duplicates": live.get("duplicates", 0), "rejected": dict(live.get("rejected", {})),
        "masked": live.get("masked", 0),
        "oldest": rfc3339(counts.oldest_ns) if counts.oldest_ns is not None else None,
        "newest": rfc3339(counts.newest_ns) if counts.newest_ns is not None else None,
        "lag_s": live.get("lag_s"), "sources": list(live.get("sources", [])),
        "last_analysis": run_json(run.body) if run else None,
    }


def run_json(body: dict[str, Any]) -> dict[str, Any]:
    """One analysis run."""
    return {"at": rfc3339(int(body.get("at_ns", 0))), "seconds": body.get("seconds", 0), "records": body.get("records", 0),
            "findings": body.get("findings", 0), **({"error": body["error"]} if body.get("error") else {})}
