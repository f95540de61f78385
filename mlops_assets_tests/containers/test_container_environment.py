"""What a training script is told, by environment and by arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.containers.environment import ContainerError, Paths, TrainingJob


def job(base: Path, **files: Any) -> TrainingJob:
    """A job read from configuration files."""
    config = base / "input" / "config"
    config.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (config / f"{name}.json").write_text(
            content if isinstance(content, str) else json.dumps(content)
        )
    return TrainingJob.read(Paths(base))


HYPERPARAMETERS = {
    "sagemaker_program": '"train.py"',
    "max-depth": "6",
    "name": "plain text",
    "quoted": '"text"',
    "k": "1.50",
    "flag": "true",
    "list": "[1, 2]",
    "map": '{"b": 1, "a": 2}',
}


def test_hyperparameters_are_decoded_and_become_arguments(tmp_path: Path) -> None:
    """The training toolkit's forms: sorted, `-k` for one letter, maps as a=2,b=1."""
    made = job(tmp_path, hyperparameters=HYPERPARAMETERS)
    assert made.settings == {"sagemaker_program": "train.py"}
    assert made.hyperparameters["max-depth"] == 6
    assert made.arguments() == [
        *("--flag", "True", "-k", "1.5", "--list", "[1, 2]", "--map", "a=2,b=1"),
        *("--max-depth", "6", "--name", "plain text", "--quoted", "text"),
    ]


def test_a_tuning_jobs_metric_is_not_the_scripts(tmp_path: Path) -> None:
    """A script that accepts its own arguments only would fail in every job of a search."""
    made = job(tmp_path, hyperparameters={"_tuning_objective_metric": "loss", "depth": "6"})
    assert made.arguments() == ["--depth", "6"]
    assert made.settings == {"_tuning_objective_metric": "loss"}


def test_the_scripts_environment(tmp_path: Path) -> None:
    """Guards against a variable of the contract that is missing or spelled in one way only."""
    channels = {"train": {"TrainingInputMode": "File"}, "hold-out": {"TrainingInputMode": "File"}}
    resources = {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]}
    made = job(
        tmp_path,
        hyperparameters=HYPERPARAMETERS,
        inputdataconfig=channels,
        resourceconfig=resources,
    )
    values = made.variables(tmp_path / "code" / "train.py")
    data = tmp_path / "input" / "data"
    expected = {
        "SM_MODEL_DIR": str(tmp_path / "model"),
        "SM_OUTPUT_DATA_DIR": str(tmp_path / "output" / "data"),
        "SM_CHANNELS": '["hold-out", "train"]',
        "SM_CHANNEL_TRAIN": str(data / "train"),
        "SM_CHANNEL_HOLD-OUT": str(data / "hold-out"),
        "SM_CHANNEL_HOLD_OUT": str(data / "hold-out"),
        "SM_HP_MAX-DEPTH": "6",
        "SM_HP_MAX_DEPTH": "6",
        "SM_HP_NAME": "plain text",
        "SM_HP_LIST": "[1, 2]",
        "SM_HOSTS": '["algo-1", "algo-2"]',
        "SM_CURRENT_HOST": "algo-2",
        "SM_CURRENT_HOST_RANK": "1",
        "SM_HOST_COUNT": "2",
        "SM_MASTER_ADDR": "algo-1",
        "SM_SOURCE_DIR": str(tmp_path / "code"),
        "SM_ENTRY_SCRIPT": "train.py",
    }
    assert {name: values[name] for name in expected} == expected
    assert json.loads(values["SM_HPS"])["k"] == 1.5
    assert json.loads(values["SM_TRAINING_ENV"])["hps"]["name"] == "plain text"
    documented = """SM_NUM_GPUS SM_NUM_CPUS SM_INPUT_DIR SM_INPUT_CONFIG_DIR SM_OUTPUT_DIR
        SM_RESOURCE_CONFIG SM_INPUT_DATA_CONFIG SM_USER_ARGS SM_LOG_LEVEL SM_MASTER_PORT"""
    assert set(documented.split()) <= set(values)
    assert all(isinstance(value, str) for value in values.values())


def test_defaults_without_configuration(tmp_path: Path) -> None:
    """A script run by hand in the image has one host, no channels and no arguments."""
    made = TrainingJob.read(Paths(tmp_path))
    assert made.arguments() == []
    assert made.variables(tmp_path / "t.py")["SM_HOSTS"] == '["algo-1"]'


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"hyperparameters": "{"}, "hyperparameters.json is not JSON"),
        ({"hyperparameters": []}, "must hold an object"),
        ({"inputdataconfig": {"t": {"TrainingInputMode": "Pipe"}}}, "channel 't' is in Pipe mode"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path: Path, files: Any, said: str) -> None:
    """Guards against a traceback as the FailureReason."""
    with pytest.raises(ContainerError, match=said):
        job(tmp_path, **files)
