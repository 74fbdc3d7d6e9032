"""Who may see and do what: sessions in signed cookies, bearer tokens, CSRF tokens, roles, and a brake on sign-in."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import deque
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from flask import current_app, g, request, session
from werkzeug.exceptions import Forbidden, HTTPException, TooManyRequests, Unauthorized

from dashboards.parts import Kept, Parts
from triage.accounts import permissions
from triage.accounts.accounts import Principal
from triage.accounts.permissions import PERMISSIONS, Permission
from triage.domain.windows import MINUTE_NS, NS

P = ParamSpec("P")
R = TypeVar("R")

OPEN_PATHS: Final = ("/healthz", "/readyz", "/static/", "/sign-in", "/favicon.ico", "/theme")
_RIGHT_WORDS: Final[dict[Permission, str]] = {
    "read": "use the console", "complain": "register complaints", "act": "act on incidents and error groups",
    "silence": "hold back notices", "change": "announce changes", "deliver": "see or repeat deliveries",
    "restricted": "see restricted incidents", "audit": "read the audit log", "receivers": "manage receivers",
    "accounts": "manage users and tokens", "ingest": "send records",
}
CSRF_MISSING: Final = "The form has expired or was not sent from this page. Go back, reload the page and send it again."


def parts() -> Parts:
    """The parts of the running console."""
    found: Parts = current_app.extensions["parts"]
    return found


def kept() -> Kept:
    """How long this installation keeps what."""
    found: Kept = current_app.extensions["console_settings"].kept
    return found


def person() -> Principal:
    """Who is asking. Raises Unauthorized when nobody signed in."""
    found: Principal | None = g.get("person")
    if found is None:
        raise Unauthorized("Sign in, or send a token: Authorization: Bearer <token>.")
    return found


def may(right: Permission) -> bool:
    """Whether whoever asks has a permission."""
    found: Principal | None = g.get("person")
    return found is not None and permissions.may(found.role, right)


def demand(right: Permission) -> None:
    """Raise Forbidden unless whoever asks has the permission."""
    if not may(right):
        able = ", ".join(role for role, rights in PERMISSIONS.items() if right in rights)
        raise Forbidden(f"The role '{person().role}' may not {_RIGHT_WORDS[right]}. Roles that may: {able}.")


def needs(right: Permission) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A view that demands a permission."""
    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            demand(right)
            return view(*args, **kwargs)
        return guarded
    return decorate


def identify() -> None:
    """A `before_request` hook: find out who asks; demand CSRF tokens of sessions that change something."""
    g.person = None
    if request.path.startswith(OPEN_PATHS):
        if request.method == "POST":
            check_csrf()
        return
    header = request.headers.get("Authorization", "")
    if header:
        g.person = _by_token(header)
    elif "secret" in session:
        g.person = _by_session()
    if g.person is None:
        raise Unauthorized("Sign in, or send a token: Authorization: Bearer <token>.")
    demand("read")
    if request.method not in ("GET", "HEAD", "OPTIONS") and not header:
        check_csrf()


def _by_token(header: str) -> Principal:
    scheme, _, secret = header.partition(" ")
    found = parts().accounts.verify_token(secret.strip(), parts().clock()) if scheme.lower() == "bearer" else None
    if found is None:
        raise Unauthorized("This token is not known, or was revoked. Create one with: triage token create.")
    return found


def _by_session() -> Principal | None:
    found = parts().sessions.verify(str(session["secret"]), parts().clock())
    if found is None:
        session.clear()
    return found


def begin_session(who: Principal) -> None:
    """Start a fresh session, so that a cookie from before signing in is worth nothing."""
    session.clear()
    session["secret"] = parts().sessions.open(who, parts().clock())
    session["csrf"] = secrets.token_urlsafe(24)
    session.permanent = True


def end_session() -> None:
    """End the session for good, also for whoever has a copy of its cookie."""
    if "secret" in session:
        parts().sessions.end(str(session["secret"]))
    session.clear()
    g.person = None


def csrf_token() -> str:
    """The token that forms of this session must carry."""
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(24)
    token: str = session["csrf"]
    return token


def check_csrf() -> None:
    """Raise Forbidden unless the request carries the session's token (field `csrf` or header `X-CSRF-Token`)."""
    sent = request.headers.get("X-CSRF-Token") or request.form.get("csrf", "")
    if not hmac.compare_digest(sent.encode(), str(session.get("csrf", "")).encode()) or not sent:
        raise Forbidden(CSRF_MISSING)


class SignInBrake:
    """Refuses sign-in for a while after many failures: few for one name from one address, more for an address that a proxy
    may share, more for a name, so that nobody can lock out others at will."""

    LIMITS: Final = {"pair": 8, "address": 50, "name": 60}

    def __init__(self, clock: Callable[[], int], *, window_ns: int = 5 * MINUTE_NS) -> None:
        self._clock, self._window = clock, window_ns
        self._seen: dict[tuple[str, str], deque[int]] = {}
        self._lock = threading.Lock()

    def check(self, name: str, address: str) -> None:
        """Raise TooManyRequests with Retry-After when there were too many failures."""
        with self._lock:
            for key in _keys(name, address):
                times = self._recent(key)
                if len(times) >= self.LIMITS[key[0]]:
                    raise _too_many(1 + (times[0] + self._window - self._clock()) // NS)

    def failed(self, name: str, address: str) -> None:
        """Note one failure."""
        with self._lock:
            if len(self._seen) > 10_000:  # somebody tries names: forget what is over
                self._seen = {key: times for key in list(self._seen) if (times := self._recent(key))}
            for key in _keys(name, address):
                self._seen.setdefault(key, deque(maxlen=self.LIMITS[key[0]])).append(self._clock())

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of this name from this address."""
        with self._lock:
            self._seen.pop(_keys(name, address)[0], None)

    def _recent(self, key: tuple[str, str]) -> deque[int]:
        times = self._seen.get(key, deque())
        while times and times[0] <= self._clock() - self._window:
            times.popleft()
        return times


def _keys(name: str, address: str) -> tuple[tuple[str, str], ...]:
    return ("pair", f"{address} {name.lower()}"), ("address", address), ("name", name.lower())


def _too_many(seconds: int) -> HTTPException:
    words = f"Too many failed attempts. Try again in {max(1, seconds)} seconds, or ask an administrator."
    return TooManyRequests(words, retry_after=max(1, seconds))


def visible(tags: tuple[str, ...] | list[str]) -> bool:
    """Whether whoever asks may see a document with these tags."""
    return "restricted:yes" not in tags or may("restricted")


def arguments() -> dict[str, Any]:
    """What was sent: the JSON object of a script, or the fields of a form."""
    if request.is_json:
        body = request.get_json()
        return body if isinstance(body, dict) else {}
    return {name: value for name, value in request.form.items() if name != "csrf"}
