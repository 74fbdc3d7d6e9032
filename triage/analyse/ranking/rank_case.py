"""`triage rank CASE_DIR`: rank the components of one case folder.

In: the folder. Out: a list that is ready for JSON. No service and no store is needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from triage.analyse.ranking.case_files import Case, Period, read_case
from triage.analyse.ranking.rank import Scene, rank
from triage.analyse.ranking.tables import Suspect


def rank_case(case_dir: Path) -> list[dict[str, Any]]:
    """`[{"component", "score", "why"}]`, best first, [] when nothing stands out; any file may be missing."""
    return [
        {"component": one.component, "score": one.score, "why": one.why} for one in suspects_of(read_case(case_dir))
    ]


def suspects_of(case: Case) -> list[Suspect]:
    """The suspects of a case that was read."""
    return rank(_scene(case.incident), _scene(case.normal), case.graph, case.complaint)


def _scene(period: Period) -> Scene:
    return Scene(period.spans, period.logs, period.metrics)
