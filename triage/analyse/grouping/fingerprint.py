"""Give an error event its fingerprint from the strongest evidence that it carries.

Standard error codes with the API come first, then the exception with the calls of the bank's own code, then the
message's template. Codes that only say 'something failed' are no evidence alone; they join what comes next.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from triage.analyse.grouping.stacktraces import Frame, Raised, parse_trace, short_type
from triage.analyse.grouping.templates import TemplateMiner

FRAMES_USED: Final = 3
"""Own calls, deepest first, that tell two failures of one type apart; what lies further out is how one got there."""
TITLE_CHARS: Final = 160
TRACE_HINT: Final = re.compile(r"\n\s+at |\n\s*File \"|\ngoroutine \d", re.ASCII)

_WEAK_CODE = re.compile(
    r"(?:HTTP[_ ]?)?[1-5]\d\d|about:blank|_OTHER|(?:\w+[._:/])*(?:internal|unexpected|unknown|server|general|generic|system)"
    r"[-_. ]?(?:server[-_. ]?)?(?:error|failure|exception)|error|exception|failed|failure|timeout",
    re.IGNORECASE,
)
_GENERIC_TYPES: Final = frozenset(
    {
        "Error", "Exception", "Throwable", "RuntimeException", "RuntimeError", "SystemException", "ApplicationException",
        "ServiceException", "ApiException", "ResponseError", "HTTPError", "HttpException", "panic", "runtime error",
        "errorString", "wrapError", "AssertionError", "Failure",
    }
)  # fmt: skip
_ROUTE_PARAMETER = re.compile(r"\{[^{}/]*\}|:[A-Za-z_]\w*|<[^<>/]+>|\*+")

Kind = Literal["code", "exception", "message"]


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """One error as it reached the analysis, masked; what is not known is empty (0 for the HTTP status). `service` is where it
    began, `upstream` whom the gateway had asked."""

    codes: tuple[str, ...] = ()
    route: str = ""
    method: str = ""
    service: str = ""
    exception_type: str = ""
    exception_message: str = ""
    stacktrace: str = ""
    message: str = ""
    status: int = 0
    upstream: str = ""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What makes events one group. `evidence` says so in sentences; `scope` is the API or service the group belongs to.
    The id is the hash of `basis` and of `template_id`, the message's template where it was used, else empty. `types` are the
    exceptions of the chain, the root cause last; `said` is the text of the message's template, used or not."""

    id: str
    kind: Kind
    evidence: tuple[str, ...]
    title: str
    scope: str
    basis: tuple[str, ...]
    template_id: str = ""
    types: tuple[str, ...] = ()
    said: str = ""


def fingerprint(event: ErrorEvent, miner: TemplateMiner) -> Fingerprint:
    """The fingerprint of one event; its message teaches `miner`."""
    return fingerprints([event], miner)[0]


def fingerprints(events: Sequence[ErrorEvent], miner: TemplateMiner) -> list[Fingerprint]:
    """The fingerprints of a batch, in order; the messages teach `miner` together."""
    traces: dict[str, tuple[Raised, ...]] = {}
    read = [_read(event, traces) for event in events]
    templates = miner.add([_said(event, chain) for event, chain in zip(events, read, strict=True)])
    made: dict[tuple[ErrorEvent, str], Fingerprint] = {}
    result = []
    for event, chain, template in zip(events, read, templates, strict=True):
        key = (event, template)
        if key not in made:
            text = miner.text(template)
            made[key] = replace(_fingerprint(event, chain, template, text), types=_types(event, chain), said=text)
        result.append(made[key])
    return result


def api_of(event: ErrorEvent) -> str:
    """The event's API (`POST /payments/{}`) or, without a route, its service."""
    route = plain_route(event.route)
    return f"{event.method.upper()} {route}".strip() if route else event.service


def plain_route(route: str) -> str:
    """A route whose parameters have no names."""
    return _ROUTE_PARAMETER.sub("{}", route.split("?")[0]).rstrip("/")


def current_id(basis: Sequence[str], template_id: str, miner: TemplateMiner) -> str:
    """The id that events of a known fingerprint get now: another one once its template was joined to an older one."""
    return hashed(*basis, miner.resolve(template_id))


def said_by(event: ErrorEvent) -> str:
    """The message that stands for an event: of its root cause, else of its exception, else of its log record."""
    return _said(event, _read(event, {}))


def _fingerprint(event: ErrorEvent, chain: tuple[Raised, ...], template: str, text: str) -> Fingerprint:
    codes = tuple(sorted({code.strip() for code in event.codes if code.strip()}))
    strong = tuple(code for code in codes if not _WEAK_CODE.fullmatch(code))
    if strong:
        return _by_code(event, strong)
    if chain or event.exception_type:
        return _by_exception(event, chain, template, text)
    if codes and not event.message.strip():
        return _by_code(event, codes)
    return _by_message(event, codes, template, text)


def _by_code(event: ErrorEvent, codes: tuple[str, ...]) -> Fingerprint:
    scope = api_of(event)
    named = " + ".join(codes)
    plural = "s" if len(codes) > 1 else ""
    evidence = [f"Error code{plural} {named}.", f"All on {scope}." if scope else "No API or service was given."]
    title = f"{named} on {scope}" if scope else named
    return _made("code", evidence, title, scope, codes)


def _by_exception(event: ErrorEvent, chain: tuple[Raised, ...], template: str, text: str) -> Fingerprint:
    types = _types(event, chain)
    frames = _own_frames(chain)
    used = template if not frames or short_type(types[-1]) in _GENERIC_TYPES else ""
    scope = event.service or api_of(event)
    root = short_type(types[-1])
    evidence = [f"Exception {types[0]}" + "".join(f", caused by {each}" for each in types[1:]) + "."]
    if frames:
        evidence.append("Own code, deepest call first: " + ", ".join(frames) + ".")
    if used:
        evidence.append(f"Message: {_short(text)}")
    title = f"{root} in {frames[0]}" if frames else f"{root}: {text}"
    return _made("exception", evidence, title, scope, (*map(short_type, types), "", *frames), used)


def _by_message(event: ErrorEvent, codes: tuple[str, ...], template: str, text: str) -> Fingerprint:
    scope = event.service or api_of(event)
    evidence = [f"Message: {_short(text) or '(empty)'}", f"From {scope}." if scope else "No API or service was given."]
    if codes:
        evidence.append(f"The code {' + '.join(codes)} alone says too little.")
    return _made("message", evidence, text, scope, (), template)


def _made(kind: Kind, evidence: Sequence[str], title: str, scope: str, parts: tuple[str, ...], template: str = "") -> Fingerprint:
    basis = (kind, scope, *parts)
    return Fingerprint(hashed(*basis, template), kind, tuple(evidence), _short(title), scope, basis, template)


def _types(event: ErrorEvent, chain: tuple[Raised, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(raised.type for raised in chain)) or ((event.exception_type,) if event.exception_type else ())


def _own_frames(chain: tuple[Raised, ...]) -> tuple[str, ...]:
    """The deepest calls of own code of the root cause, or of the nearest exception that has some; else of any code."""
    for raised in reversed(chain):
        own = _names(frame for frame in raised.frames if frame.in_app)
        if own:
            return own
    return next((_names(raised.frames) for raised in reversed(chain) if raised.frames), ())


def _names(frames: Iterable[Frame]) -> tuple[str, ...]:
    """Different functions in a row; a function that calls itself counts once."""
    return tuple(dict.fromkeys(frame.function for frame in frames))[:FRAMES_USED]


def _read(event: ErrorEvent, traces: dict[str, tuple[Raised, ...]]) -> tuple[Raised, ...]:
    """The exceptions of the event's trace, or of one that stands in its message."""
    text = event.stacktrace or (event.message if TRACE_HINT.search(event.message) else "")
    if not text:
        return ()
    if text not in traces:
        traces[text] = parse_trace(text)
    return traces[text]


def _said(event: ErrorEvent, chain: tuple[Raised, ...]) -> str:
    """The message that stands for the event: of the root cause, else of the exception, else of the log record."""
    root = chain[-1].message if chain else ""
    said = root or event.exception_message or event.message
    return said.split("\n", 1)[0] if "\n" in said else said


def hashed(*parts: str) -> str:
    """An ID of 16 hex digits that is the same in every process."""
    text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _short(text: str) -> str:
    return text if len(text) <= TITLE_CHARS else text[: TITLE_CHARS - 1] + "…"
