from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.gateways.append import Identities, append_call
from collectors.gateways.call import GatewayCall
from collectors.gateways.caller import caller_of
from collectors.routes import RouteCatalogue
from triage.domain.records import Records
from triage.mask.masker import Masker


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("192.0.2.10", "192.0.2.10"), ("192.0.2.10:33317", "192.0.2.10"), ("/192.0.2.10:33317", "192.0.2.10"),
        ("2001:db8::1", "2001:db8::1"), ("[2001:db8::1]:443", "2001:db8::1"), ("0:0:0:0:0:0:0:1:52344", "0:0:0:0:0:0:0:1"),
        ("::ffff:192.0.2.10:33317", "::ffff:192.0.2.10"), ("192.0.2.10, 10.0.0.1, 10.0.0.2", "192.0.2.10"),
        ("-", ""), ("", ""), ("unknown, 10.0.0.1", ""), ("unix:", ""), ("host.example", "host.example"),
    ],
)
def test_the_address_alone(written: str, address: str) -> None:
    assert caller_of(written) == address


@given(st.ip_addresses(), st.integers(10_000, 65535))
def test_port_and_proxies_make_no_other_place(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    bracketed = f"[{address}]" if address.version == 6 else str(address)
    spellings = (str(address), f"{bracketed}:{port}", f"{address}:{port}", f"{address}, 10.0.0.1")

    assert {caller_of(text) for text in spellings} == {str(address)}


def test_of_the_address_only_a_keyed_pseudonym_of_its_network_rests() -> None:
    records, identities = Records(), Identities()
    for address in ("192.0.2.10:1", "192.0.2.99, 10.0.0.1", "198.51.100.7"):
        call = GatewayCall("json", 1, path="/a", network=address)
        append_call(records, call, identities.of(address), RouteCatalogue())

    here, neighbour, elsewhere = Masker(b"k" * 32).mask(records).calls["network"].to_pylist()

    assert here == neighbour != elsewhere
    assert "192" not in here and "." not in here
