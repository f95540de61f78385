"""AWS's XGBoost on this machine: the CSV, the log and the model of the image, and its refusals."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlops_assets.containers.algorithms import xgboost as algorithm
from mlops_assets.containers.environment import ContainerError

ROWS = "1,2.5,,3\n0,,1e3,0\n1,nan,2,5\n"


def run(base: Path, hyperparameters: dict, channels: dict[str, str], content: str = "text/csv"):
    """The job in a folder of its own; its exit, log and failure."""
    config = base / "input" / "config"
    config.mkdir(parents=True)
    described = {}
    for name, rows in channels.items():
        folder = base / "input" / "data" / name
        folder.mkdir(parents=True)
        (folder / "part-0.csv").write_text(rows)
        described[name] = {"ContentType": content, "TrainingInputMode": "File"}
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    (config / "inputdataconfig.json").write_text(json.dumps(described))
    done = subprocess.run(
        [sys.executable, "-m", algorithm.__name__],
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(base), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    failure = base / "output" / "failure"
    return done, failure.read_text() if failure.exists() else ""


def test_an_empty_field_is_missing_and_not_zero(tmp_path: Path):
    """XGBoost tells them apart; a model of zeros would be another one than the image makes."""
    (tmp_path / "rows.csv").write_text(ROWS)
    rows = algorithm.read_csv(tmp_path, "train")
    assert np.isnan(rows.to_numpy()).tolist() == [
        [False, False, True, False],
        [False, True, False, False],
        [False, True, False, False],
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Missing required hyperparameter: num_round"),
        ({"num_round": 0}, "num_round"),
        ({"num_round": 3, "learning_rate": 0.1}, "Extraneous hyperparameter found: learning_rate"),
        ({"num_round": 3, "eta": "fast"}, "eta: could not parse value 'fast'"),
        ({"num_round": 3, "csv_weights": 1}, "csv_weights"),
    ],
)
def test_what_the_algorithm_refuses_is_refused_here(given: dict, said: str):
    """What passes on the laptop and fails in AWS costs the start of an instance."""
    with pytest.raises(ContainerError, match=said):
        algorithm.parameters(given)


@pytest.mark.integration
def test_a_job_logs_as_the_image_does_and_leaves_its_booster(tmp_path: Path):
    random = np.random.default_rng(5)
    numbers = random.normal(size=(400, 3))
    labels = (numbers[:, 0] + numbers[:, 1] > 0).astype(int)
    lines = [",".join(map(str, [y, *x])) for y, x in zip(labels, numbers, strict=True)]
    told = {"num_round": "5", "objective": "binary:logistic", "eval_metric": "auc,logloss"}
    rows = {"train": "\n".join(lines[:300]), "validation": "\n".join(lines[300:])}
    done, failure = run(tmp_path, told, rows)
    assert (done.returncode, failure) == (0, ""), done.stderr
    line = r"^\[0\]#011train-auc:0\.\d+#011train-logloss:0\.\d+#011validation-auc:0\.\d+#011"
    assert re.search(line, done.stdout, re.M), done.stdout
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray((tmp_path / "model" / "xgboost-model").read_bytes()))
    answers = booster.predict(xgboost.DMatrix(numbers[300:]))
    assert ((answers > 0.5) == labels[300:]).mean() > 0.8


@pytest.mark.integration
@pytest.mark.parametrize(
    ("channels", "content", "said"),
    [
        ({"train": "label,a\n1,2\n"}, "text/csv", "no header"),
        ({"train": ROWS, "dagster": ROWS}, "text/csv", "Extraneous channel found: dagster"),
        ({"validation": ROWS}, "text/csv", "Missing required channel: train"),
        ({"train": ROWS}, "text/libsvm", "text/libsvm, which is not read on this machine"),
    ],
)
def test_channels_that_it_cannot_read_fail_the_job(
    tmp_path: Path, channels: dict, content: str, said: str
):
    done, failure = run(tmp_path, {"num_round": "2"}, channels, content)
    assert done.returncode == 1
    assert said in failure
