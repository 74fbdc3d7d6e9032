from __future__ import annotations

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from triage.errors import BadInput
from triage.notify.signing import key_of, new_secret, signed_headers


@given(st.binary(min_size=24, max_size=64), st.dictionaries(st.text(), st.text()))
def test_the_official_package_accepts_every_signature(key: bytes, content: dict[str, str]) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    body = json.dumps(content, ensure_ascii=True).encode()

    headers = signed_headers(secret, "msg_1", int(time.time()), body)

    assert content == Webhook(secret).verify(body, headers)


def test_fresh_secrets_are_valid_and_differ() -> None:
    first, second = new_secret(), new_secret()

    assert first != second
    assert len(key_of(first)) == 32


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_dG9vIHNob3J0", "whsec_" + "A" * 200, "whsec_not base64 !", "QUJD" * 10, "whsec_ä"]
)
def test_a_wrong_secret_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(BadInput) as caught:
        key_of(secret)

    assert len(secret) < 8 or secret not in str(caught.value)
