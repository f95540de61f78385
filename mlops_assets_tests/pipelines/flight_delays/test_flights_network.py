"""The variant `network` as SageMaker runs it: one process or several, on a CPU where there is no
GPU; interrupted, it goes on; what it leaves answers as torch does."""

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from mlops_assets.ml.artifact.seal import seal
from mlops_assets.pipelines.flight_delays import pipeline as two_hours
from mlops_assets.pipelines.flight_delays.gpu import pipeline as gpu
from mlops_assets.pipelines.flight_delays.network import pipeline

SCRIPT, *PARTS = pipeline.training.code
ALLOWED = {"argparse", "copy", "json", "logging", "math", "os", "pathlib", "sys", "time", "typing",
           "warnings", "__future__", "collections", "numpy", "pandas", "pyarrow", "torch",
           *(path.stem for path in PARTS)}  # fmt: skip
EPOCHS = 3
torch_only = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in pipeline.training.needs),
    reason="trains with torch: make test installs it where it can",
)


@pytest.fixture(scope="module")
def channels(made: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three weeks of February to train on, the rest held out, as the platform writes them."""
    rows = made[made["late"].notna()].sort_values("scheduled_at", kind="stable")
    cut = int(len(rows) * 0.75)
    root = tmp_path_factory.mktemp("channels")
    parts = {
        "train": rows.iloc[:cut][[*pipeline.feature_columns, "late"]].iloc[::3],
        "holdout": rows.iloc[cut:].iloc[::2],
    }
    for name, part in parts.items():
        (root / name).mkdir()
        part.to_parquet(root / name / "part-0.parquet", index=False)
    return root


def run(root: Path, name: str, *arguments: str, stop_at: str = "", **variables: str) -> str:
    """The script's log; killed at the line that begins with `stop_at`."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(root),
        "OMP_NUM_THREADS": "1",
        "SM_CHANNEL_TRAIN": str(root / "train"),
        "SM_CHANNEL_HOLDOUT": str(root / "holdout"),
        "SM_MODEL_DIR": str(root / name),
        **variables,
    }
    told = ("--label", "late", "--epochs", str(EPOCHS), "--nthread", "1")
    log = root / f"{name}.log"
    with log.open("a") as errors, subprocess.Popen(
        [sys.executable, str(SCRIPT), *told, *arguments],
        env=environment, stdout=subprocess.PIPE, stderr=errors, text=True,
    ) as job:  # fmt: skip
        said = []
        for line in job.stdout:
            said.append(line)
            if stop_at and line.startswith(stop_at):
                job.kill()
                return "".join(said)
    assert job.returncode == 0, "".join(said) + log.read_text()
    return "".join(said)


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture(scope="module")
def trained(channels: Path) -> str:
    return run(channels, "whole")


def losses(log: str, name: str) -> list[float]:
    return [float(found) for found in re.findall(pipeline.training.metrics[name], log)]


def test_the_script_imports_nothing_of_the_platform() -> None:
    """On SageMaker the script runs alone: an import of the project works here and fails there."""
    for path in (SCRIPT, *PARTS):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
        names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in names} <= ALLOWED


def test_the_variants_pass_only_what_their_scripts_take() -> None:
    """An unknown hyperparameter ends the job with argparse's usage, minutes after its start."""
    for variant in (pipeline, gpu):
        source = variant.training.script.read_text()
        taken = set(re.findall(r'"--(\w+)"', source)) | set(
            re.findall(r'"(\w+)": [\d.e-]+', source)
        )
        assert set(variant.training.hyperparameters) | {"label"} <= taken


def test_what_differs_is_how_it_learns() -> None:
    """Compared are trees and a network; other features or gates would compare something else."""
    for variant in (pipeline, gpu):
        assert variant.feature_columns == two_hours.feature_columns
        assert variant.evaluation == two_hours.evaluation
        assert variant.training.instance_type == "ml.g5.xlarge"
        assert variant.name != two_hours.name


@pytest.mark.integration
def test_the_declarations_load_without_torch() -> None:
    """A code server has no use for torch, and an image without it must load the graph."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import mlops_assets.pipelines.flight_delays.network, mlops_assets.pipelines.flight_delays"
        ".gpu\nprint([n for n in ('xgboost', 'onnxruntime', 'sagemaker') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


@torch_only
@pytest.mark.integration
def test_the_export_answers_what_torch_does_and_every_metric_is_read(
    channels: Path, trained: str
) -> None:
    model = channels / "whole"
    assert files(model).keys() == {
        "model.onnx", "features.json", "importance.json", "check.parquet"
    }  # fmt: skip
    for name in pipeline.training.metrics:
        assert len(losses(trained, name)) == (1 if name.endswith("auc") else EPOCHS), name
    importance = json.loads((model / "importance.json").read_text())
    assert set(importance) == set(pipeline.feature_columns)
    assert sum(importance.values()) == pytest.approx(1, abs=1e-3)
    served = Path(shutil.copytree(model, channels / "served"))
    assert seal(served, training={}).check.max_abs_diff <= 1e-5
    # Three weeks and three epochs: far from the model that serves, and further from chance.
    assert losses(trained, "holdout:auc")[0] > 0.65


@torch_only
@pytest.mark.integration
def test_an_interrupted_training_goes_on_and_ends_with_the_same_bytes(
    channels: Path, trained: str
) -> None:
    """A spot interruption must cost an epoch, not the reproducibility of the model."""
    kept = ("--checkpoints", str(channels / "kept"))
    run(channels, "resumed", *kept, stop_at="epoch 2 ")
    assert not (channels / "resumed").exists()
    said = run(channels, "resumed", *kept)
    assert "going on after epoch" in said
    assert len(losses(said, "train:logloss")) < EPOCHS
    assert files(channels / "resumed") == files(channels / "whole")


@torch_only
@pytest.mark.integration
def test_two_processes_learn_one_model(channels: Path, trained: str) -> None:
    """With SM_NUM_GPUS=2 each process sees half of the rows; alone, they would be two models."""
    said = run(channels, "both", SM_NUM_GPUS="2")
    assert "1 hosts × 2 processes" in said
    assert "2 processes, the first on cpu" in said
    assert len(losses(said, "holdout:logloss")) == EPOCHS  # told once, not by each
    alone, together = (losses(log, "holdout:logloss")[-1] for log in (trained, said))
    assert together == pytest.approx(alone, abs=0.03)
    served = Path(shutil.copytree(channels / "both", channels / "both-served"))
    assert seal(served, training={}).check.max_abs_diff <= 1e-5
