"""What several pages share, the door, and the page of an error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NavItem:
    """One entry of the navigation."""

    label: str
    path: str
    current: bool


@dataclass(frozen=True, slots=True)
class Undo:
    """The action that takes back what was just done: posted to `path`."""

    path: str
    action: str
    assignee: str = ""


@dataclass(frozen=True, slots=True)
class Toast:
    """What was just done."""

    text: str
    undo: Undo | None


@dataclass(frozen=True, slots=True)
class Chrome:
    """What surrounds every page."""

    nav: tuple[NavItem, ...]
    user: str
    role: str
    csrf: str
    theme: str
    here: str
    toast: Toast | None
    version: str


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """Why there is no page, and what to do."""

    status: int
    title: str
    detail: str
    advice: str
    retry: bool
    back: str  # the same page without what it could not read; '' where there is none


@dataclass(frozen=True, slots=True)
class SignInPage:
    """The form to come in."""

    csrf: str
    name: str
    next: str
    fault: str
    no_users: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """One filter that can be switched, and where that leads."""

    label: str
    count: str
    href: str
    pressed: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One filter with many values."""

    name: str
    label: str
    value: str
    options: tuple[tuple[str, str], ...]  # (value, words)


@dataclass(frozen=True, slots=True)
class Fact:
    """A number and what it counts."""

    value: str
    label: str
