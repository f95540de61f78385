"""The training script as SageMaker runs it: a process, variables, files; stopped, it goes on."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml import baselines, metrics
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.artifact.seal import seal
from mlops_assets.pipelines import digits as package
from mlops_assets.pipelines.digits import pipeline
from mlops_assets.pipelines.digits.source import DAYS, PIXELS, Digits

SCRIPT = Path(package.__file__).parent / "train.py"
ALLOWED = {"argparse", "json", "logging", "os", "pathlib", "typing", "warnings", "__future__",
           "numpy", "pandas", "pyarrow", "torch"}  # fmt: skip
COLUMNS = [*PIXELS, "digit"]


@pytest.fixture(scope="module")
def images() -> pd.DataFrame:
    return pd.concat([Digits().read(day)[COLUMNS] for day in DAYS], ignore_index=True)


def command(root: Path, name: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    places = {
        "SM_CHANNEL_TRAIN": str(root / "train"),
        "SM_CHANNEL_HOLDOUT": str(root / "holdout"),
        "SM_MODEL_DIR": str(root / name),
    }
    return (
        [sys.executable, str(SCRIPT), "--label", "digit", *arguments],
        {"PATH": os.environ["PATH"], "HOME": str(root), "OMP_NUM_THREADS": "1", **places},
    )


def run(root: Path, name: str, *arguments: str) -> subprocess.CompletedProcess:
    line, places = command(root, name, *arguments)
    return subprocess.run(line, env=places, capture_output=True, text=True, check=False)


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture(scope="module")
def trained(images: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last third held out; one training without interruption, one killed in the middle."""
    pytest.importorskip("torch", reason="trains with torch: make test installs it where it can")
    pytest.importorskip("onnxscript", reason="torch exports to ONNX by onnxscript")
    root = tmp_path_factory.mktemp("digits")
    for name, part in (("train", images.iloc[:1200]), ("holdout", images.iloc[1200:])):
        (root / name).mkdir()
        part.to_parquet(root / name / "part-0.parquet", index=False)
    whole = run(root, "whole", "--epochs", "12")
    assert whole.returncode == 0, whole.stderr
    (root / "log").write_text(whole.stdout)
    line, places = command(root, "resumed", "--epochs", "12", "--checkpoints", str(root / "kept"))
    with subprocess.Popen(line, env=places, stdout=subprocess.PIPE, text=True) as job:
        for said in job.stdout:
            if said.startswith("epoch 5 "):
                job.kill()
                break
    assert not (root / "resumed").exists()
    resumed = run(root, "resumed", "--epochs", "12", "--checkpoints", str(root / "kept"))
    assert resumed.returncode == 0, resumed.stderr
    (root / "resumed.log").write_text(resumed.stdout)
    return root


def test_the_script_imports_nothing_of_the_platform() -> None:
    """On SageMaker the script runs alone: an import of the project works here and fails there."""
    nodes = list(ast.walk(ast.parse(SCRIPT.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= ALLOWED


def test_the_pipeline_passes_only_what_the_script_takes() -> None:
    """An unknown hyperparameter ends the job with argparse's usage, minutes after its start."""
    taken = set(re.findall(r'add_argument\("--(\w+)"', SCRIPT.read_text()))
    assert set(pipeline.training.hyperparameters) | {"label"} <= taken


@pytest.mark.integration
def test_an_interrupted_training_goes_on_and_ends_with_the_same_bytes(trained: Path) -> None:
    """A spot interruption must cost an epoch, not the reproducibility of the model."""
    said, whole = ((trained / name).read_text().splitlines() for name in ("resumed.log", "log"))
    after = next(int(line.split()[4].rstrip(",")) for line in said if line.startswith("going on"))
    assert 4 <= after < 12
    epochs = [line for line in said if line.startswith("epoch")]
    assert epochs == [line for line in whole if line.startswith("epoch")][after:]
    # The control: epochs do differ, so those above are not equal whatever is done.
    assert len({line.partition("train-loss")[2] for line in whole}) > 12
    assert files(trained / "resumed") == files(trained / "whole")


@pytest.mark.integration
def test_the_export_answers_what_torch_does_and_every_metric_is_read(trained: Path) -> None:
    model, log = trained / "whole", (trained / "log").read_text()
    assert files(model).keys() == {
        "model.onnx", "features.json", "importance.json", "check.parquet"
    }  # fmt: skip
    for name, pattern in pipeline.training.metrics.items():
        assert len(re.findall(pattern, log)) == 12, name
    importance = json.loads((model / "importance.json").read_text())
    assert set(importance) == set(PIXELS)
    assert sum(importance.values()) == pytest.approx(1, abs=1e-3)
    torch_says = pd.read_parquet(model / "check.parquet")
    served = Path(shutil.copytree(model, trained / "served"))
    assert seal(served, training={}).check.max_abs_diff <= 1e-5
    answers = Artifact.load(served).predict({name: torch_says[name].to_numpy() for name in PIXELS})
    np.testing.assert_allclose(answers, np.stack(torch_says["__prediction__"]), atol=1e-5)


@pytest.mark.integration
def test_the_last_writers_are_harder_than_a_random_third(
    trained: Path, images: pd.DataFrame
) -> None:
    """The data's natural shift, which an evaluation on shuffled rows would never show."""
    rows = images.sample(frac=1, random_state=1).reset_index(drop=True)

    def accuracy(train: pd.DataFrame, held_out: pd.DataFrame) -> float:
        p = baselines.fit_predict(
            "linear", train[list(PIXELS)], train["digit"], held_out[list(PIXELS)], "multiclass"
        )
        return metrics.multiclass(held_out["digit"], p)["accuracy"]

    ordered = accuracy(images.iloc[:1200], images.iloc[1200:])
    assert ordered + 0.02 <= accuracy(rows.iloc[:1200], rows.iloc[1200:])
    told = re.findall(r"holdout-accuracy:([0-9.]+)", (trained / "log").read_text())
    # The network on the last third: better than the linear model, short of .98 on a random one.
    assert ordered < float(told[-1]) < 0.975
