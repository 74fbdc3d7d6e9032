"""Coming in and going out, and the choice of the theme."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, current_app, redirect, request
from werkzeug.wrappers import Response

from dashboards import gate
from dashboards.pages import SignInPage
from dashboards.render import render

pages: Final = Blueprint("auth", __name__)
_WRONG: Final = "Name and password do not fit together."
_YEAR_S: Final = 365 * 86_400


@pages.get("/sign-in")
def sign_in_form() -> str:
    """The form."""
    return render(_page("", ""))


@pages.post("/sign-in")
def sign_in() -> Response | tuple[str, int]:
    """Check name and password; the same words for a wrong name and a wrong password."""
    ours, brake = gate.parts(), current_app.extensions["sign_in_brake"]
    name = request.form.get("name", "").strip()
    address = request.remote_addr or ""
    brake.check(name, address)
    who = ours.accounts.verify_password(name, request.form.get("password", ""))
    if who is None:
        brake.failed(name, address)
        return render(_page(name, _WRONG)), 401
    brake.succeeded(name, address)
    gate.begin_session(who)
    return redirect(_local(request.form.get("next", "")), 303)


@pages.post("/sign-out")
def sign_out() -> Response:
    """Forget the session."""
    gate.end_session()
    return redirect("/sign-in", 303)


@pages.post("/theme")
def theme() -> Response:
    """Keep the wished theme in a cookie and go back."""
    wished = request.form.get("theme", "auto")
    response = redirect(_local(request.form.get("next", "")), 303)
    response.set_cookie("theme", wished if wished in ("light", "dark") else "auto", max_age=_YEAR_S, samesite="Lax",
                        httponly=True, secure=current_app.extensions["console_settings"].secure_cookie)
    return response


def _page(name: str, fault: str) -> SignInPage:
    wanted = request.form.get("next") or request.args.get("next", "/")
    return SignInPage(csrf=gate.csrf_token(), name=name, next=_local(wanted), fault=fault,
                      no_users=not gate.parts().accounts.has_users())


def _local(target: str) -> str:
    """A path of this console, or the incident list: never another site."""
    inside = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    return target if inside and target.isprintable() else "/incidents"
