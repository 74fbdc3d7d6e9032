"""Personal and secret content in free text, whatever its key. Cheap tests decide which patterns a text is put through.

Every mask is a form that no pattern takes for personal again, and a changed text is looked at until nothing changes:
masking is idempotent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from triage.mask import numbers, tokens
from triage.mask.paths import Paths
from triage.mask.rules import Rule, rule_of
from triage.mask.shapes import Shapes, filled
from triage.mask.suspects import LONG, WORDS, marks
from triage.mask.tokens import MASKED

_PASSES: Final = 5
_RULES_KEPT: Final = 4096

_EMAIL: Final = re.compile(
    r"[\w.!#$&'+^`{|}-]{1,64}(?:@|%40)((?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24})(?![\w@-])"
)
_USERINFO: Final = re.compile(r"(?<=://)[^\s/@:\"']*:[^\s/@\"']*@")
_SIGN: Final = re.compile(r"[:=：]")
_KEY_BACKWARDS: Final = re.compile(r"\s{0,3}[\"']?\\?([\w.\-]{1,64})(?![\w.\-])")
_KEY_ROOM: Final = 72
_VALUE_AT: Final = re.compile(r">?\s{0,3}")
_QUOTED: Final = re.compile(r"(\\?[\"'])(.*?)(?:(?<!\\)\1|\Z)", re.DOTALL)
_BARE: Final = re.compile(r"[^\s\"'\[{(&;,<>|)}\]\\][^\s\"'&;,<>|)}\]\\]*")
_LINE: Final = re.compile(r"[^\r\n\"']+")
_SCHEME: Final = re.compile(r"(?:bearer|basic|dpop|digest|negotiate)\b", re.IGNORECASE)
_PASSWORD: Final = ("password", "passwd", "pwd", "secret", "passphrase", "otp", "pin", "密码", "口令", "验证码")
_SCHEME_AND_CREDENTIALS: Final = re.compile(r"[A-Za-z][\w-]* (?=[^\s\"']*[0-9_=])[^\s\"',;]{6,}")
_ENUM: Final = re.compile(
    r"\d{1,4}|[A-Z]{1,3}\d{2,6}|UK\.OBIE\.[\w.]+|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{3,24}|[a-z]+(?:_[a-z]+)+|[a-z]{3,12}"
)
_WORDS: Final = re.compile(
    r"(?i:null|none|nil|true|false|undefined|missing|invalid|expired|required|unknown|empty|not|is|was|has|failed|error|bad"
    r"|wrong|denied|redacted|header|unexpected|revoked|must|cannot|the|a|an|or|and)\b[.:!]?"
)
_HIDDEN: Final = re.compile(
    r"\*+|[xX]{4,}|-|\[(?:masked|jwt)\]?|~[0-9a-f]{16}|\*+\d{4}|REDACTED|<redacted>|\$?\{[\w.]*\}"
)


class TextMasker:
    """Masks free text and single values by a rule. Of texts it holds only shapes: those of texts with no secret in them."""

    def __init__(self, pseudonym: Callable[[str], str]) -> None:
        self._pseudonym = pseudonym
        self._paths = Paths(pseudonym)
        self._shapes = Shapes()
        self._rules: dict[str, Rule] = {}
        self._by_rule: Final[dict[Rule, Callable[[str], str]]] = {
            Rule.TEXT: self.text, Rule.ID: self._id, Rule.DROP: _dropped, Rule.AUTH: self._auth, Rule.CODE: _code,
            Rule.PSEUDONYM: pseudonym, Rule.ADDRESS: numbers.network, Rule.PATH: self.path, Rule.STRICT: self._strict,
            Rule.SQL: self._statement,
        }

    def rule(self, key: str) -> Rule:
        """The rule of a key; remembered, within bounds."""
        found = self._rules.get(key)
        if found is None:
            found = rule_of(key)
            if len(self._rules) >= _RULES_KEPT:
                self._rules.clear()
            self._rules[key] = found
        return found

    def text(self, text: str) -> str:
        """Free text with its personal and secret parts masked; the very same object when there is none."""
        for _ in range(_PASSES):
            masked = self._once(text)
            if masked == text:
                return text
            text = masked
        return MASKED

    def texts(self, texts: list[str]) -> list[str]:
        """`text` for each of many texts that can be written as UTF-8; only those that a test of all together suspects are looked at."""
        out = list(texts)
        suspect: list[tuple[int, int]] = []
        for place, (text, plan) in enumerate(zip(texts, self._shapes.plans(texts), strict=True)):
            if not plan:
                continue
            if isinstance(plan, int):
                suspect.append((place, plan))
            else:
                out[place] = filled(text, plan, self._pseudonym) or self.text(text)
        for place in self._settled(out, suspect):
            out[place] = MASKED
        return out

    def _settled(self, out: list[str], suspect: list[tuple[int, int]]) -> list[int]:
        """Mask the texts at these places, which have these marks, until nothing changes; the places where it never ends."""
        changed: list[int] = []
        for _ in range(_PASSES):
            changed = []
            for place, mark in suspect:
                masked = self._suspect(out[place], mark)
                if masked != out[place]:
                    out[place] = masked
                    changed.append(place)
            if not changed:
                break
            suspect = [(place, mark) for place, mark in zip(changed, marks([out[place] for place in changed]), strict=True) if mark]
        return changed

    def path(self, text: str) -> str:
        """A path or URL: without query and user information, the account IDs in it as pseudonyms."""
        return self.text(self._paths.bare(text))

    def apply(self, rule: Rule, value: str) -> str:
        """A text value masked by the rule of its key."""
        return self.by_rule(rule)(value)

    def by_rule(self, rule: Rule) -> Callable[[str], str]:
        """What masks text values under a rule."""
        return self._by_rule[rule]

    def _suspect(self, text: str, mark: int) -> str:
        """`_once` without the parts that no mark asks for."""
        words = self._words(text) if mark & WORDS else text
        if words != text:
            return numbers.masked(words, self._pseudonym)
        return numbers.masked(text, self._pseudonym, long=bool(mark & LONG)) if mark > WORDS else text

    def _once(self, text: str) -> str:
        return numbers.masked(self._words(text), self._pseudonym)

    def _words(self, text: str) -> str:
        """Everything but numbers."""
        if "eyJ" in text:
            text = tokens.JWT.sub(lambda match: tokens.summary(match[0], self._pseudonym), text)
        text = _vendor_tokens(text)
        if ":" in text or "=" in text or "：" in text:
            text = self._pairs(text)
            if "://" in text:
                text = _USERINFO.sub(f"{MASKED}@", text)
        if "@" in text or "%40" in text:
            text = _EMAIL.sub(r"*@\1", text)
        if "/" in text:
            text = self._paths.in_text(text)
        return text

    def _pairs(self, text: str) -> str:
        """`key=value`, `key: value`, `"key":"value"` anywhere in a text, by the rule of the key."""
        out: list[str] = []
        done = 0
        for sign in _SIGN.finditer(text):
            place = sign.start()
            found = _KEY_BACKWARDS.match(text[max(0, place - _KEY_ROOM):place][::-1]) if place >= done else None
            if found is None or found[1][-1].isdecimal():
                continue
            key = found[1][::-1]
            rule = self.rule(key)
            if rule in _BY_CONTENT:
                continue
            value = self._value_at(text, sign.end(), key, rule)
            if value is None or not any(map(str.isalnum, value[1])) or _HIDDEN.fullmatch(value[1]):
                continue
            start, raw, quoted = value
            loose = not quoted and sign[0] != "="  # 'token: expired' may be a sentence
            out += (text[done:start], self._paired(key, rule, raw, quoted, loose))
            done = start + len(raw)
        return "".join(out) + text[done:] if out else text

    def _value_at(self, text: str, place: int, key: str, rule: Rule) -> tuple[int, str, bool] | None:
        gap = _VALUE_AT.match(text, place)
        start = gap.end() if gap else place
        if rule is Rule.AUTH:
            scheme = _SCHEME_AND_CREDENTIALS.match(text, start)
            if scheme is not None and _SCHEME.match(scheme[0]) is None:
                return start, scheme[0], False
        quoted = _QUOTED.match(text, start)
        if quoted is not None:
            return quoted.start(2), quoted[2], True
        whole_line = rule is Rule.DROP and key.lower().endswith(("cookie", "cookies"))
        bare = (_LINE if whole_line else _BARE).match(text, start)
        return None if bare is None else (bare.start(), bare[0], False)

    def _paired(self, key: str, rule: Rule, value: str, quoted: bool, loose: bool) -> str:
        if rule is Rule.PSEUDONYM:
            return value if loose and not any(map(str.isdigit, value)) else f"~{self._pseudonym(value)}"
        if rule is Rule.PATH:
            return self._paths.bare(value)  # its content is looked at with that of the whole text
        if loose and rule is Rule.AUTH:
            return value if _SCHEME.match(value) or value.isalpha() else MASKED
        if rule is Rule.CODE and ((loose and len(value) < 16) or (value.isdecimal() and len(value) <= 6)):
            return value
        if not quoted and rule is Rule.DROP:
            if _WORDS.fullmatch(value):
                return value
            if loose and value.isalpha() and not key.lower().endswith(_PASSWORD):
                return value
        return self.apply(rule, value)

    def _id(self, value: str) -> str:
        return numbers.masked_id(value, self.text)

    def _auth(self, value: str) -> str:
        if not value or _HIDDEN.fullmatch(value):
            return value
        scheme, _, rest = value.partition(" ")
        if not rest:
            return tokens.summary(value, self._pseudonym) if tokens.JWT.fullmatch(value) else MASKED
        if tokens.JWT.fullmatch(rest):
            return f"{scheme[:16]} {tokens.summary(rest, self._pseudonym)}"
        if rest == MASKED or (rest.startswith("[jwt") and rest.endswith("]")):
            return value
        return f"{scheme} {MASKED}" if _SCHEME.fullmatch(scheme) else MASKED

    def _strict(self, value: str) -> str:
        if not value or _HIDDEN.fullmatch(value) or numbers.MASKED_FORM.fullmatch(value):
            return value
        masked = self.text(value)
        return masked if masked != value and numbers.MASKED_FORM.fullmatch(masked) else MASKED

    def _statement(self, value: str) -> str:
        return self.text(numbers.LITERAL.sub("?", value))


_BY_CONTENT: Final = frozenset({Rule.TEXT, Rule.ID, Rule.SQL})


def _dropped(value: str) -> str:
    return MASKED if value else value


def _code(value: str) -> str:
    return value if _ENUM.fullmatch(value) else MASKED


def _vendor_tokens(text: str) -> str:
    if "earer" in text or "asic" in text or "EARER" in text or "POP" in text or "poP" in text or "egotiate" in text:
        text = tokens.BEARER.sub(tokens.scheme_only, text)
    text = tokens.VENDOR.sub(MASKED, text)
    if "-----BEGIN" in text:
        text = tokens.PRIVATE_KEY.sub(MASKED, text)
    return text
