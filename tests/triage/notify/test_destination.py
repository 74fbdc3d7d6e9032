from __future__ import annotations

import threading
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.errors import NotifyError
from triage.notify.destination import Destinations, is_public, parse_networks, why_unreachable


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "192.0.0.8", "198.18.0.1", "203.0.113.5", "224.0.0.1", "255.255.255.255", "240.0.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "::127.0.0.1",
    ],
)
def test_inner_addresses_are_refused_for_good(address: str) -> None:
    with pytest.raises(NotifyError, match="not a public one") as caught:
        Destinations(resolve=lambda host, port: [address]).pin("inside.example", 443)

    assert not caught.value.retry
    assert address not in str(caught.value)


@pytest.mark.parametrize("address", ["93.184.216.34", "172.32.0.1", "2606:4700::1111"])
def test_public_addresses_are_pinned(address: str) -> None:
    assert address == Destinations(resolve=lambda host, port: [address]).pin("hooks.example", 443)


def test_a_public_address_is_taken_among_inner_ones() -> None:
    assert Destinations(resolve=lambda host, port: ["10.0.0.1", "1.1.1.1"]).pin("mixed.example", 443) == "1.1.1.1"


@pytest.mark.parametrize(("address", "pinned"), [("10.1.2.3", "10.1.2.3"), ("::ffff:10.1.2.3", "10.1.2.3"), ("fd00::5", "fd00::5")])
def test_listed_networks_may_be_reached(address: str, pinned: str) -> None:
    allowed = Destinations(parse_networks(["10.1.0.0/16", " fd00::5 "]), resolve=lambda host, port: [address])

    assert pinned == allowed.pin("relay.bank", 443)


def test_the_name_is_resolved_once_a_pin() -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["1.1.1.1"]

    Destinations(resolve=resolve).pin("hooks.example", 443)

    assert asked == ["hooks.example"]


def test_a_name_that_does_not_resolve_may_do_so_later() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known: secret-host")

    with pytest.raises(NotifyError) as caught:
        Destinations(resolve=resolve).pin("secret-host", 443)

    assert (caught.value.retry, str(caught.value)) == (True, "the receiver's name does not resolve")


@pytest.mark.parametrize("spelling", ["2130706433", "0x7f.1", "127.1", "localhost"])
def test_odd_spellings_of_loopback_are_refused(spelling: str) -> None:
    with pytest.raises(NotifyError):
        Destinations().pin(spelling, 80)


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public(address: object) -> None:
    parsed = ip_address(str(address))

    assert not (is_public(parsed) and (parsed.is_private or parsed.is_loopback or parsed.is_link_local or parsed.is_multicast))


def test_a_wrong_network_is_named() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        parse_networks(["10.0.0.1/8"])


def test_whoever_types_a_url_is_told_why_nothing_can_be_sent_there() -> None:
    def why(url: str, *addresses: str) -> str:
        return why_unreachable(Destinations(resolve=lambda host, port: list(addresses)), url)

    assert why("http://127.0.0.1:9797", "127.0.0.1") == "127.0.0.1 is not a public address; add its network to TRIAGE_WEBHOOK_ALLOW"
    assert why("https://hooks.example/x", "93.184.216.34") == ""
    allowed = Destinations(parse_networks(["127.0.0.0/8"]), resolve=lambda host, port: ["127.0.0.1"])
    assert why_unreachable(allowed, "http://127.0.0.1:9797") == ""


def test_a_name_that_does_not_resolve_in_time_is_said() -> None:
    def fails(host: str, port: int) -> list[str]:
        raise OSError

    answered = threading.Event()
    slow = Destinations(resolve=lambda host, port: ["1.1.1.1"] * answered.wait(5))
    assert "does not resolve" in why_unreachable(Destinations(resolve=fails), "https://nowhere.example")
    assert "does not resolve" in why_unreachable(slow, "https://slow.example", timeout_s=0.01)
    answered.set()
