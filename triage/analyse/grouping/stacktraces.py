"""Read stack traces of Python, Java, JavaScript, Go and .NET into what stays the same from one failure to the next.

Line numbers, addresses, lambda and closure numbers, generated classes and proxies change with every build or start;
they are dropped or replaced here, so that the same fault reads the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

MAX_TRACE_CHARS: Final = 65_536
MAX_LINE_CHARS: Final = 1_000
MAX_FRAMES: Final = 200


@dataclass(frozen=True, slots=True)
class Frame:
    """One call: `function` with its class or module, `in_app` if it is the bank's own code."""

    function: str
    in_app: bool


@dataclass(frozen=True, slots=True)
class Raised:
    """One exception of a chain; frames from the deepest call outwards."""

    type: str
    message: str
    frames: tuple[Frame, ...]


_JAVA_FRAME = re.compile(r"\s*at (?:[\w.\-@]*/{1,2})*([\w.$<>\-/]+)\(([^()]*)\)")
_JAVA_SOURCES = frozenset({"Native Method", "Unknown Source", "<generated>"})
_DOTNET_FRAME = re.compile(r"\s*at ([^()\[\]]{1,300}(?:\[[^\[\]]*\])?)\(([^()]*(?:\(\))?[^()]*)\)(?: in (.+):line \d+)?\s*$")
_JS_FRAME = re.compile(r"\s*at (?:async )?(?:(.{1,300}?) \()?((?:[\w\-+]+:)?[^\s()]+?)(?::\d+){1,2}\)?\s*$")
_PY_FRAME = re.compile(r'\s*File "([^"]+)", line \d+(?:, in (.+))?')
_GO_FRAME = re.compile(r"([\w.\-/%~*()\[\]{}]+\.[\w.\-*()\[\]{}]+?)\([^()]*\)$")
_GO_FILE = re.compile(r"\s+(\S+\.go):\d+")
_HEADER = re.compile(r"(?:\[cause\]: )?(?:Uncaught )?([A-Za-z_][\w.$`+]*)(?: \[[\w.]+\])?(?::\s?(.*))?$")
_CAUSE = re.compile(r"\s*(?:Caused by: |\[cause\]: |---> (?:\(Inner Exception #\d+\) )?)")
_PY_CHAIN = re.compile(r"(?:The above exception was the direct cause|During handling of the above exception)")
_THREAD = re.compile(r'Exception in thread "[^"]*" |Unhandled exception\. |Unhandled Exception: ')

_LIBRARY_NAMES = re.compile(
    r"(?:java|javax|jakarta|jdk|sun|com\.sun|kotlin|kotlinx|scala|groovy|org\.(?:springframework|apache|hibernate|eclipse|jboss"
    r"|postgresql|slf4j|aspectj|codehaus|glassfish)|io\.(?:netty|micrometer|projectreactor|opentelemetry|vertx|undertow)"
    r"|reactor|feign|okhttp3|retrofit2|com\.(?:fasterxml|google|zaxxer|mysql|oracle)|ch\.qos|net\.bytebuddy"
    r"|System|Microsoft|Newtonsoft|Npgsql|Polly|Grpc|MediatR"
    r"|runtime|net|net/http|net/\w+|database/sql|encoding/\w+|context|sync|syscall|reflect|testing|internal/\w+|google\.golang\.org)"
    r"(?:[./]|$)"
)
_LIBRARY_PATHS = re.compile(
    r"site-packages|dist-packages|/lib/python\d|lib64/python|<frozen |node_modules|node:|^internal/|/pkg/mod/|/vendor/"
    r"|/usr/local/go/|/go/src/(?:runtime|net)/|webpack/bootstrap|\(native\)|<anonymous>$"
)
_GENERATED_FRAME = re.compile(
    r"\$Proxy\d+|\$\$FastClassBy|GeneratedMethodAccessor|GeneratedConstructorAccessor|NativeMethodAccessor"
    r"|DelegatingMethodAccessor|DirectMethodHandle|LambdaForm|BySpringCGLIB\$\$\w+\.(?:invoke|CGLIB)|<generated>"
    r"|Castle\.Proxies|DynamicProxy|lambda_method|^processTicksAndRejections|ExceptionDispatchInfo"
)
_NORMALISE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\$\$(?:Enhancer|SpringCGLIB|ByteBuddy|HibernateProxy|_javassist|_Weld|Lambda)[\w$/]*(?:0x[0-9a-f]+)?"), ""),
    (re.compile(r"lambda\$(?:(\w+?)\$)?\d+"), r"\1<lambda>"),
    (re.compile(r"access\$\d+"), "<access>"),
    (re.compile(r"\$\d+(?=[.$]|$)"), ""),
    (re.compile(r"<>c(?:__DisplayClass\d+_\d+)?\.<(\w+)>b__[\d_]+"), r"\1<lambda>"),
    (re.compile(r"<(\w+)>d(?:__\d+)?(?:`\d+)?\.MoveNext"), r"\1"),
    (re.compile(r"<(\w+)>g__(\w+)\|[\d_]+"), r"\1.\2"),
    (re.compile(r"`\d+(?:\[[^\]]*\])?"), ""),
    (re.compile(r"(?:\.func\d+)(?:\.\d+|\.func\d+|\.gowrap\d+)*"), ".<lambda>"),
    (re.compile(r"\[[^\[\]]*\]"), ""),
    (re.compile(r"<lambda>(?:<lambda>)+"), "<lambda>"),
    (re.compile(r"\bv\d+(?=/)"), "v"),
)
_HASHED_FILE = re.compile(r"[.\-_][0-9a-f]{6,}(?=\.)")


def parse_trace(text: str) -> tuple[Raised, ...]:
    """The exceptions of a stack trace from the outermost to the root cause; empty if `text` is no trace that is known.

    Reads at most `MAX_TRACE_CHARS` characters; never raises.
    """
    lines = [line[:MAX_LINE_CHARS] for line in text[:MAX_TRACE_CHARS].splitlines()]
    if any(_PY_FRAME.match(line) for line in lines):
        return _python(lines)
    if any(line.startswith("goroutine ") for line in lines) or any(_GO_FILE.match(line) for line in lines):
        return _go(lines)
    return _at_lines(lines)


def short_type(name: str) -> str:
    """The class name without package: `java.net.ConnectException` -> `ConnectException`."""
    return re.split(r"[./$+]", name)[-1]


def normal_function(name: str) -> str:
    """A function's name without what a build or a start invents: lambda numbers, proxies, generics, state machines."""
    for pattern, text in _NORMALISE:
        name = pattern.sub(text, name)
    return name.strip()


def _at_lines(lines: list[str]) -> tuple[Raised, ...]:
    """Java, .NET and JavaScript: a header, then `at` lines, then causes with a header of their own."""
    chain: list[tuple[str, str, list[Frame]]] = []
    for line in lines:
        if line.lstrip().startswith("at "):
            frame = _frame(line)
            if frame and chain and len(chain[-1][2]) < MAX_FRAMES:
                chain[-1][2].append(frame)
            continue
        for part in re.split(r"\s*(?=---> )", line):
            cause = _CAUSE.match(part)
            header = _HEADER.match(_THREAD.sub("", part[cause.end() :] if cause else part).strip(" {}"))
            if header and (cause or not chain):
                chain.append((header[1], header[2] or "", []))
    return _dotnet_order([Raised(kind, message, tuple(frames)) for kind, message, frames in chain], lines)


def _dotnet_order(chain: list[Raised], lines: Iterable[str]) -> tuple[Raised, ...]:
    """.NET prints all headers first and then the frames, the innermost first; give each exception its own."""
    blocks: list[list[Frame]] = [[]]
    for line in lines:
        if "--- End of inner exception stack trace ---" in line:
            blocks.append([])
        elif line.lstrip().startswith("at ") and (frame := _frame(line)):
            blocks[-1].append(frame)
    if len(blocks) < 2 or len(blocks) > len(chain):
        return tuple(raised for raised in chain if raised.frames) if any(r.frames for r in chain) else ()
    inner_first = chain[::-1]
    placed = [Raised(r.type, r.message, tuple(frames)) for r, frames in zip(inner_first, blocks, strict=False)]
    return tuple(placed[::-1])


def _frame(line: str) -> Frame | None:
    java = _JAVA_FRAME.match(line)
    if java and (java[2].endswith((".java", ".kt", ".scala", ".groovy")) or ":" in java[2] or java[2] in _JAVA_SOURCES):
        return None if java[2] == "<generated>" else _named(java[1], "")
    script = _JS_FRAME.match(line)
    if script and not re.search(r":line \d+\s*$", line):
        return _script(script[1] or "", script[2])
    dotnet = _DOTNET_FRAME.match(line)
    return _named(dotnet[1], dotnet[3] or "") if dotnet else None


def _named(name: str, path: str) -> Frame | None:
    if _GENERATED_FRAME.search(name):
        return None
    return Frame(normal_function(name), not (_LIBRARY_NAMES.match(name) or _LIBRARY_PATHS.search(path)))


def _script(function: str, path: str) -> Frame | None:
    if _GENERATED_FRAME.search(function):
        return None
    function = re.sub(r"^(?:new |Object\.|Function\.|Module\.|async )+| \[as [^\]]+\]", "", function)
    if function in ("", "<anonymous>", "eval"):
        function = "<lambda>"
    file = _HASHED_FILE.sub("", re.split(r"[/\\]", re.sub(r"[?#].*", "", path))[-1])
    return Frame(f"{file}:{normal_function(function)}", not _LIBRARY_PATHS.search(path))


def _python(lines: Iterable[str]) -> tuple[Raised, ...]:
    """Python: frames from the outside in, then `Type: message`; the root cause stands first."""
    chain: list[Raised] = []
    frames: list[Frame] = []
    for line in lines:
        found = _PY_FRAME.match(line)
        if found:
            file = re.split(r"[/\\]", found[1])[-1].removesuffix(".py")
            frames.append(Frame(f"{file}.{found[2] or '<module>'}", not _LIBRARY_PATHS.search(found[1])))
        elif frames and not line[:1].isspace() and (header := _HEADER.match(line)) and not _PY_CHAIN.match(line):
            chain.append(Raised(header[1], header[2] or "", tuple(frames[-MAX_FRAMES:][::-1])))
            frames = []
    return tuple(chain[::-1])


def _go(lines: list[str]) -> tuple[Raised, ...]:
    """Go: `panic: message` (or the error's text), then the first goroutine's calls, each with its file below."""
    head = next((line for line in lines if line.strip() and not line.startswith("goroutine ")), "")
    message = re.sub(r"^(?:panic: |fatal error: |http: panic serving \S+: )+| \[recovered\]$", "", head)
    frames: list[Frame] = []
    started = False
    for above, line in pairwise(lines):
        if line.startswith("goroutine ") and started and frames:
            break
        started = started or line.startswith("goroutine ")
        file, call = _GO_FILE.match(line), _GO_FRAME.match(above.strip())
        if file and call and not above.startswith("created by") and call[1] != "panic" and len(frames) < MAX_FRAMES:
            name = call[1]
            library = _LIBRARY_NAMES.match(name) or _LIBRARY_PATHS.search(file[1])
            frames.append(Frame(normal_function(re.split(r"/", name)[-1]), not library))
    kind = "runtime error" if message.startswith("runtime error:") else "panic"
    return (Raised(kind, message, tuple(frames)),) if frames else ()
