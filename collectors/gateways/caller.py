"""The address that a call came from, as access logs write it: with a port, behind a list of proxies, or not at all."""

from __future__ import annotations

import ipaddress
from typing import Final

_ABSENT: Final = frozenset({"", "-", "unknown", "@"})  # '@': a Unix socket


def caller_of(written: str) -> str:
    """The address alone: of a list (X-Forwarded-For) the first, without its port; '' where none is written."""
    first = written.partition(",")[0].strip().removeprefix("/")  # Java writes 'name/address'
    if first in _ABSENT or first.startswith("unix:"):
        return ""
    if first.startswith("["):
        return first[1:].partition("]")[0]
    colons = first.count(":")
    if colons == 1 or (colons and not _is_address(first)):  # HAProxy and Reactor write IPv6 and port without brackets
        return first.rpartition(":")[0]
    return first


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
