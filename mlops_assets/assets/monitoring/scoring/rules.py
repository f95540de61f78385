"""All 28 lines, in the rubric's order.

Here: putting the four tables together, and the card that they make. Not here: the tables.
"""

import datetime as dt

from mlops_assets.assets.monitoring.scoring import data, infrastructure, model, watching
from mlops_assets.assets.monitoring.scoring.evidence import Evidence
from mlops_assets.assets.monitoring.scoring.records import ScorecardRecord
from mlops_assets.assets.monitoring.scoring.rule import score, sections

RULES = (*data.RULES, *model.RULES, *infrastructure.RULES, *watching.RULES)
IDS = tuple(rule.id for rule in RULES)


def scorecard(evidence: Evidence) -> ScorecardRecord:
    """The ML Test Score that the evidence gives now."""
    lines = tuple(rule(evidence) for rule in RULES)
    at = dt.datetime.fromtimestamp(evidence.now, dt.UTC).isoformat(timespec="seconds")
    return ScorecardRecord(
        pipeline=evidence.pipeline,
        at=at,
        score=score(lines),
        sections=sections(lines),
        lines=lines,
    )
