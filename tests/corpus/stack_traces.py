"""Stack traces of five languages for the labelled corpus: what a build or a start changes differs in every event."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

Trace = Callable[[random.Random], str]


def java(kind: str, message: str, own: tuple[str, ...], cause: tuple[str, str, tuple[str, ...]] | None = None) -> Trace:
    """`own`: functions `com.bank.x.Class.method`, deepest first; `cause`: type, message and own functions of the cause."""

    def make(source: random.Random) -> str:
        lines = [f"{kind}: {message.replace('#', str(source.randint(1, 10**6)))}", *_java_frames(source, own)]
        if cause:
            lines += [f"Caused by: {cause[0]}: {cause[1].replace('#', str(source.randint(1, 10**6)))}"]
            lines += [*_java_frames(source, cause[2]), f"\t... {source.randint(5, 60)} more"]
        return "\n".join(lines)

    return make


def _java_frames(source: random.Random, own: tuple[str, ...]) -> list[str]:
    proxy, line = f"{source.getrandbits(32):08x}", source.randint
    lines = []
    for name in own:
        file = name.split(".")[-2].split("$")[0] + ".java"
        called = f"{name}${line(0, 9)}" if "lambda$" in name else name
        lines.append(f"\tat {called}({file}:{line(10, 400)})")
        if source.random() < 0.4:
            owner = name.rsplit(".", 1)[0]
            lines.append(f"\tat {owner}$$FastClassBySpringCGLIB$${proxy}.invoke(<generated>)")
            lines.append(f"\tat org.springframework.cglib.proxy.MethodProxy.invoke(MethodProxy.java:{line(10, 400)})")
    lines.append(f"\tat java.base/jdk.internal.reflect.GeneratedMethodAccessor{line(1, 400)}.invoke(Unknown Source)")
    entry = source.choice(("DispatcherServlet.doDispatch", "ReactiveHandler.handle"))
    lines.append(f"\tat org.springframework.web.{entry}({entry.split('.')[0]}.java:{line(10, 999)})")
    if source.random() < 0.5:
        lines.append(f"\tat com.sun.proxy.$Proxy{line(10, 300)}.call(Unknown Source)")
    return lines


def python(kind: str, message: str, own: tuple[str, ...], cause: tuple[str, str, tuple[str, ...]] | None = None) -> Trace:
    """`own`: `file.function`, outermost first, as Python prints them; the cause is printed before."""

    def make(source: random.Random) -> str:
        number = str(source.randint(1, 10**6))
        text = _python_block(source, own, f"{kind}: {message.replace('#', number)}")
        if cause:
            before = _python_block(source, cause[2], f"{cause[0]}: {cause[1].replace('#', number)}")
            text = f"{before}\n\nThe above exception was the direct cause of the following exception:\n\n{text}"
        return text

    return make


def _python_block(source: random.Random, own: tuple[str, ...], last: str) -> str:
    version = source.choice(("3.11", "3.12"))
    lines = ["Traceback (most recent call last):"]
    if source.random() < 0.5:
        file = f"/usr/lib/python{version}/site-packages/flask/app.py"
        lines.append(f'  File "{file}", line {source.randint(1, 999)}, in wsgi')
        lines.append("    return self.full_dispatch_request()")
    for name in own:
        file, function = name.rsplit(".", 1)
        lines.append(f'  File "/srv/app-{source.randint(1, 99)}/bank/{file}.py", line {source.randint(1, 999)}, in {function}')
        lines.append(f"    {function}(request)")
    return "\n".join([*lines, last])


def javascript(kind: str, message: str, own: tuple[str, ...]) -> Trace:
    """`own`: `file.js:function`, deepest first; an empty function is an anonymous one."""

    def make(source: random.Random) -> str:
        lines = [f"{kind}: {message.replace('#', str(source.randint(1, 10**6)))}"]
        for name in own:
            file, function = name.split(":")
            stem = file.removesuffix(".js") + (f".{source.getrandbits(32):08x}" if source.random() < 0.3 else "")
            place = f"/opt/app/dist/{stem}.js:{source.randint(1, 900)}:{source.randint(1, 90)}"
            maybe = "async " if source.random() < 0.3 else ""
            lines.append(f"    at {maybe}{function} ({place})" if function else f"    at {maybe}{place}")
        lines.append(f"    at Layer.handle (/opt/app/node_modules/express/lib/router/layer.js:{source.randint(1, 99)}:5)")
        lines.append(f"    at process.processTicksAndRejections (node:internal/process/task_queues:{source.randint(1, 99)}:5)")
        return "\n".join(lines)

    return make


def golang(message: str, own: tuple[str, ...]) -> Trace:
    """`own`: `package.(*Type).Method`, deepest first."""

    def make(source: random.Random) -> str:
        address = f"0xc000{source.getrandbits(24):06x}"
        said = message.replace("#", str(source.randint(1, 10**6)))
        lines = [f"panic: {said}", "", f"goroutine {source.randint(1, 9999)} [running]:"]
        for name in own:
            file = name.split(".")[0]
            lines.append(f"bank.example/gateway/{name}({address}, 0x{source.getrandbits(8):x})")
            place = f"{file}/{file}.go:{source.randint(1, 900)}"
            lines.append(f"\t/build/{source.randint(1, 99)}/gateway/{place} +0x{source.getrandbits(10):x}")
        lines.append(f"net/http.HandlerFunc.ServeHTTP({address})")
        lines.append(f"\t/usr/local/go/src/net/http/server.go:{source.randint(1, 3000)} +0x2f")
        lines.append(f"created by net/http.(*Server).Serve in goroutine {source.randint(1, 99)}")
        lines.append("\t/usr/local/go/src/net/http/server.go:3285 +0x4b4")
        return "\n".join(lines)

    return make


def dotnet(kind: str, message: str, own: tuple[str, ...], cause: tuple[str, str, tuple[str, ...]] | None = None) -> Trace:
    """`own`: `Bank.Space.Class.Method`, deepest first; `~` before a method makes it an async state machine."""

    def make(source: random.Random) -> str:
        number = str(source.randint(1, 10**6))
        lines = [f"{kind}: {message.replace('#', number)}"]
        if cause:
            lines.append(f" ---> {cause[0]}: {cause[1].replace('#', number)}")
            lines += [_dotnet_frame(source, name) for name in cause[2]]
            lines.append("   --- End of inner exception stack trace ---")
        lines += [_dotnet_frame(source, name) for name in own]
        lines.append("   at Microsoft.AspNetCore.Routing.EndpointMiddleware.Invoke(HttpContext httpContext)")
        return "\n".join(lines)

    return make


def _dotnet_frame(source: random.Random, name: str) -> str:
    owner, method = name.rsplit(".", 1)
    called = f"{owner}.<{method[1:]}>d__{source.randint(1, 40)}.MoveNext()" if method[0] == "~" else f"{name}(String id)"
    file = f"/src/{source.randint(1, 9)}/{owner.split('.')[-1]}.cs"
    return f"   at {called}" + (f" in {file}:line {source.randint(1, 500)}" if source.random() < 0.7 else "")


_NPE: Final = "java.lang.NullPointerException"
_CORE: Final = "com.bank.core.LedgerClient.post"

TRACES: Final[tuple[tuple[str, str, Trace], ...]] = (
    (
        "java npe in consent mapper",
        "consents",
        java(
            _NPE,
            'Cannot invoke "Consent.id()" because "c" is null',
            ("com.bank.consent.ConsentMapper.toView", "com.bank.consent.ConsentService.load"),
        ),
    ),
    (
        "java npe in payment mapper",
        "consents",
        java(
            _NPE,
            'Cannot invoke "Payment.id()" because "p" is null',
            ("com.bank.payment.PaymentMapper.lambda$toView", "com.bank.payment.PaymentService.load"),
        ),
    ),
    (
        "java illegal state in consent mapper",
        "consents",
        java(
            "java.lang.IllegalStateException",
            "consent # has no status",
            ("com.bank.consent.ConsentMapper.toView", "com.bank.consent.ConsentService.load"),
        ),
    ),
    (
        "java ledger timeout",
        "payments",
        java(
            "com.bank.payment.PaymentFailed",
            "payment # failed",
            ("com.bank.payment.PaymentService.submit",),
            ("java.net.SocketTimeoutException", "Read timed out", (_CORE, "com.bank.payment.Submitter.send")),
        ),
    ),
    (
        "java ledger refused",
        "payments",
        java(
            "com.bank.payment.PaymentFailed",
            "payment # failed",
            ("com.bank.payment.PaymentService.submit",),
            ("java.net.ConnectException", "Connection refused", (_CORE, "com.bank.payment.Submitter.send")),
        ),
    ),
    (
        "java search: index missing",
        "search",
        java("java.lang.RuntimeException", "no such index [transactions-#]", ("com.bank.search.Index.query",)),
    ),
    (
        "java search: shards failed",
        "search",
        java("java.lang.RuntimeException", "all shards failed on node #", ("com.bank.search.Index.query",)),
    ),
    ("python key error in sca", "sca-broker", python("KeyError", "'challenge'", ("views.start", "sca.challenge"))),
    (
        "python timeout in sca",
        "sca-broker",
        python(
            "bank.errors.ScaUnavailable",
            "broker # gave no answer",
            ("views.start", "sca.challenge"),
            ("TimeoutError", "timed out", ("transport.send",)),
        ),
    ),
    (
        "python decimal in fx",
        "fx-rates",
        python("decimal.InvalidOperation", "[<class 'decimal.ConversionSyntax'>]", ("views.quote", "rates.parse")),
    ),
    (
        "js undefined in widget api",
        "consent-ui",
        javascript(
            "TypeError", "Cannot read properties of undefined (reading 'permissions')", ("consent.js:renderConsent", "routes.js:")
        ),
    ),
    (
        "js undefined in receipts",
        "consent-ui",
        javascript(
            "TypeError", "Cannot read properties of undefined (reading 'amount')", ("receipt.js:renderReceipt", "routes.js:")
        ),
    ),
    (
        "go nil map in router",
        "edge",
        golang("assignment to entry in nil map", ("router.(*Table).Add.func1", "router.(*Table).Load")),
    ),
    (
        "go nil pointer in limiter",
        "edge",
        golang(
            "runtime error: invalid memory address or nil pointer dereference",
            ("limits.(*Bucket).Take", "edge.(*Proxy).Serve.func2"),
        ),
    ),
    (
        "dotnet null in sanctions",
        "sanctions",
        dotnet(
            "System.NullReferenceException",
            "Object reference not set to an instance of an object.",
            ("Bank.Sanctions.Screening.~CheckAsync", "Bank.Sanctions.Api.~PostAsync"),
        ),
    ),
    (
        "dotnet sql deadlock in sanctions",
        "sanctions",
        dotnet(
            "Bank.Sanctions.ScreeningFailed",
            "screening # failed",
            ("Bank.Sanctions.Api.~PostAsync",),
            ("Npgsql.PostgresException", "40P01: deadlock detected", ("Bank.Sanctions.Store.~SaveAsync",)),
        ),
    ),
)
