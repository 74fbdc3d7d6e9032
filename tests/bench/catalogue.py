"""How well the analysis finds the faults of the labelled catalogue.

    python tests/bench/catalogue.py [--quiet-week] [--only NAME…] [--seeds N] [--from-seed K] [--quick] [--json FILE]
        [--cache FOLDER] [--verbose]

Plays every scenario through decoding, mask and analysis with an injected clock, and prints a table and the figures. `--quick` takes
a spread of short scenarios and analyses less often;
`--quiet-week` plays seven days of ordinary traffic alone; `--cache` keeps the masked records for the next time.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(1, str(Path(__file__).parents[2]))

from bench.catalogue_play import Pace, play
from bench.catalogue_score import Score, score, total

from triage.domain.windows import MINUTE_NS
from triage.simulator.catalogue import Scenario, quiet_week, scenarios

QUICK = (
    "quiet-morning", "innocent-before-partner-fault", "database-lock", "provider-partly", "misroute-busy-api", "instance-down",
    "release-payments", "certificate-middle-partner", "silence-busy-partner", "enumeration-fast", "sudden-latency", "flapping",
    "overlap-two-partners",
)
LONG_HOURS = 4.0
WEEK_SLICE_NS = 15 * MINUTE_NS


def main() -> int:
    """Run what the command line asks for; 0 when it ran."""
    wish = _arguments()
    chosen = [s for s in scenarios() if not wish.only or any(s.name.startswith(name) for name in wish.only)]
    if wish.quiet_week:
        chosen = [quiet_week()]
    if wish.quick and not wish.only:
        chosen = [s for s in chosen if s.name in QUICK]
    scores: list[Score] = []
    for scenario in chosen:
        for turn in range(wish.from_seed, wish.from_seed + wish.seeds):
            scores.append(_run(scenario, scenario.seed + 10_000 * turn, wish))
            _print(scores[-1], wish.verbose)
    figures = asdict(total(scores))
    print()
    for name, value in figures.items():
        print(f"{name:18} {value:.3f}" if isinstance(value, float) else f"{name:18} {value}")
    if wish.json:
        body = {"total": figures, "scenarios": [asdict(one) for one in scores]}
        Path(wish.json).write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="scenarios whose names begin so")
    parser.add_argument("--quiet-week", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--from-seed", type=int, default=0, metavar="K", help="begin with the seed number K")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", default="")
    parser.add_argument("--cache", default="")
    parser.add_argument("--verbose", action="store_true", help="every incident in words")
    return parser.parse_args()


def _run(scenario: Scenario, seed: int, wish: argparse.Namespace) -> Score:
    began = time.perf_counter()
    pace = Pace(2, True, WEEK_SLICE_NS) if wish.quiet_week else Pace(10, True) if wish.quick or scenario.hours > LONG_HOURS else Pace()
    played = play(scenario, seed, pace, Path(wish.cache) if wish.cache else None)
    return score(scenario, seed, played, time.perf_counter() - began)


def _print(one: Score, verbose: bool) -> None:
    good = sum(hit.partners and hit.apis and hit.root for hit in one.hits)
    times = " ".join(f"{hit.detect_s:.0f}s" for hit in one.hits)
    mark = "ok  " if good == one.wanted and not one.extra and not one.blamed else "    "
    print(f"{mark}{one.name:34} wanted {one.wanted} hit {len(one.hits)} full {good} extra {len(one.extra)} blame {len(one.blamed)} "
          f"detect {times or '-':10} {one.runs} runs {one.seconds:.0f} s, longest {one.longest_s:.1f}", flush=True)
    lines = [f"missed {m}" for m in one.missed] + [f"extra {e}" for e in one.extra] + [f"blamed {b}" for b in one.blamed]
    for line in lines + (one.notes if verbose else []):
        print(f"        {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
