"""Which addresses a webhook may reach. A receiver's URL is typed in by people, and must not open the bank's inside.

The name is resolved once; the connection goes to that very address, so that a name cannot change its mind in between.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from triage.errors import NotifyError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Sequence[str]]

# The special-purpose registries of IANA, written out: what `ipaddress.is_global` says differs between Python releases.
_NOT_PUBLIC_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
    )
)
# In IPv6 only this block is global unicast; the exceptions in it carry IPv4 addresses (Teredo, 6to4) or are not routed.
_PUBLIC_V6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_V6: Final = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))


def system_resolver(host: str, port: int) -> list[str]:
    """All addresses of a name by the system's resolver. Raises OSError."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks like `10.1.0.0/16` or a single address. Raises ValueError that names the wrong one."""
    return tuple(ip_network(text.strip()) for text in texts)


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


class Destinations:
    """Public addresses, and those in `allow`."""

    def __init__(self, allow: Sequence[Network] = (), resolve: Resolver = system_resolver) -> None:
        self._allow, self._resolve = tuple(allow), resolve

    def pin(self, host: str, port: int) -> str:
        """The address to connect to for a host. Raises NotifyError: with a retry when the name does not resolve now."""
        try:
            texts = self._resolve(host, port)
        except (OSError, UnicodeError):
            raise NotifyError("the receiver's name does not resolve", retry=True) from None
        for text in texts:
            address = _plain(text)
            if self.permits(address):
                return str(address)
        raise NotifyError(
            "the receiver's address is not a public one; an administrator can add its network to TRIAGE_WEBHOOK_ALLOW",
            retry=False,
        )

    def permits(self, address: Address) -> bool:
        """Whether a connection to this address may be made."""
        return is_public(address) or any(address in network for network in self._allow)


def why_unreachable(destinations: Destinations, url: str, timeout_s: float = 2.0) -> str:
    """Why nothing can be sent to a URL as things are, for the one who types it in; '' when its host may be reached.

    A name is looked up for at most `timeout_s` seconds, since a person waits.
    """
    try:
        parsed = parse_url(url)
    except LocationParseError:
        return ""  # refused elsewhere
    host, port = (parsed.host or "").strip("[]"), parsed.port or (443 if parsed.scheme == "https" else 80)
    found: list[NotifyError | None] = []

    def look() -> None:
        try:
            destinations.pin(host, port)
            found.append(None)
        except NotifyError as error:
            found.append(error)

    thread = threading.Thread(target=look, name="look-up", daemon=True)  # the system's look-up cannot be called off
    thread.start()
    thread.join(timeout_s)
    if not found or (found[0] and found[0].retry):
        return f"{host} does not resolve; check the address"
    return f"{host} is not a public address; add its network to TRIAGE_WEBHOOK_ALLOW" if found[0] else ""


def _plain(text: str) -> Address:
    """The address; one that only wraps an IPv4 address is judged, and reached, as that."""
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
