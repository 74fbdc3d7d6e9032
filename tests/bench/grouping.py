"""Grouping: F1 on the gateway corpus, lines a second, what joins after a merge, and memory in a flood of different lines.

`python tests/bench/grouping.py [--flood LINES]`; the default of 200,000 lines is the quick form, 10,000,000 the one in docs/grouping.md.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(1, str(Path(__file__).parents[2]))

from corpus.gateway_errors import corpus
from corpus.scores import after_merge_share, pairwise_f1
from corpus.system_logs import SYSTEMS, labelled_lines

from triage.analyse.grouping.fingerprint import ErrorEvent
from triage.analyse.grouping.group_file import group_json
from triage.analyse.grouping.model import GroupingModel
from triage.analyse.grouping.templates import TemplateMiner

BATCH: Final = 1_000
CHUNK: Final = 20_000
LINES: Final = 4_000  # of each system
_LETTERS: Final = str.maketrans("0123456789", "ghijklmnop")


def corpus_f1(seed: int) -> float:
    """Pairwise F1 of the grouping model, events in batches."""
    labelled = corpus(20_000, seed)
    model, found = GroupingModel({}), []
    for at in range(0, len(labelled), BATCH):
        found += model.assign([event for _, event in labelled[at : at + BATCH]]).groups
    return pairwise_f1([label for label, _ in labelled], found)


def lines_a_second() -> float:
    """The work of `triage group FILE` on lines of five kinds of software, each five times; CPU time of this thread."""
    lines = [line for system in SYSTEMS for line in labelled_lines(system, LINES, seed=3)[0]] * 5
    began = time.thread_time()
    total = sum(1 for _ in group_json(lines))
    return total / (time.thread_time() - began)


def various(lines: int, seed: int) -> list[str]:
    """Lines of unbounded variety: half are one sentence with new names, the rest new words throughout."""
    source = random.Random(seed)

    def word() -> str:
        return f"{source.getrandbits(32):08x}".translate(_LETTERS)

    return [f"user {word()} signed in from branch {word()} of {word()}" if n % 2 else " ".join(word() for _ in range(5))
            for n in range(lines)]


def rss_mib() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def flood(lines: int) -> Iterator[str]:
    """Memory at a tenth, at half and at the end of a flood."""
    miner = TemplateMiner()
    marks = [lines // 10, lines // 2, lines]
    began = time.thread_time()
    for done in range(0, lines, CHUNK):
        miner.add(various(CHUNK, done))
        if done + CHUNK >= marks[0]:
            gc.collect()
            yield f"{done + CHUNK:,} lines {rss_mib():.0f} MiB, {time.thread_time() - began:.0f} s"
            marks.pop(0)


def flooded_service(messages: int) -> tuple[int, float, float]:
    """Groups that as many different errors of one service make at once, seconds, and memory."""
    events = [ErrorEvent(service="ledger", message=line) for line in various(messages, 1)]
    began = time.thread_time()
    found = Counter(GroupingModel({}).assign(events).groups)
    return len(found), time.thread_time() - began, rss_mib()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flood", type=int, default=200_000)
    lines = parser.parse_args().flood
    print(f"grouping: gateway corpus, pairwise F1 {corpus_f1(7):.4f} (seed 7), {corpus_f1(11):.4f} (seed 11)")
    print(f"grouping: after one merge {after_merge_share(5):.2%} of later matching events join it")
    print(f"grouping: {lines_a_second():,.0f} lines/s on one core")
    for mark in flood(lines):
        print(f"grouping: flood, {mark}", flush=True)
    at_once = min(lines, 1_000_000)
    groups, seconds, memory = flooded_service(at_once)
    print(f"grouping: {at_once:,} different errors of one service in one batch: {groups} groups, {seconds:.0f} s, {memory:.0f} MiB")


if __name__ == "__main__":
    main()
