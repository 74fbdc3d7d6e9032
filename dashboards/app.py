"""`create_app`: the console. In: parts and settings. Out: a WSGI application."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from flask import Blueprint, Flask, Response, request

from dashboards import changes, failures, gate, headers, home, render
from dashboards.admin import auth, probes
from dashboards.admin import views as admin
from dashboards.alerts import receivers, silences
from dashboards.api import blueprints as api_blueprints
from dashboards.api.openapi import refuse_unknown
from dashboards.attempt import attempt
from dashboards.groups import rules as group_rules
from dashboards.groups import views as groups
from dashboards.health import apis, partners
from dashboards.health.rollups import HealthCache
from dashboards.incidents import views as incidents
from dashboards.lookup import views as lookup
from dashboards.parts import ConsoleSettings, Parts
from dashboards.records import calls, traces
from dashboards.records import views as records

SEE_OTHER: Final = 303
LARGEST_BODY: Final = 256 * 1024  # a pasted mail is far smaller

PAGES: Final[tuple[Blueprint, ...]] = (
    auth.pages, home.pages, probes.pages, incidents.pages, traces.pages, lookup.pages, calls.pages, records.pages, partners.pages,
    apis.pages, groups.pages, group_rules.pages, changes.pages, receivers.pages, silences.pages, admin.pages,
)


def create_app(parts: Parts, settings: ConsoleSettings) -> Flask:
    """The console over these parts. Keeps no state but the sign-in brake and a short-lived cache of health figures."""
    app = Flask("dashboards", static_folder="static", template_folder="templates")
    app.config.update(
        SECRET_KEY=settings.secret_key, SESSION_COOKIE_NAME="triage", SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_SECURE=settings.secure_cookie,
        SESSION_REFRESH_EACH_REQUEST=False, PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.session_hours),
        MAX_CONTENT_LENGTH=LARGEST_BODY, MAX_FORM_MEMORY_SIZE=LARGEST_BODY,
    )
    app.extensions["parts"] = parts
    app.extensions["console_settings"] = settings
    app.extensions["sign_in_brake"] = gate.SignInBrake(parts.clock)
    app.extensions["health"] = HealthCache(parts)
    app.before_request(gate.identify)
    app.before_request(refuse_unknown)
    app.after_request(headers.add_headers)
    app.after_request(_settle)
    render.prepare(app)
    failures.install(app)
    for blueprint in (*PAGES, *api_blueprints()):
        app.register_blueprint(blueprint)
    return app


def _settle(response: Response) -> Response:
    """After a form was carried out: the page that follows must show it, also where lists lag behind (Elasticsearch)."""
    if request.method == "POST" and response.status_code == SEE_OTHER:
        attempt(gate.parts().state.settle_reads, None)
    return response
