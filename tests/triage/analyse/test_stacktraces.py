"""Stack traces of five languages read the same whatever a build, a start or a proxy invented."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.analyse.grouping.stacktraces import normal_function, parse_trace, short_type


def own(trace: str) -> list[tuple[str, list[str]]]:
    """Type and own functions of each exception."""
    return [(raised.type, [f.function for f in raised.frames if f.in_app]) for raised in parse_trace(trace)]


JAVA = """com.bank.PaymentFailed: payment 12 failed
\tat com.bank.pay.Service$$EnhancerBySpringCGLIB$$1a2b3c.submit(<generated>)
\tat com.bank.pay.Service.submit(Service.java:41)
\tat com.bank.pay.Service.lambda$send$3(Service.java:77)
\tat com.sun.proxy.$Proxy99.call(Unknown Source)
\tat java.base/java.lang.Thread.run(Thread.java:840)
Caused by: java.net.SocketTimeoutException: Read timed out
\tat java.base/sun.nio.ch.NioSocketImpl.read(NioSocketImpl.java:283)
\tat com.bank.core.Client$2.post(Client.java:9)
\t... 12 more"""

PYTHON = """Traceback (most recent call last):
  File "/srv/bank/transport.py", line 3, in send
    raise TimeoutError("timed out")
TimeoutError: timed out

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/usr/lib/python3.11/site-packages/flask/app.py", line 9, in wsgi
    return f()
  File "/srv/bank/views.py", line 12, in start
    sca.challenge(request)
bank.errors.ScaUnavailable: broker gave no answer"""

JAVASCRIPT = """TypeError: Cannot read properties of undefined (reading 'id')
    at renderConsent (/opt/app/dist/consent.3f2a1b9c.js:10:5)
    at async Object.load [as handler] (/opt/app/dist/routes.js:4:11)
    at /opt/app/dist/routes.js:9:2
    at Layer.handle (/opt/app/node_modules/express/lib/layer.js:95:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)"""

GO = """panic: runtime error: invalid memory address or nil pointer dereference [recovered]
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]

goroutine 34 [running]:
bank.example/gateway/limits.(*Bucket).Take(0xc000123456, 0x1)
\t/build/7/limits/bucket.go:88 +0x1d
bank.example/gateway/edge.(*Proxy).Serve.func2()
\t/build/7/edge/proxy.go:12 +0x2f
net/http.HandlerFunc.ServeHTTP(0xc000123456)
\t/usr/local/go/src/net/http/server.go:2136 +0x2f
created by net/http.(*Server).Serve in goroutine 1
\t/usr/local/go/src/net/http/server.go:3285 +0x4b4"""

DOTNET = """Bank.Sanctions.ScreeningFailed: screening 7 failed
 ---> Npgsql.PostgresException: 40P01: deadlock detected
   at Npgsql.Internal.Connector.ReadMessage(Boolean async)
   at Bank.Sanctions.Store.<SaveAsync>d__12.MoveNext() in /src/Store.cs:line 31
   --- End of inner exception stack trace ---
   at Bank.Sanctions.Api.<>c__DisplayClass3_0.<PostAsync>b__1(Request r) in /src/Api.cs:line 8
   at Microsoft.AspNetCore.Routing.EndpointMiddleware.Invoke(HttpContext httpContext)"""


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        (
            JAVA,
            [
                ("com.bank.PaymentFailed", ["com.bank.pay.Service.submit", "com.bank.pay.Service.send<lambda>"]),
                ("java.net.SocketTimeoutException", ["com.bank.core.Client.post"]),
            ],
        ),
        (PYTHON, [("bank.errors.ScaUnavailable", ["views.start"]), ("TimeoutError", ["transport.send"])]),
        (JAVASCRIPT, [("TypeError", ["consent.js:renderConsent", "routes.js:load", "routes.js:<lambda>"])]),
        (GO, [("runtime error", ["limits.(*Bucket).Take", "edge.(*Proxy).Serve.<lambda>"])]),
        (
            DOTNET,
            [
                ("Bank.Sanctions.ScreeningFailed", ["Bank.Sanctions.Api.PostAsync<lambda>"]),
                ("Npgsql.PostgresException", ["Bank.Sanctions.Store.SaveAsync"]),
            ],
        ),
    ],
    ids=["java", "python", "javascript", "go", "dotnet"],
)
def test_own_calls_are_told_from_library_calls(trace: str, expected: list[tuple[str, list[str]]]) -> None:
    assert own(trace) == expected


def test_messages_of_the_chain_are_kept() -> None:
    assert [raised.message for raised in parse_trace(JAVA)] == ["payment 12 failed", "Read timed out"]
    assert parse_trace(GO)[0].message.startswith("runtime error: invalid memory address")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("com.bank.A.lambda$run$0", "com.bank.A.lambda$run$17"),
        ("com.bank.A$$Lambda$14/0x00007f.apply", "com.bank.A$$Lambda$99/0x0000aa.apply"),
        ("Bank.A.<RunAsync>d__5.MoveNext", "Bank.A.<RunAsync>d__6.MoveNext"),
        ("pkg.(*T).Run.func1", "pkg.(*T).Run.func3.1"),
        ("pkg.Map[...]", "pkg.Map[go.shape.int]"),
    ],
)
def test_generated_names_are_normalised(one: str, other: str) -> None:
    assert normal_function(one) == normal_function(other)


def test_short_type_drops_the_package() -> None:
    assert [short_type(name) for name in ("java.net.ConnectException", "Error", "A$B")] == ["ConnectException", "Error", "B"]


@pytest.mark.parametrize(
    "text", ["", "Payment failed", "at the bank", "Traceback (most recent call last):", "  at ", "goroutine 1"]
)
def test_what_is_no_trace_gives_nothing(text: str) -> None:
    assert parse_trace(text) == ()


@given(st.lists(st.sampled_from("\n".join((JAVA, PYTHON, GO, DOTNET, JAVASCRIPT)).split("\n"))))
def test_any_mixture_of_lines_is_read_without_error(lines: list[str]) -> None:
    parse_trace("\n".join(lines))


@pytest.mark.parametrize(
    "unit", ["\tat a.b(", "at (", '  File "', "a.", "at [", "(", "<a>", "\tat x (y:1:", "goroutine 1\n a.b(\n\t/x.go:1"]
)
def test_a_megabyte_of_anything_is_bounded(unit: str) -> None:
    parse_trace(unit * (1_000_000 // len(unit)))
    parse_trace((unit * 20 + "\n") * 20_000)
