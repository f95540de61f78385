"""Station ``scorecard``: the ML Test Score of a pipeline, from the evidence that exists now.

Here: the asset and its page. Not here: the 28 lines and their evidence (`scoring`).
"""

import dagster as dg
import pandas as pd

from mlops_assets.assets.monitoring.scoring.collect import collect
from mlops_assets.assets.monitoring.scoring.records import LineState, ScorecardRecord, ScoreLine
from mlops_assets.assets.monitoring.scoring.rule import SECTIONS
from mlops_assets.assets.monitoring.scoring.rules import scorecard as card
from mlops_assets.assets.monitoring.station import monitoring_station
from mlops_assets.assets.preview import table
from mlops_assets.assets.station import check, key
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.session import SageMakerResource

NAME, NOW = "scorecard", "now"
MARKS: dict[LineState, str] = {
    "automatic": "●",
    "by hand": "◐",
    "missing": "○",
    "stale": "◌",
    "failing": "✗",
}


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @monitoring_station(
        pipeline,
        NAME,
        description=(
            "The ML Test Score: 28 lines, each given only for evidence that exists now; the least "
            "of its four sections counts."
        ),
        kinds={"python"},
        code_version=pipeline.code_version(card, collect),
        checks=[check(pipeline, NAME, "nothing_failing", "No line's evidence says that it fails.")],
        deps=[key(pipeline, name) for name in ("evaluation", "audit", "health")],
        partitioned=False,
    )
    def scorecard(
        context: dg.AssetExecutionContext, store: Store, sagemaker: SageMakerResource
    ) -> dg.MaterializeResult:
        record = card(
            collect(pipeline, instance=context.instance, store=store, sagemaker=sagemaker)
        )
        store.save(pipeline.name, NAME, NOW, record)
        context.log.info(f"ML Test Score {record.score:g} of 7")
        return dg.MaterializeResult(metadata=_show(record), check_results=[_verdict(record)])

    return scorecard


def age(seconds: float | None) -> str:
    """``3 h``, ``12 d``: how old evidence is, at a glance.

    >>> age(7300), age(90), age(None)
    ('2 h', '2 min', '')
    """
    if seconds is None:
        return ""
    for unit, length in (("d", 86_400), ("h", 3600)):
        if seconds >= 2 * length or (unit == "h" and seconds >= length):
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 60:.0f} min"


def said(line: ScoreLine) -> str:
    """What was found; of what was not, what would earn the point."""
    if line.state == "missing":
        return line.earn
    return line.words if line.points else f"{line.words}. To earn it: {line.earn}"


def _verdict(record: ScorecardRecord) -> dg.AssetCheckResult:
    failing = [line for line in record.lines if line.state == "failing"]
    return dg.AssetCheckResult(
        check_name="nothing_failing",
        passed=not failing,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(f"{line.id}: {line.words}" for line in failing)
        or "no line's evidence fails",
    )


def _show(record: ScorecardRecord) -> dict[str, dg.MetadataValue | float]:
    shown: dict[str, dg.MetadataValue | float] = {"score": record.score}
    shown["sections"] = table(
        pd.DataFrame({"section": list(SECTIONS), "of 7": [record.sections[s] for s in SECTIONS]})
    )
    by_section = {s: [line for line in record.lines if line.section == s] for s in SECTIONS}
    # What fits is shown in place, the whole behind a button.
    for section, lines in by_section.items():
        shown[section.lower()] = dg.MetadataValue.md(
            "\n".join(f"- {MARKS[line.state]} {line.title}" for line in lines)
        )
    for section, lines in by_section.items():
        shown[f"{section.lower()}: evidence"] = dg.MetadataValue.md(_markdown(lines))
    return shown


def _markdown(lines: list[ScoreLine]) -> str:
    rows = [
        f"|{MARKS[line.state]}|{_cell(line.title)}|{line.points:g}|{_evidence(line)}"
        f"|{age(line.age_s)}|{_cell(said(line))}|"
        for line in lines
    ]
    return "\n".join(
        ["||line|points|evidence|age|found, or what would earn it|", "|-|-|-:|-|-:|-|", *rows]
    )


def _evidence(line: ScoreLine) -> str:
    name = line.evidence.split(", ")[0] or line.state
    # A path leads within the UI; an s3:// URI is no address for a browser.
    return f"[{_cell(name)}]({line.link})" if line.link and line.link[0] == "/" else _cell(name)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
