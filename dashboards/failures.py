"""Exceptions to statuses: the one place where that is decided, for pages and for JSON."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from flask import Flask, Response, g, jsonify, redirect, request
from werkzeug.exceptions import HTTPException

from dashboards.pages import ErrorPage
from dashboards.render import render
from triage.errors import BadInput, Conflict, NotAllowed, StoreError, StoreUnavailable, TooLarge

_log = logging.getLogger("triage.console")

TITLES: Final = {
    400: "That cannot be read", 401: "Please sign in", 403: "Not allowed", 404: "Nothing here",
    405: "Not possible here", 409: "Somebody was first", 413: "Too large", 422: "Not possible now",
    429: "Too many attempts", 500: "Something broke", 503: "The store is away",
}
_NEXT: Final = {
    404: "Check the address, or look for the ID in the complaint desk.",
    409: "Reload to see what changed, then act again if it is still needed.",
    500: "It was noted in the service's log. Try again; if it stays, run `triage doctor`.",
    503: "Nothing that was acknowledged is lost. This page tries again by itself.",
}


_FIELD: Final = re.compile(r"`(\w+)`")


@dataclass(frozen=True, slots=True)
class Failure:
    """What an exception means to the one who asked."""

    status: int
    detail: str
    headers: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


def failure_of(error: Exception) -> Failure:
    """The status and words of an exception."""
    match error:
        case TooLarge():
            return Failure(413, error.reason)
        case BadInput():
            return Failure(400, error.reason)
        case Conflict():
            return Failure(409, _who_was_first(error), extra={"version": error.found, **g.get("first", {})})
        case NotAllowed():
            return Failure(422, str(error))
        case StoreUnavailable():
            return Failure(503, f"The store cannot answer now: {error}.", {"Retry-After": str(error.retry_after_s)})
        case StoreError():
            return Failure(500, f"The store cannot do this: {error}.")
        case KeyError():
            return Failure(404, f"There is no {error.args[0] if error.args else 'such thing'}.")
        case HTTPException():
            headers = {"Retry-After": str(wait)} if (wait := getattr(error, "retry_after", None)) else {}
            if error.code == 401:
                headers["WWW-Authenticate"] = "Bearer"
            return Failure(error.code or 500, error.description or "", headers)
    _log.error("unhandled error on %s", request.url_rule, exc_info=error)
    return Failure(500, "The console made a mistake while answering this.")


def _who_was_first(error: Conflict) -> str:
    first = g.get("first", {}).get("first")
    if first:
        return f"{first['actor']} was first: {first['action']} at {first['at']}."
    return f"Somebody changed it first: it is at version {error.found}, not {error.expected}."


def install(app: Flask) -> None:
    """Answer every exception as a page, or as problem+json below /api."""
    app.register_error_handler(Exception, _answer)


def _answer(error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.code is not None and error.code < 400:
        return Response(status=error.code, headers=dict(error.get_headers()))
    failure = failure_of(error)
    if request.path.startswith("/api/"):
        response = _problem(failure)
    elif failure.status == 401:
        response = _to_sign_in()
    else:
        filtered = failure.status == 400 and request.method == "GET" and bool(request.args)
        page = ErrorPage(failure.status, TITLES.get(failure.status, "Not possible"), _FIELD.sub(r"‘\1’", failure.detail),
                         _NEXT.get(failure.status, ""), retry=failure.status == 503, back=request.path if filtered else "")
        response = Response(render(page, failure.status))
    response.status_code = failure.status if failure.status != 401 or request.path.startswith("/api/") else 302
    response.headers.update(failure.headers)
    return response


def _to_sign_in() -> Response:
    wanted = request.full_path.rstrip("?") if request.method == "GET" else "/"
    return Response(redirect(f"/sign-in?next={quote(wanted, safe='')}").get_data(),
                    headers={"Location": f"/sign-in?next={quote(wanted, safe='')}"})


def _problem(failure: Failure) -> Response:
    body = {"type": "about:blank", "title": TITLES.get(failure.status, "Not possible"), "status": failure.status,
            "detail": failure.detail, "instance": request.path, **failure.extra}
    response = jsonify(body)
    response.content_type = "application/problem+json"
    return response
