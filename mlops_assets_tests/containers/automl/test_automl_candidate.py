"""A candidate of an AutoML job: what it learns, measures on held-out rows, and leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlops_assets.containers.automl import candidate, table
from mlops_assets.containers.automl.learners import LEARNERS
from mlops_assets.containers.automl.scores import measured
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.artifact.seal import seal

PARAMETERS = {
    "xgboost": {"eta": 0.3, "num_round": 20, "max_depth": 3},
    "linear-learner": {"l2": 1.0},
    "mlp": {"hidden": 8, "learning_rate": 0.02, "l2": 0.001},
}


def rows(problem: str, count: int = 400) -> pd.DataFrame:
    """Rows whose label follows from a number and a colour, with gaps and a column of no use."""
    random = np.random.default_rng(3)
    size = random.normal(50, 10, count)
    colour = random.choice(["red", "green", "blue"], count)
    score = (size - 50) / 10 + np.where(colour == "red", 2.0, 0.0)
    labels = {
        "BinaryClassification": np.where(score > 0.5, "yes", "no"),
        "MulticlassClassification": np.array(["low", "middle", "top"])[np.digitize(score, [0, 1])],
        "Regression": (1000 + 50 * score).round(3),
    }
    found = pd.DataFrame(
        {"size": size, "colour": colour, "same": 1, "flag": size > 50, "label": labels[problem]}
    )
    found.loc[::17, "size"] = np.nan
    found.loc[::19, "colour"] = None
    return found


def run(tmp_path: Path, patch: pytest.MonkeyPatch, problem: str, algorithm: str, **given) -> int:
    """The script in this process, as the container runs it."""
    for folder in ("model", "output", "training"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    patch.setenv("SM_CHANNELS", json.dumps(given.pop("channels", ["training"])))
    patch.setenv("SM_CHANNEL_TRAINING", str(tmp_path / "training"))
    patch.setenv("SM_CHANNEL_VALIDATION", str(tmp_path / "validation"))
    patch.setenv("SM_MODEL_DIR", str(tmp_path / "model"))
    patch.setenv("SM_OUTPUT_DIR", str(tmp_path / "output"))
    told = {"algorithm": algorithm, "target": "label", "problem_type": problem}
    arguments = [
        str(part) for n, v in (told | PARAMETERS[algorithm]).items() for part in (f"--{n}", v)
    ]
    patch.setattr("sys.argv", ["candidate.py", *arguments])
    return candidate.main()


@pytest.mark.parametrize("problem", sorted(table.KINDS))
@pytest.mark.parametrize("algorithm", sorted(LEARNERS))
def test_every_algorithm_learns_every_problem_and_its_model_is_sealed(
    tmp_path, monkeypatch, capsys, problem, algorithm
):
    """A best candidate that cannot be served is a figure in a table."""
    frame = rows(problem)
    (tmp_path / "training").mkdir()
    frame.to_csv(tmp_path / "training" / "part.csv", index=False)
    assert run(tmp_path, monkeypatch, problem, algorithm) == 0
    lines = capsys.readouterr().out.splitlines()
    said = dict(line.rstrip(";").split("=") for line in lines)
    good = {"Regression": "R2", "BinaryClassification": "AUC"}.get(problem, "Accuracy")
    assert float(said[f"validation:{good}"]) > 0.7
    assert float(said[f"train:{good}"]) > 0.7
    seal(tmp_path / "model", training={})
    artifact = Artifact.load(tmp_path / "model")
    assert [column.name for column in artifact.spec.columns] == ["size", "colour", "flag"]


def test_held_out_rows_are_not_learned_from(tmp_path, monkeypatch, capsys):
    """Of labels drawn by lot nothing can be learned: only a leak would score above chance."""
    frame = rows("BinaryClassification")
    random = np.random.default_rng(1)
    frame["label"] = random.choice(["yes", "no"], len(frame))
    (tmp_path / "training").mkdir()
    frame.to_csv(tmp_path / "training" / "part.csv", index=False)
    monkeypatch.setitem(PARAMETERS, "xgboost", {"eta": 0.5, "num_round": 100, "max_depth": 8})
    assert run(tmp_path, monkeypatch, "BinaryClassification", "xgboost") == 0
    said = dict(line.rstrip(";").split("=") for line in capsys.readouterr().out.splitlines())
    assert float(said["train:AUC"]) > 0.95, "it learned its own rows by heart"
    assert float(said["validation:AUC"]) < 0.7


def test_a_validation_channel_is_what_is_measured_on(tmp_path, monkeypatch, capsys):
    """Where a user gives held-out rows, no share of the others may be measured instead."""
    for folder in ("training", "validation"):
        (tmp_path / folder).mkdir()
    rows("Regression").to_csv(tmp_path / "training" / "part.csv.gz", index=False)
    turned = rows("Regression").assign(label=lambda frame: -frame["label"])
    turned.to_csv(tmp_path / "validation" / "part.csv", index=False)
    channels = ["training", "validation"]
    assert run(tmp_path, monkeypatch, "Regression", "linear-learner", channels=channels) == 0
    said = dict(line.rstrip(";").split("=") for line in capsys.readouterr().out.splitlines())
    assert float(said["train:R2"]) > 0.7
    assert float(said["validation:R2"]) < 0


@pytest.mark.parametrize(
    ("problem", "change", "words"),
    [
        ("BinaryClassification", {"label": "same"}, "does not fit the 1 different values"),
        ("MulticlassClassification", {}, "does not fit the 2 different values"),
        ("Regression", {}, "holds what is no number"),
        ("BinaryClassification", {"label": None}, "no row of the channel training"),
        (
            "BinaryClassification",
            {"size": 1, "colour": "red", "flag": True},
            "no column has two different values",
        ),
    ],
)
def test_data_that_cannot_be_learned_from_says_why(tmp_path, monkeypatch, problem, change, words):
    """A traceback of a library's depths does not tell a user which column is wrong."""
    (tmp_path / "training").mkdir()
    frame = rows("BinaryClassification").assign(**change)
    frame.to_csv(tmp_path / "training" / "part.csv", index=False)
    assert run(tmp_path, monkeypatch, problem, "linear-learner") == 1
    assert words in (tmp_path / "output" / "failure").read_text()


def test_every_candidate_holds_the_same_rows_out_of_each_class():
    """Candidates measured on other rows cannot be compared."""
    targets = np.array([0] * 90 + [1] * 10)
    first, second = (table.split(targets, 0.2, by_class=True, seed=0) for _ in range(2))
    assert (first == second).all()
    assert (first[:90].sum(), first[90:].sum()) == (18, 2)
    with pytest.raises(table.UnfitData, match="too few"):
        table.split(np.array([0, 0, 1]), 0.2, by_class=True, seed=0)


def test_metrics_are_those_of_their_definitions():
    """By hand: three of four right, one of two positives found."""
    truth, answers = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.9, 0.3])
    found = measured("BinaryClassification", truth, answers)
    assert (found["Accuracy"], found["Precision"], found["Recall"]) == (0.75, 1.0, 0.5)
    assert found["F1"] == pytest.approx(2 / 3)
    assert found["AUC"] == 1.0
    assert "AUC" not in measured("BinaryClassification", np.array([1, 1]), np.array([0.9, 0.8]))
    regression = measured("Regression", np.array([1.0, 3.0]), np.array([2.0, 3.0]))
    assert regression == {"MSE": 0.5, "RMSE": 0.5**0.5, "MAE": 0.5, "R2": 0.5}
    assert "R2" not in measured("Regression", np.array([2.0, 2.0]), np.array([2.0, 3.0]))
