from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.routes import RouteCatalogue, ids_in_path, resource_in, template_of


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/open-banking/v4.0/aisp/accounts/22289/transactions?from=1", "/open-banking/v4.0/aisp/accounts/{id}/transactions"),
        ("/v1/consents/93bac548-d2de-4546-b106-880a5018460d/status", "/v1/consents/{id}/status"),
        ("/v1/payments/sepa-credit-transfers/abc-123", "/v1/payments/sepa-credit-transfers/{id}"),
        ("/v1/payments/pain.001-sepa-credit-transfers", "/v1/payments/pain.001-sepa-credit-transfers"),
        ("/accounts/GB29NWBK60161331926819", "/accounts/{id}"),
        ("/account-access-consents/urn-alphabank-intent-88379", "/account-access-consents/{id}"),
        ("https://api.bank.example:8443/oauth2/token?x=/y/1", "/oauth2/token"),
        ("/.well-known/openid-configuration", "/.well-known/openid-configuration"),
        ("/trace/5b8efff798038103d269b633813fc60c", "/trace/{id}"),
        ("/users/alice%40example.com", "/users/{id}"),
        ("/users/a@b.example/", "/users/{id}"),
        ("/token/dGhpc0lzQVJhbmRvbVRva2Vu", "/token/{id}"),
        ("/accounts;jsessionid=77/1", "/accounts/{id}"),
        ("/pets/{petId}", "/pets/{petId}"),
        ("", "/"), ("/", "/"), ("?a=1", "/"), ("//a//b/", "/a/b"),
    ],
)
def test_template(path: str, template: str) -> None:
    assert template_of(path) == template


@given(st.text(max_size=60))
def test_template_is_stable_and_never_holds_a_query(path: str) -> None:
    once = template_of(path)

    assert once.startswith("/")
    assert "?" not in once
    assert template_of(once) == once


@given(st.integers(min_value=0) | st.uuids().map(str))
def test_ids_never_stay(value: object) -> None:
    assert template_of(f"/accounts/{value}/balances") == "/accounts/{id}/balances"
    assert resource_in(f"/accounts/{value}/balances?page=2") == str(value)


def test_ids_that_a_path_names() -> None:
    assert ids_in_path("/open-banking/v4.0/aisp/account-access-consents/aac-77") == ("aac-77", "")
    assert ids_in_path("/open-banking/v4.0/pisp/domestic-payments/58923?x") == ("", "58923")
    assert ids_in_path("/v1/payments/sepa-credit-transfers/1234-wertiq-983/status") == ("", "1234-wertiq-983")
    assert ids_in_path("/v1/consents") == ("", "")


def test_catalogue_prefers_literals_and_finds_base_paths() -> None:
    document = {"servers": [{"url": "https://x/open-banking/v4.0"}], "paths": {"/accounts/{AccountId}": {}, "/accounts/all": {}}}
    catalogue = RouteCatalogue(["/v1/{payment-service}/:product"], [document, {"paths": None}])

    assert len(catalogue) == 3
    assert catalogue.match("/open-banking/v4.0/accounts/22289?x=1") == "/open-banking/v4.0/accounts/{AccountId}"
    assert catalogue.match("/open-banking/v4.0/accounts/all") == "/open-banking/v4.0/accounts/all"
    assert catalogue.match("/gw/prod/open-banking/v4.0/accounts/1") == "/gw/prod/open-banking/v4.0/accounts/{AccountId}"
    assert catalogue.match("/v1/payments/x") == "/v1/{payment-service}/{product}"
    assert catalogue.match("/nothing") == ""
    assert RouteCatalogue().match("/accounts/1") == ""
