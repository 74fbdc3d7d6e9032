from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.codes import codes_and_message


@pytest.mark.parametrize(
    ("body", "codes", "message"),
    [
        ('{"Code":"400 BadRequest","Id":"x","Message":"m","Errors":[{"ErrorCode":"UK.OBIE.Field.Missing","Message":"no amount",'
         '"Path":"Data"},{"ErrorCode":"U003","Message":"bad date"}]}', ("U003", "UK.OBIE.Field.Missing"), "bad date"),
        (b'{"tppMessages":[{"category":"ERROR","code":"CONSENT_EXPIRED","text":"too old"}]}', ("CONSENT_EXPIRED",), "too old"),
        ('{"type":"https://berlingroup.com/error-codes/TOKEN_INVALID","title":"t","detail":"d","code":"TOKEN_INVALID"}',
         ("TOKEN_INVALID",), "d"),
        ('{"type":"about:blank","title":"Forbidden","status":403}', (), "Forbidden"),
        ('{"error":"invalid_grant","error_description":"expired"}', ("invalid_grant",), "expired"),
        ({"errors": [{"code": "urn:au-cds:error:cds-all:Field/Missing".replace("/", "."), "title": "t"}]},
         ("urn:au-cds:error:cds-all:Field.Missing",), "t"),
        ('{"fault":{"code":900803,"message":"quota"}}', ("900803",), "quota"),
        ('{"code":"403 Forbidden"}', (), ""), ("<html>", (), ""), ("", (), ""), (None, (), ""), ([1], (), ""),
    ],
)
def test_shapes(body: Any, codes: tuple[str, ...], message: str) -> None:
    assert codes_and_message(body) == (codes, message)


@given(st.binary(max_size=60) | st.text(max_size=60) | st.dictionaries(st.text(max_size=6), st.lists(st.integers())))
def test_never_raises(body: object) -> None:
    codes, message = codes_and_message(body)

    assert list(codes) == sorted(codes)
    assert isinstance(message, str)
