"""Which texts of a column may hold something to mask: a few passes of Arrow's RE2 over the whole column, not one look a text.

Each pattern is a necessary condition of the patterns of this room that it stands for (they look around, RE2 cannot), so a text
without a mark is one that they leave alone. That holds for ASCII text; other texts get every mark. No pattern tells one digit from
another, so the marks of a text are those of its shape (`triage.mask.shapes`).
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

WORDS, LONG, OWNED = 1, 2, 4
"""Marks: secrets, pairs, mail addresses and paths; long numbers; numbers with letters or a word for their owner before them."""
_ALL: Final = WORDS | LONG | OWNED

_SPACE: Final = r"[\s\x0b\x1c-\x1f]"  # what Python takes for a space in ASCII text
_WORDS: Final = (
    r"eyJ|AKIA|ASIA|gh[pousr]_|sk_(?:live|test)_|xox[abpr]-|whsec_|-----BEGIN|@|%\d\d"
    rf"|(?i:bearer|dpop|basic|negotiate|hmac)(?:{_SPACE}|%|\+)"
    rf"|[A-Za-z_.\-][\w.\-]*\\?[\"']?{_SPACE}{{0,3}}[:=]"
    r"|\?[^\s\"'<>]*[=&]|/[A-Za-z\-]{2,19}/"  # a query; a path, whatever its words
)
_NINE_DIGITS: Final = r"\d(?:[ .\-()/]{0,2}\d){8}"
_LONG: Final = (
    r"\d{11}|\+\d|\d{4} [ .\-()]?\d|\d{2}[ .\-/)]{1,2}\d{2}|(?:^|[^A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]){11}"
)
_OWNED: Final = (
    r"[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]"
    r"|(?i:(?:account|acct|a/c|customer|psu|cif|cpf|kunde|konto|conta|sort ?code)(?:[ _-]?(?:number|no\.?|id|num|nr|ref))?)"
    rf"(?:{_SPACE}|[:=#]){{1,3}}[\"']?\n?\d(?:[ -]?\d){{5}}"
)


def marks(texts: list[str]) -> list[int]:
    """The marks of each text; all of them can be written as UTF-8."""
    column = pa.array(texts, pa.string())
    long = pc.and_(pc.match_substring_regex(column, _NINE_DIGITS), pc.match_substring_regex(column, _LONG))
    found = pa.repeat(pa.scalar(0, pa.int8()), len(texts))
    for flags, mark in ((pc.match_substring_regex(column, _WORDS), WORDS), (long, LONG),
                        (pc.match_substring_regex(column, _OWNED), OWNED)):
        found = pc.bit_wise_or(found, pc.if_else(flags, pa.scalar(mark, pa.int8()), pa.scalar(0, pa.int8())))
    whole: list[int] = pc.if_else(pc.string_is_ascii(column), found, pa.scalar(_ALL, pa.int8())).to_pylist()
    return whole
