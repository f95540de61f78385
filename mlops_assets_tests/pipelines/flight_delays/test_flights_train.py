"""The training script as SageMaker runs it: a process, variables, files; and it can be exported."""

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.artifact.seal import seal
from mlops_assets.pipelines.flight_delays import pipeline

SCRIPT = pipeline.training.script
ALLOWED = {"argparse", "collections", "dataclasses", "json", "os", "pathlib", "typing",
           "__future__", "numpy", "pandas", "pyarrow", "xgboost", "train_rows"}  # fmt: skip
UNSEEN = "never seen in training"


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module; what it shares with another lies beside it, as in the job."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    return importlib.import_module("mlops_assets.pipelines.flight_delays.train")


@pytest.fixture(scope="module")
def channels(made: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three weeks of February to train on, the rest held out, as the platform writes them."""
    rows = made[made["late"].notna()]
    cut = rows["scheduled_at"].quantile(0.75)
    root = tmp_path_factory.mktemp("channels")
    parts = {
        "train": rows.loc[rows["scheduled_at"] < cut, [*pipeline.feature_columns, "late"]],
        "holdout": rows[rows["scheduled_at"] >= cut],
    }
    for name, part in parts.items():
        (root / name).mkdir()
        part.to_parquet(root / name / "part-0.parquet", index=False)
    return {name: root / name for name in parts}


def run(channels: dict[str, Path], model: Path, *arguments: str) -> subprocess.CompletedProcess:
    places = {f"SM_CHANNEL_{name.upper()}": str(path) for name, path in channels.items()}
    return subprocess.run(
        [sys.executable, SCRIPT, "--num_boost_round", "30", "--nthread", "2", *arguments],
        env={"PATH": os.environ["PATH"], "SM_MODEL_DIR": str(model), **places},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_imports_nothing_of_the_platform() -> None:
    """On SageMaker the script runs alone: an import of the project works here and fails there."""
    for path in (SCRIPT, *pipeline.training.files):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
        names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in names} <= ALLOWED


def test_the_pipeline_passes_only_what_the_script_takes() -> None:
    """An unknown hyperparameter ends the job with argparse's usage, minutes after its start."""
    taken = set(re.findall(r'add_argument\("--(\w+)"', SCRIPT.read_text()))
    assert set(pipeline.training.hyperparameters) | {"label"} <= taken


@pytest.mark.integration
def test_the_model_is_sealed_reproducible_and_logged(
    channels: dict[str, Path], tmp_path: Path
) -> None:
    """The whole contract in one run: log lines, files, equal bytes, export equal to training."""
    runs = [run(channels, tmp_path / name, "--label", "late") for name in "ab"]
    assert [r.returncode for r in runs] == [0, 0], runs[0].stderr
    files = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}
    assert files.keys() == {"model.ubj", "features.json", "importance.json", "check.parquet"}
    assert files == {p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()}
    assert runs[0].stdout == runs[1].stdout

    for name, pattern in pipeline.training.metrics.items():
        assert re.search(pattern, runs[0].stdout), name
    assert re.search(r"^\[25\] train-logloss:0\.\d+ holdout-logloss:0\.\d+$", runs[0].stdout, re.M)
    auc = float(re.search(r"holdout-auc: ([0-9.]+)", runs[0].stdout).group(1))
    assert 0.65 < auc < 0.80
    shares = json.loads(files["importance.json"])
    assert list(shares) == sorted(shares, key=lambda name: -shares[name])
    assert set(shares) == set(pipeline.feature_columns)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)

    manifest = seal(tmp_path / "a", training={})
    assert manifest.check.rows >= 10_000
    assert manifest.check.max_abs_diff <= 1e-5
    holdout = pd.read_parquet(channels["holdout"])
    answers = Artifact.load(tmp_path / "a").predict({c: holdout[c].to_numpy() for c in holdout})
    assert answers.shape == (len(holdout),)
    assert np.corrcoef(answers, holdout["late"])[0, 1] > 0.2


@pytest.mark.integration
def test_without_a_holdout_the_check_rows_come_from_training(
    channels: dict[str, Path], tmp_path: Path
) -> None:
    """A job that someone starts by hand has one channel: its artifact is checked all the same."""
    done = run({"train": channels["train"]}, tmp_path, "--label", "late")
    assert done.returncode == 0, done.stderr
    assert "holdout" not in done.stdout
    assert seal(tmp_path, training={}).check.rows >= 10_000


@pytest.mark.integration
@pytest.mark.parametrize("label", ["punctual", "leg_wait"])
def test_an_unusable_label_is_named(channels: dict[str, Path], tmp_path: Path, label: str) -> None:
    """Absent, or null in some rows: XGBoost itself says only that a label contains NaN."""
    done = run(channels, tmp_path, "--label", label)
    assert done.returncode != 0
    assert f"ValueError: label '{label}' is absent or null in channel" in done.stderr
    assert not list(tmp_path.iterdir())


def test_check_rows_exercise_every_column(train: ModuleType, made: pd.DataFrame) -> None:
    """A column that is never missing among the check rows is exported without proof."""
    rows = made[list(pipeline.feature_columns)].head(500)
    encoding = train.Encoding.fit(rows)
    checked = train.check_rows(rows, encoding.numbers, train.CHECK_ROWS, seed=1)
    assert len(checked) >= 10_000
    assert checked.isna().any().all()
    assert all((checked[column] == UNSEEN).any() for column in encoding.vocabularies)
    plain = checked.iloc[::2].reset_index(drop=True)
    assert plain["distance"].notna().all()
    assert (plain["carrier"] != UNSEEN).all()


def test_the_encoding_keeps_nan_and_ignores_the_unseen(train: ModuleType) -> None:
    fitted = train.Encoding.fit(pd.DataFrame({"x": [1, 2], "c": ["b", "a"]}))
    matrix = fitted.matrix(pd.DataFrame({"x": [np.nan, 3.0], "c": ["z", "b"]}))
    np.testing.assert_array_equal(matrix, np.array([[np.nan, 0, 0], [3, 0, 1]], dtype=np.float32))
    assert fitted.names() == ["x", "c=a", "c=b"]


def test_auc_by_ranks_counts_ties_half(train: ModuleType) -> None:
    assert train.auc(np.array([0, 1, 0, 1]), np.array([0.1, 0.9, 0.5, 0.5])) == 0.875
    assert np.isnan(train.auc(np.array([1, 1]), np.array([0.1, 0.2])))


def test_a_gpu_that_is_not_there_is_no_failure(
    train: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The variant `gpu` must train on a laptop too, and say on what it did."""
    monkeypatch.delenv("SM_NUM_GPUS", raising=False)
    assert train.usable("cuda") == "cpu"
    assert "training on the CPU" in capsys.readouterr().out
    assert train.usable("cpu") == "cpu"
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("SM_NUM_GPUS", "1")
    monkeypatch.setattr(train.xgb, "build_info", lambda: {"USE_CUDA": True})
    assert train.usable("cuda") == "cuda"
