"""A seeded corpus: personal data of every kind in the company in which they are met, and the numbers that look like them."""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Callable

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from triage.mask.checks import IBAN_LENGTHS, is_card, is_cpf, is_resident_id
from triage.mask.masker import Masker

MASKER = Masker(b"key")


def digits(rnd: random.Random, count: int) -> str:
    return "".join(rnd.choices("0123456789", k=count))


def found(make: Callable[[], str], good: Callable[[str], bool]) -> str:
    return next(value for value in iter(make, None) if good(value))


def card(rnd: random.Random) -> str:
    prefix, length = rnd.choice([("4", 16), ("51", 16), ("37", 15), ("62", 19), ("6011", 16), ("3530", 16)])
    value = found(lambda: prefix + digits(rnd, length - len(prefix)), is_card)
    sign = rnd.choice(["", "", " ", "-"]) if length == 16 else ""
    return sign.join(value[i:i + 4] for i in range(0, length, 4)) if sign else value


def iban(rnd: random.Random) -> str:
    country = rnd.choice(["GB", "DE", "FR", "NL", "ES", "PT", "IT", "LU"])
    account = ("BANK" if country in ("GB", "NL") else "") + digits(rnd, IBAN_LENGTHS[country])
    account = account[: IBAN_LENGTHS[country] - 4]
    number = int("".join(str(int(char, 36)) for char in f"{account}{country}00"))
    value = f"{country}{98 - number % 97:02d}{account}"
    return " ".join(value[i:i + 4] for i in range(0, len(value), 4)) if rnd.random() < 0.3 else value


def resident(rnd: random.Random) -> str:
    day = f"{rnd.randint(1950, 2010)}{rnd.randint(1, 12):02d}{rnd.randint(1, 28):02d}"
    return found(lambda: f"{rnd.randint(110000, 659000)}{day}{digits(rnd, 3)}{rnd.choice('0123456789X')}", is_resident_id)


def cpf(rnd: random.Random) -> str:
    value = found(lambda: digits(rnd, 11), is_cpf)
    return f"{value[:3]}.{value[3:6]}.{value[6:9]}-{value[9:]}"


def phone(rnd: random.Random) -> str:
    return rnd.choice([
        f"+44 7700 9{digits(rnd, 5)}", f"+86{rnd.randint(13, 19)}{digits(rnd, 9)}", f"1{rnd.randint(3, 9)}{digits(rnd, 9)}",
        f"07700 9{digits(rnd, 5)}", f"+1 (415) 555-{digits(rnd, 4)}", f"+49 30 {digits(rnd, 8)}",
    ])


def email(rnd: random.Random) -> str:
    who = rnd.choice(["alice", "bob.smith", "li.wei+x", "o_neil"])
    return f"{who}{rnd.randint(1, 99)}@{rnd.choice(['example.com', 'mail.bank.example'])}"


def token(rnd: random.Random) -> str:
    raw = base64.urlsafe_b64encode(rnd.randbytes(24)).decode().rstrip("=")
    return rnd.choice([f"Bearer {raw}", f"eyJhbGciOiJSUzI1NiJ9.{raw}.{raw[::-1]}", f"password={raw}", f'"client_secret":"{raw}"'])


PERSONAL = (card, iban, resident, cpf, phone, email, token)
SENTENCES = (
    "payment to {} was rejected", "Invalid value '{}' for field Data.Initiation", "customer {} not found, retry in 5 s",
    '{{"level":"ERROR","msg":"lookup failed","value":"{}"}}', "2024-03-05T10:15:30.123Z WARN [pool-3] c.b.Foo - {}",
    "value={}", "[{}]",
    "GET /v1/things/{} -> 500 in 12 ms", "卡 {} 无效",
)


def harmless(rnd: random.Random) -> str:
    seconds = rnd.randint(1_600_000_000, 1_900_000_000)
    return rnd.choice([
        str(uuid.UUID(int=rnd.getrandbits(128), version=4)), f"{rnd.getrandbits(128):032x}", f"sha256:{rnd.getrandbits(256):064x}",
        str(seconds), f"{seconds}{digits(rnd, 3)}", f"{seconds}{digits(rnd, 9)}",
        f"{rnd.random():.16f}", f"1.{digits(rnd, 13)}e+18",
        f"{rnd.randint(1, 255)}.{rnd.randint(0, 255)}.1.2:8080", f"order-{rnd.randint(1, 99999)}", "v4.0.1",
        "UK.OBIE.Field.Missing", f"took {rnd.randint(10**9, 10**11)} ns", "java.lang.NullPointerException: x is null",
        f"2024-0{rnd.randint(1, 9)}-1{rnd.randint(0, 9)}T10:15:30.{digits(rnd, 6)}+08:00", "token: expired",
        "Basic authentication failed", f"{digits(rnd, 4)}-{digits(rnd, 2)}", f"pool-{digits(rnd, 3)}-thread-{digits(rnd, 2)}",
    ])


def secret_of(value: str) -> str:
    """What must not be left of a value: its middle, without the parts that may be kept."""
    if "@" in value:
        return value.partition("@")[0]
    bare = "".join(filter(str.isalnum, value))
    return bare[7:-5] if len(bare) > 14 else bare[:-5]


def is_missed(value: str, text: str, masked: str) -> bool:
    left = masked if "@" in value else "".join(filter(str.isalnum, masked))
    return masked == text or secret_of(value) in left


def test_recall_over_a_seeded_corpus() -> None:
    rnd = random.Random(7)
    missed = []
    for number in range(4_200):
        value = PERSONAL[number % len(PERSONAL)](rnd)
        text = rnd.choice(SENTENCES).format(value)
        masked = MASKER.mask_text(text)
        if is_missed(value, text, masked):
            missed.append((text, masked))

    assert len(missed) / 4_200 <= 0.005, missed[:20]


def test_precision_over_a_seeded_corpus() -> None:
    rnd = random.Random(11)
    sentences = [sentence.replace("customer", "record") for sentence in SENTENCES]
    texts = [rnd.choice(sentences).format(harmless(rnd)) for _ in range(4_000)]
    changed = [(text, MASKER.mask_text(text)) for text in texts if MASKER.mask_text(text) != text]

    assert len(changed) / 4_000 <= 0.02, changed[:20]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("card 4111 1111 1111 1111 declined", "card 411111******1111 declined"),
        ("pan4111111111111111", "pan411111******1111"),
        ("IBAN GB29 NWBK 6016 1331 9268 19 was rejected", "IBAN GB****6819 was rejected"),
        ("Cookie: a=b; sid=123\nnext", "Cookie: [masked]\nnext"),
        ('{"password":"p q\\"r","x":1}', '{"password":"[masked]","x":1}'),
        ("Error: password: hunter2", "Error: password: [masked]"),
        ("https://u:p@h/cb?code=abc&state=1 failed", "https://[masked]@h/cb failed"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- x", "[masked] x"),
        ("user mail=alice%40example.com", "user mail=*@example.com"),
        ("sort code 20-00-00 55779911", "sort code [masked]"),
        ("NI QQ123456C", "NI [masked]"),
        ("call 13812345678", "call ***5678"),
        ("x-fapi-customer-ip-address: 104.25.212.99", "x-fapi-customer-ip-address: 104.25.212.0/24"),
        ("手机号:13812345678", "手机号:***5678"),
        ("key AKIAIOSFODNN7EXAMPLE", "key [masked]"),
        ("Authorization: ApiKey abc123def", "Authorization: [masked]"),
        ('{"req":"{\\"otp\\":123456,\\"pwd\\":\\"x\\"}"}', '{"req":"{\\"otp\\":[masked],\\"pwd\\":\\"[masked]\\"}"}'),
        ("curl -H 'x-api-key: abc123' https://h/", "curl -H 'x-api-key: [masked]' https://h/"),
        ("", ""),
    ],
)
def test_forms(text: str, masked: str) -> None:
    assert MASKER.mask_text(text) == masked


@pytest.mark.parametrize(
    "text",
    ["dial tcp 10.2.3.4:8080: connect: connection refused", "status code: 500", "code: 900803", "error code=AC17",
    "unexpected token: '<'",
     "at com.bank.Foo.bar(Foo.java:123)", "GET /accounts/{AccountId}/balances 500", "/v1/accounts/balances",
     "took 15234567890 ns", "balancer_start_ns 1.7267838395395e+18 1726783839539000064", "authorization: denied for partner acme"],
)
def test_what_triage_needs_stays(text: str) -> None:
    assert MASKER.mask_text(text) == text


PIECES = st.lists(
    st.sampled_from(["4111111111111111", "GB29NWBK60161331926819", "a@b.co", "password=", "Bearer ", "eyJhbGciOiJub25lIn0",
    ".", " ", "~",
                     "/accounts/", "22289", "?a=b&", "://", "+44", "7700900123", '"', "'",
                     ":", "13812345678", "*", "[masked]", "account "])
    | st.text(max_size=6), max_size=12).map("".join)


@examples(400)
@given(PIECES | st.text(max_size=80))
def test_idempotent_and_never_raises(text: str) -> None:
    once = MASKER.mask_text(text)

    assert MASKER.mask_text(once) == once
