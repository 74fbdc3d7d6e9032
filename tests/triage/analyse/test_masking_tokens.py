"""Masking hides values by their shape and leaves words alone, in linear time, for any text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.analyse.grouping.masking_tokens import MAX_CHARS, mask, tokens


@pytest.mark.parametrize(
    ("message", "masked"),
    [
        ("Payment 4711 failed", "Payment <*> failed"),
        ("consent 7f9c24e8-3b12-4fef-91e0-4d5c0b7f2a11 expired", "consent <*> expired"),
        ("connect to 10.0.3.17:8443 refused", "connect to <*> refused"),
        ("connect to fe80::1ff:fe23:4567:890a refused", "connect to <*> refused"),
        ("host ledger.bank.example:5432 is down", "host <*> is down"),
        ("read /var/lib/gateway/certs/tpp.pem", "read <*>"),
        (r"read C:\gateway\certs\tpp.pem", "read <*>"),
        ("mail to jo.doe@bank.example bounced", "mail to <*> bounced"),
        ("GET https://api.bank.example/v1/accounts?from=2026&to=x", "GET https:<*>"),
        ("took 350 ms, limit 2.5 seconds", "took <*>, limit <*>"),
        ("took 1 second", "took <*>"),
        ("body of 12 KB over 1 MiB", "body of <*> over <*>"),
        ("valid until Tue, 24 Nov 2026 09:48:46", "valid until <*>"),
        ("retries 1, 2, 3 used", "retries <*> used"),
        ("cached=true ready=false", "cached=<*> ready=<*>"),
        ("账户12345已冻结", "账户<*>已冻结"),
        ("Consent revoked by customer", "Consent revoked by customer"),
        ("and/or", "and/or"),
    ],
)
def test_values_of_an_evident_shape_are_hidden(message: str, masked: str) -> None:
    assert mask(message) == masked


def test_long_messages_are_cut_between_words() -> None:
    assert mask("value " * MAX_CHARS).endswith("value")


@given(st.text())
def test_any_text_is_masked_and_cut_into_tokens(text: str) -> None:
    masked = mask(text)
    assert mask(masked) == masked or len(mask(masked)) <= len(masked)
    assert all(tokens(masked))


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=60))
def test_tokens_of_a_joined_text_are_the_same_tokens(text: str) -> None:
    parts = tokens(mask(text))
    assert tokens("".join(parts)) == parts


@pytest.mark.parametrize("unit", ["a", "1", "/", "a/", "a:", ".", "a@", "<*>", "1 ", "-a.", "a.b:", "\udcff", "a=b ", "\x00\xff"])
def test_a_megabyte_of_anything_costs_little(unit: str) -> None:
    began = time.thread_time()
    tokens(mask(unit * (1_000_000 // len(unit))))
    assert time.thread_time() - began < 0.5
