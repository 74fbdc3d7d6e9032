"""Personal and secret content in free text, whatever its key. A cheap test decides which patterns a text is put through.

Every mask is a form that no pattern takes for personal again, and a changed text is looked at until nothing changes: masking is
idempotent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from triage.mask import numbers, tokens
from triage.mask.paths import Paths
from triage.mask.rules import Rule, rule_of
from triage.mask.tokens import MASKED

_PASSES: Final = 5
_RULES_KEPT: Final = 4096

_EMAIL: Final = re.compile(
    r"[\w.!#$&'+^`{|}-]{1,64}(?:@|%40)((?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24})(?![\w@-])"
)
_USERINFO: Final = re.compile(r"(?<=://)[^\s/@:\"']*:[^\s/@\"']*@")
_PAIR: Final = re.compile(
    r"""([^\W\d][\w.\-]{0,63})                 # the key
        (\\?["']?\s{0,3}(?:[:=]|=>|：)\s{0,3})  # its sign
        (?: (\\?["'])(.*?)(?<!\\)\3            # a quoted value
          | ([^\s"'\[{(&;,<>|][^\s"'&;,<>|)}\]]*) )""",
    re.VERBOSE | re.DOTALL,
)
_SCHEME: Final = re.compile(r"(?:bearer|basic|dpop|digest|negotiate)\b", re.IGNORECASE)
_ENUM: Final = re.compile(
    r"\d{1,4}|[A-Z]{1,3}\d{2,6}|UK\.OBIE\.[\w.]+|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[A-Z]{3,24}|[a-z]+(?:_[a-z]+)+|[a-z]{3,12}"
)
_WORDS: Final = re.compile(
    r"(?i:null|none|nil|true|false|undefined|missing|invalid|expired|required|unknown|empty|not|is|was|has|failed|error|bad"
    r"|wrong|denied|redacted|header|unexpected|revoked|must|cannot|the|a|an|or|and)\b[.:!]?"
)
_HIDDEN: Final = re.compile(r"\*+|[xX]{4,}|-|\[(?:masked|jwt)\]?|~[0-9a-f]{16}|\*+\d{4}|REDACTED|<redacted>|\$?\{[\w.]*\}")


class TextMasker:
    """Masks free text and single values by a rule. Holds nothing personal between calls."""

    def __init__(self, pseudonym: Callable[[str], str]) -> None:
        self._pseudonym = pseudonym
        self._paths = Paths(pseudonym)
        self._rules: dict[str, Rule] = {}

    def rule(self, key: str) -> Rule:
        """The rule of a key; remembered, within bounds."""
        found = self._rules.get(key)
        if found is None:
            found = rule_of(key)
            if len(self._rules) < _RULES_KEPT:
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

    def path(self, text: str) -> str:
        """A path or URL: without query and user information, the account IDs in it as pseudonyms."""
        return self.text(self._paths.bare(text))

    def apply(self, rule: Rule, value: str) -> str:
        """A text value masked by the rule of its key."""
        if not value or value == MASKED:
            return value
        return _APPLY[rule](self, value)

    def _once(self, text: str) -> str:
        if "eyJ" in text:
            text = tokens.JWT.sub(lambda match: tokens.summary(match[0], self._pseudonym), text)
        text = _vendor_tokens(text)
        if ":" in text or "=" in text or "：" in text:
            text = _USERINFO.sub(f"{MASKED}@", _PAIR.sub(self._pair, text))
        if "@" in text or "%40" in text:
            text = _EMAIL.sub(r"*@\1", text)
        if "/" in text:
            text = self._paths.in_text(text)
        return numbers.masked(text, self._pseudonym)

    def _pair(self, match: re.Match[str]) -> str:
        rule = self.rule(match[1])
        if rule is Rule.TEXT or rule is Rule.ID or rule is Rule.SQL:
            return self._rest(match)
        quoted = match[4] is not None
        value = match[4] if quoted else match[5]
        if not value or _HIDDEN.fullmatch(value):
            return match[0]
        if rule is Rule.AUTH and not quoted and _SCHEME.match(value):
            return match[0]  # 'Authorization: Bearer x': the pattern of credentials sees to it
        if rule is Rule.PSEUDONYM:
            kept = value if not quoted and not any(map(str.isdigit, value)) and not match[2].strip().startswith("=") else (
                f"~{self._pseudonym(value)}")
        elif rule is Rule.DROP and not quoted and _WORDS.match(value):
            kept = value
        else:
            kept = self.apply(rule, value)
        quote = match[3] or ""
        return f"{match[1]}{match[2]}{quote}{kept}{quote}"

    def _rest(self, match: re.Match[str]) -> str:
        """A harmless key: its value may itself hold pairs (`msg="password=x"`)."""
        value = match[4] if match[4] is not None else match[5]
        if not value or ("=" not in value and ":" not in value):
            return match[0]
        quote = match[3] or ""
        return f"{match[1]}{match[2]}{quote}{_PAIR.sub(self._pair, value)}{quote}"

    def _id(self, value: str) -> str:
        return numbers.masked_id(value, self.text)

    def _dropped(self, _value: str) -> str:
        return MASKED

    def _auth(self, value: str) -> str:
        if _HIDDEN.fullmatch(value):
            return value
        scheme, _, rest = value.partition(" ")
        if not rest:
            return tokens.summary(value, self._pseudonym) if tokens.JWT.fullmatch(value) else MASKED
        if tokens.JWT.fullmatch(rest):
            return f"{scheme[:16]} {tokens.summary(rest, self._pseudonym)}"
        if rest == MASKED or (rest.startswith("[jwt") and rest.endswith("]")):
            return value
        return f"{scheme} {MASKED}" if _SCHEME.fullmatch(scheme) else MASKED

    def _code(self, value: str) -> str:
        return value if _ENUM.fullmatch(value) else MASKED

    def _pseudonymous(self, value: str) -> str:
        return self._pseudonym(value)

    def _network(self, value: str) -> str:
        return numbers.network(value)

    def _strict(self, value: str) -> str:
        if _HIDDEN.fullmatch(value) or numbers.MASKED_FORM.fullmatch(value):
            return value
        masked = self.text(value)
        return masked if masked != value and numbers.MASKED_FORM.fullmatch(masked) else MASKED

    def _statement(self, value: str) -> str:
        return self.text(numbers.LITERAL.sub("?", value))


def _vendor_tokens(text: str) -> str:
    if "earer" in text or "asic" in text or "EARER" in text or "POP" in text or "poP" in text or "egotiate" in text:
        text = tokens.BEARER.sub(tokens.scheme_only, text)
    if "_" in text or "KIA" in text or "SIA" in text or "xox" in text:
        text = tokens.VENDOR.sub(MASKED, text)
    if "-----BEGIN" in text:
        text = tokens.PRIVATE_KEY.sub(MASKED, text)
    return text


_APPLY: Final[dict[Rule, Callable[[TextMasker, str], str]]] = {
    Rule.TEXT: TextMasker.text,
    Rule.ID: TextMasker._id,
    Rule.DROP: TextMasker._dropped,
    Rule.AUTH: TextMasker._auth,
    Rule.CODE: TextMasker._code,
    Rule.PSEUDONYM: TextMasker._pseudonymous,
    Rule.ADDRESS: TextMasker._network,
    Rule.PATH: TextMasker.path,
    Rule.STRICT: TextMasker._strict,
    Rule.SQL: TextMasker._statement,
}
