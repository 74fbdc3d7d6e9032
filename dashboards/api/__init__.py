"""In: the same read models as the pages. Out: their JSON under /api/v1."""

from __future__ import annotations

from flask import Blueprint

from dashboards.api import backup, calls, groups, health, incidents, lookup, openapi, receivers, records, registers, status, traces


def blueprints() -> tuple[Blueprint, ...]:
    """All of them, mounted under /api/v1."""
    return (incidents.api, traces.api, lookup.api, calls.api, records.api, health.api, groups.api, registers.api, receivers.api,
            status.api, backup.api, openapi.api)
