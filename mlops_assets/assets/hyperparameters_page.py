"""What people see of a search: its reason, the winner, every training job, and a picture.

Here: metadata of station ``hyperparameters``. Not here: drawing (`ml.tuning_plots`).
"""

from typing import Any

import dagster as dg

from mlops_assets.assets.preview import image
from mlops_assets.assets.records import HyperparametersRecord, Trial
from mlops_assets.ml.tuning_plots import history
from mlops_assets.tuning import Tuning


def metadata_of(record: HyperparametersRecord, tuning: Tuning) -> dict[str, Any]:
    """The newest partition's record, in Dagster's words."""
    names = list(tuning.ranges)
    return {
        "reason": record.reason,
        "searched as of": record.searched_as_of,
        "best": dg.MetadataValue.float(record.best),
        "hyperparameters": dg.MetadataValue.json(record.hyperparameters),
        "search": record.job_arn,
        "held out": record.held_out,
        "training jobs": dg.MetadataValue.md(table(record, names)),
        "history": image(
            history(
                [trial.value for trial in record.trials],
                metric=record.metric,
                minimize=tuning.goal == "minimize",
            ),
            "history",
        ),
    }


def table(record: HyperparametersRecord, names: list[str]) -> str:
    """A line a training job, in the order in which they were made; the best one in bold."""
    lines = [
        f"| | {' | '.join(names)} | {record.metric} | billable s | status |",
        f"| --- |{' --- |' * (len(names) + 3)}",
    ]
    for place, trial in enumerate(record.trials, 1):
        cells = [trial.hyperparameters.get(name, "") for name in names]
        cells += [_number(trial.value), _number(trial.billable_seconds), trial.status]
        marked = [f"**{cell}**" for cell in cells] if _is_best(trial, record) else cells
        lines.append(f"| {place} | {' | '.join(marked)} |")
    return "\n".join(lines)


def _is_best(trial: Trial, record: HyperparametersRecord) -> bool:
    return trial.value == record.best and all(
        trial.hyperparameters.get(name) == value for name, value in record.hyperparameters.items()
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
