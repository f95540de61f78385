"""The parts about what was done: decisions of the automations with their reasons, and the score.

Here: reading them back. Not here: deciding (`automation`), scoring (`scoring`).
"""

from mlops_assets.assets.monitoring.decided import decisions as read
from mlops_assets.assets.monitoring.reporting.health_part import Part, absent
from mlops_assets.assets.monitoring.reporting.histories import latest
from mlops_assets.assets.monitoring.scoring.records import ScorecardRecord
from mlops_assets.assets.monitoring.scoring.rule import SECTIONS
from mlops_assets.ml.report.html import Table
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store

_SHOWN = 20


def decisions(pipeline: MLPipeline, store: Store) -> Part:
    found = read(store, pipeline.name, _SHOWN)
    if not found:
        return absent(
            "Decisions",
            "turn on the sensors of the pipeline; each decision is kept with its reason.",
            counts=False,
        )
    last = found[-1]
    return Part(
        name="Decisions",
        status=None,
        figure=f"{last.action.replace('_', ' ')} for {last.partition}, by {last.trigger}",
        words=f"The last {len(found)}, newest first. What is held or waits says why.",
        content=(
            Table(
                ("when (UTC)", "decided", "partition", "because of", "why"),
                tuple(
                    (
                        d.at[:16].replace("T", " "),
                        d.action.replace("_", " "),
                        d.partition,
                        d.trigger,
                        d.words,
                    )
                    for d in reversed(found)
                ),
            ),
        ),
    )


def score(pipeline: MLPipeline, store: Store) -> Part:
    kept = latest(store, ScorecardRecord, pipeline.name, "scorecard", "now")
    if kept is None:
        return absent("ML Test Score", "materialize scorecard.", counts=False)
    card = kept.record
    return Part(
        name="ML Test Score",
        status=None,
        figure=f"{card.score:g} of 7",
        words=f"{card.score:g} of 7 as of {card.at[:16].replace('T', ' ')} UTC: the least of the "
        "four sections counts.",
        content=(
            Table(
                ("section", "of 7", "failing or stale", "missing"),
                tuple(
                    (
                        section,
                        f"{card.sections[section]:g}",
                        _titles(card, section, "failing", "stale"),
                        _titles(card, section, "missing"),
                    )
                    for section in SECTIONS
                ),
                numbers={"of 7"},
            ),
        ),
    )


def _titles(card: ScorecardRecord, section: str, *states: str) -> str:
    return "; ".join(ln.title for ln in card.lines if ln.section == section and ln.state in states)
