"""How the product itself fares: what is kept, what was refused, how late it is, and the last analysis."""

from __future__ import annotations

from typing import Any

from dashboards.parts import Parts
from triage.domain.columns import SIGNALS
from triage.domain.windows import NS, rfc3339
from triage.heard import CollectorReport, reports
from triage.notify.receivers import failing_receivers
from triage.retention import last_run


def status_json(parts: Parts) -> dict[str, Any]:
    """`GET /api/v1/status`. Raises StoreUnavailable."""
    counts, live = parts.records.counts(), parts.counters()
    run, heard = parts.state.get("run", "last"), reports(parts.state, parts.clock())
    return {
        "version": parts.version, "store": parts.store,
        "kept": {signal: counts.kept.get(signal, 0) for signal in ("calls", "spans", "logs") if signal in SIGNALS},
        "duplicates": live.get("duplicates", 0), "rejected": dict(live.get("rejected", {})),
        "masked": live.get("masked", 0),
        "oldest": rfc3339(counts.oldest_ns) if counts.oldest_ns is not None else None,
        "newest": rfc3339(counts.newest_ns) if counts.newest_ns is not None else None,
        "lag_s": live.get("lag_s"), "sources": list(live.get("sources", [])),
        "last_analysis": run_json(run.body) if run else None,
        "last_retention": retention_json(parts),
        "collectors": [collector_json(said, parts.clock()) for said in heard],
        "dead_letters": {"pieces": sum(said.dead_pieces for said in heard), "records": sum(said.dead_records for said in heard)},
        "reasons": parts.ready(),
        "receivers_failing": [{"name": name, "reason": reason} for name, reason in failing_receivers(parts.state)],
    }


def collector_json(said: CollectorReport, now_ns: int) -> dict[str, Any]:
    """What a collector with a spool last said: what waits there for the store, and what the store refused for good."""
    return {
        "id": said.id, "host": said.host, "pid": said.pid, "at": rfc3339(said.at_ns), "silent": said.silent(now_ns),
        "spool": {
            "batches": said.spool_batches, "bytes": said.spool_bytes, "limit_bytes": said.spool_limit_bytes, "full": said.spool_full,
            "oldest_s": round((now_ns - said.spool_oldest_ns) / NS, 1) if said.spool_oldest_ns else None,
        },
        "dead_letters": {"pieces": said.dead_pieces, "records": said.dead_records, "bytes": said.dead_bytes},
    }


def retention_json(parts: Parts) -> dict[str, Any] | None:
    """The last retention run: what was dropped, and the bytes that the disk got back."""
    run = last_run(parts.state)
    if run is None:
        return None
    return {
        "at": rfc3339(run["at_ns"]), "seconds": run["seconds"],
        "dropped": {"records": dict(run["records"]), "days": list(run["days"]), "rollups": run["rollups"], "documents": run["documents"]},
        "freed_bytes": run["freed_bytes"], "disk_bytes": run["disk_bytes"],
    }


def run_json(body: dict[str, Any]) -> dict[str, Any]:
    """One analysis run."""
    return {"at": rfc3339(int(body.get("at_ns", 0))), "seconds": body.get("seconds", 0), "records": body.get("records", 0),
            "findings": body.get("findings", 0), **({"error": body["error"]} if body.get("error") else {})}
