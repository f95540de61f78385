"""Would the previous champion have answered better? Both on the very same labelled answers.

A served model may fail because it is bad, or because the world has changed; only against the bad
model does going back help. Here: that comparison. Not here: going back (`rolling_back`), when one
asks (`automation.guard`).
"""

from typing import TYPE_CHECKING

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.monitoring.captured.labelled import labelled, last_answers
from mlops_assets.checks.gates import against_champion
from mlops_assets.checks.results import Verdict
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.registry.registry import ModelPackage

if TYPE_CHECKING:
    from mlops_assets.resources.lake.core import Lake

_LEAST_ROWS = 50


def would_have_been_better(
    pipeline: MLPipeline,
    store: Store,
    lake: "Lake",
    partition: str,
    *,
    serving: ModelPackage,
    previous: ModelPackage,
) -> Verdict:
    """Whether ``previous`` beats what ``serving`` answered, by the primary metric and by more than
    chance explains, on the labelled rows of a partition as they were sent."""
    rows = last_answers(labelled(pipeline, lake, partition))
    rows = rows.loc[(rows["version"] == serving.version) & rows["label"].notna()]
    if len(rows) < _LEAST_ROWS:
        return Verdict(
            False,
            f"only {len(rows):,} labelled answers of version {serving.version} in {partition}: "
            f"too few to compare with version {previous.version} ({_LEAST_ROWS} are needed)",
        )
    # Imported here: loading the code location needs no ONNX Runtime.
    from mlops_assets.ml.artifact.load import Artifact

    with fetch(store, previous.model_data_url) as directory:
        artifact = Artifact.load(directory)
        names = [column.name for column in artifact.spec.columns]
        told = rows.assign(**{name: None for name in names if name not in rows.columns})
        answers = artifact.predict({name: told[name].to_numpy() for name in names})
    truth = rows["label"].to_numpy(float)
    verdict = against_champion(
        pipeline.evaluation, truth, answers, rows["prediction"].to_numpy(float)
    )
    return Verdict(
        verdict.passed,
        f"version {previous.version} against version {serving.version} on {len(rows):,} labelled "
        f"answers of {partition}: {verdict.description.partition(' against ')[0]}"
        + ("" if verdict.passed else ", no clear win: going back would not help"),
    )
