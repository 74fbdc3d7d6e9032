"""Say why lines are one group: for `triage group --explain`. Needs scikit-learn, so it stands apart from `group_file`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from triage.analyse.grouping.group_file import mine_lines
from triage.analyse.grouping.joining import JoinItem, TemplateJoiner
from triage.analyse.grouping.templates import Template, TemplateMiner


def explain_file(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One entry per group, the commonest first: template, messages, commonest values at each `<*>`, nearest groups."""
    miner = TemplateMiner()
    for _ in mine_lines(lines, miner):
        pass
    found = sorted(miner.templates(), key=lambda template: (-template.count, template.id))
    neighbours = TemplateJoiner().join([JoinItem(template.id, template.text) for template in found]).neighbours
    texts = {template.id: template.text for template in found}
    for template in found:
        near = [{"template": texts[n.id], "distance": n.distance} for n in neighbours.get(template.id, ())]
        yield {**_described(template), "neighbours": near}


def _described(template: Template) -> dict[str, Any]:
    values = [[{"value": value, "count": count} for value, count in place] for place in template.parameters]
    return {"group": template.id, "template": template.text, "messages": template.count, "values": values}
