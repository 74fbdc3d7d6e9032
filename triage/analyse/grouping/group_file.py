"""Group the lines of a file: the offline form of the template miner, for `triage group FILE`."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice

from triage.analyse.grouping.templates import TemplateMiner

CHUNK_LINES = 50_000


def group_file(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """One `{"group", "template"}` per line, in order. Lines of one template share one dict: read it, don't change it.

    All lines are read before the first answer, since a later line can show that two templates are one; what is kept
    of a line meanwhile is four bytes.
    """
    answers, of_line = _mine(lines)
    return map(answers.__getitem__, of_line)


def group_json(lines: Iterable[str]) -> Iterator[str]:
    """The same as `group_file`, each answer as a line of JSON without the line end; each template is encoded once."""
    answers, of_line = _mine(lines)
    encoded = [json.dumps(answer, ensure_ascii=True) for answer in answers]
    return map(encoded.__getitem__, of_line)


def mine_lines(lines: Iterable[str], miner: TemplateMiner) -> Iterator[list[str]]:
    """Teach `miner` the lines, a chunk at a time; yields the template ids of each chunk."""
    source = (line.rstrip("\r\n") for line in lines)
    while chunk := list(islice(source, CHUNK_LINES)):
        yield miner.add(chunk)


def _mine(lines: Iterable[str]) -> tuple[list[dict[str, str]], array[int]]:
    miner = TemplateMiner()
    number: dict[str, int] = {}
    of_line = array("I")
    for names in mine_lines(lines, miner):
        of_line.extend([number.setdefault(name, len(number)) for name in names])
    return [{"group": miner.resolve(name), "template": miner.text(name)} for name in number], of_line
