"""Train one candidate of an AutoML job: an ordinary SageMaker script, which knows of no other.

Reads the channel `training` (CSV with a header) and, where there is one, `validation`; without it,
a share of the rows is held out, the same for every candidate. Prints every metric on both, leaves
features.json, check.parquet and the model in SM_MODEL_DIR, which the container seals. Equal data
and parameters give equal bytes.

Belongs here: the order of these steps. Does not belong here: each of them (table.py, learners.py,
scores.py).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from mlops_assets.containers.automl import table
from mlops_assets.containers.automl.learners import LEARNERS, Learned
from mlops_assets.containers.automl.scores import measured
from mlops_assets.ml.artifact.spec import FeatureSpec


def main() -> int:
    """Returns the exit status: 1 for data that cannot be learned from."""
    given, rest = _arguments()
    parameters = {
        name.removeprefix("--"): float(value)
        for name, value in zip(rest[::2], rest[1::2], strict=True)
    }
    if "max_depth" in parameters:
        parameters["max_depth"] = int(parameters["max_depth"])
    try:
        _train(given, parameters)
    except table.UnfitData as error:
        print(f"candidate: {error}", file=sys.stderr)
        (Path(os.environ["SM_OUTPUT_DIR"]) / "failure").write_text(str(error))
        return 1
    return 0


def _train(given: argparse.Namespace, parameters: dict[str, float]) -> None:
    channels = {
        name: _channel(name, given.target) for name in json.loads(os.environ["SM_CHANNELS"])
    }
    rows, labels = channels["training"]
    task = table.Task.of(given.target, given.problem_type, labels)
    targets = task.targets(labels)
    if "validation" in channels:
        held_rows, held_labels = channels["validation"]
        held_targets = task.targets(held_labels)
    else:
        held = table.split(
            targets,
            given.validation_fraction,
            by_class=bool(task.classes),
            seed=given.seed,
        )
        held_rows, held_targets = rows[held], targets[held]
        rows, targets = rows[~held], targets[~held]
    learner = LEARNERS[given.algorithm]
    spec = table.feature_spec(rows, task, scaled=learner.scaled)
    known = table.encoded(rows, spec)
    learned = learner.learn(task, known, targets, parameters, given.seed)
    sides = (
        ("train", known, targets),
        ("validation", table.encoded(held_rows, spec), held_targets),
    )
    for side, matrix, truth in sides:
        for name, value in measured(task.problem, truth, learned.answers(matrix)).items():
            print(f"{side}:{name}={value!r};", flush=True)
    _leave(learned, spec, held_rows, given.seed)


def _leave(learned: Learned, spec: FeatureSpec, rows: pd.DataFrame, seed: int) -> None:
    directory = Path(os.environ["SM_MODEL_DIR"])
    (directory / "features.json").write_text(json.dumps(spec.to_json(), indent=1))
    checked = table.check_rows(rows, spec, seed)
    answers = learned.answers(table.encoded(checked, spec))
    checked["__prediction__"] = list(np.asarray(answers))
    checked.to_parquet(directory / "check.parquet", index=False)
    learned.save(directory)


def _channel(name: str, target: str) -> tuple[pd.DataFrame, pd.Series]:
    return table.read(Path(os.environ[f"SM_CHANNEL_{name.upper()}"]), target)


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    """The candidate's own, and the algorithm's parameters as ``--name value``."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--algorithm", choices=sorted(LEARNERS), required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--problem_type", choices=sorted(table.KINDS), required=True)
    parser.add_argument("--validation_fraction", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_known_args()


if __name__ == "__main__":
    sys.exit(main())
