"""The whole grouping on the labelled gateway corpus: pairwise F1, as events come in batches."""

from __future__ import annotations

from collections import Counter

import pytest
from corpus.gateway_errors import corpus, families
from corpus.scores import pairwise_f1

from triage.analyse.grouping.fingerprint import Fingerprint, current_id, fingerprints
from triage.analyse.grouping.joining import JoinItem, TemplateJoiner
from triage.analyse.grouping.templates import TemplateMiner

BATCH = 1_000


def group(seed: int) -> tuple[list[str], list[str]]:
    """Labels and groups of a corpus that comes in batches, joined after each."""
    labelled = corpus(20_000, seed)
    miner, joiner = TemplateMiner(), TemplateJoiner()
    made: list[Fingerprint] = []
    canonical: dict[str, str] = {}
    for at in range(0, len(labelled), BATCH):
        batch = fingerprints([event for _, event in labelled[at : at + BATCH]], miner)
        made += batch
        items = [JoinItem(each.id, miner.text(each.template_id), each.kind, each.scope) for each in batch if each.kind == "message"]
        canonical = dict(joiner.join(items).canonical)
    ids = [current_id(each.basis, each.template_id, miner) for each in made]
    return [label for label, _ in labelled], [canonical.get(i, i) for i in ids]


def test_the_corpus_is_as_large_as_promised() -> None:
    labels = Counter(label for label, _ in corpus())
    assert len(labels) == len(families()) >= 60
    assert sum(labels.values()) == 20_000
    assert min(labels.values()) >= 20


@pytest.mark.slow
def test_pairwise_f1_on_two_seeds() -> None:
    for seed in (7, 11):
        truth, found = group(seed)
        assert pairwise_f1(truth, found) >= 0.97
