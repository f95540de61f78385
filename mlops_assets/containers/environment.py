"""The training container's contract: /opt/ml and its configuration files in, SM_* variables out.

Belongs here: reading input/config and everything a script is told by environment or arguments.
Does not: running the script (train.py) or fetching its source (source.py).
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SETTINGS = ("sagemaker_", "_tuning_objective_metric")  # as the service's own toolkit has it


class ContainerError(Exception):
    """The job's configuration is wrong; the message becomes the job's FailureReason."""


@dataclass(frozen=True)
class Paths:
    """/opt/ml, or what SAGEMAKER_BASE_DIR puts in its place."""

    base: Path

    @classmethod
    def from_environ(cls) -> Paths:
        """The paths of this process."""
        return cls(Path(os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml"))

    @property
    def config(self) -> Path:
        """hyperparameters.json, inputdataconfig.json, resourceconfig.json."""
        return self.base / "input" / "config"

    @property
    def input(self) -> Path:
        """The parent of config and data."""
        return self.base / "input"

    @property
    def model(self) -> Path:
        """What becomes model.tar.gz; in a serving container, what it was unpacked to."""
        return self.base / "model"

    @property
    def output(self) -> Path:
        """Holds `failure`."""
        return self.base / "output"

    @property
    def code(self) -> Path:
        """Where the script's source is unpacked."""
        return self.base / "code"

    def channel(self, name: str) -> Path:
        """The data of an input channel."""
        return self.input / "data" / name


@dataclass(frozen=True)
class TrainingJob:
    """A training job as the container sees it.

    `hyperparameters` are the user's, decoded from JSON where they are JSON; those that begin with
    `sagemaker_`, and the metric that a tuning job names, are for the container and stand in
    `settings`.
    """

    paths: Paths
    hyperparameters: Mapping[str, Any]
    settings: Mapping[str, Any]
    channels: Mapping[str, Mapping[str, Any]]
    resources: Mapping[str, Any]

    @classmethod
    def read(cls, paths: Paths) -> TrainingJob:
        """Read input/config. Raises ContainerError for files that are not as documented."""
        raw = _read(paths, "hyperparameters.json")
        decoded = {name: _decode(value) for name, value in raw.items()}
        settings = {k: v for k, v in decoded.items() if k.startswith(_SETTINGS)}
        user = {k: v for k, v in decoded.items() if k not in settings}
        channels = _read(paths, "inputdataconfig.json")
        for name, channel in channels.items():
            if channel.get("TrainingInputMode") == "Pipe":
                raise ContainerError(
                    f"channel {name!r} is in Pipe mode, which this image does not read: use File"
                )
        resources = _read(paths, "resourceconfig.json")
        resources = {"current_host": "algo-1", "hosts": ["algo-1"], **resources}
        return cls(paths, user, settings, channels, resources)

    def arguments(self) -> list[str]:
        """The script's arguments: `--name value` (`-n value` for one letter), sorted by name."""
        result = []
        for name, value in sorted(self.hyperparameters.items()):
            result += [f"--{name}" if len(name) > 1 else f"-{name}", _argument(value)]
        return result

    def variables(self, script: Path) -> dict[str, str]:
        """The SM_* variables; those of hyperparameters and channels with dashes in both spellings
        that are in use (SM_HP_A-B by the training toolkit, SM_HP_A_B by SDK v3)."""
        hosts, current = self.resources["hosts"], self.resources["current_host"]
        values: dict[str, Any] = {
            "SM_MODEL_DIR": self.paths.model,
            "SM_INPUT_DIR": self.paths.input,
            "SM_INPUT_CONFIG_DIR": self.paths.config,
            "SM_OUTPUT_DIR": self.paths.output,
            "SM_OUTPUT_DATA_DIR": self.paths.output / "data",
            "SM_OUTPUT_INTERMEDIATE_DIR": self.paths.output / "intermediate",
            "SM_CHANNELS": sorted(self.channels),
            "SM_HPS": self.hyperparameters,
            "SM_HOSTS": hosts,
            "SM_CURRENT_HOST": current,
            "SM_CURRENT_INSTANCE_TYPE": self.resources.get("current_instance_type", ""),
            "SM_NETWORK_INTERFACE_NAME": self.resources.get("network_interface_name", "eth0"),
            "SM_NUM_GPUS": len(glob.glob("/dev/nvidia[0-9]*")),
            "SM_NUM_CPUS": len(os.sched_getaffinity(0)),
            "SM_RESOURCE_CONFIG": self.resources,
            "SM_INPUT_DATA_CONFIG": self.channels,
            "SM_LOG_LEVEL": self.settings.get("sagemaker_container_log_level", 20),
            "SM_USER_ARGS": self.arguments(),
            "SM_USER_ENTRY_POINT": script.name,
            "SM_MODULE_NAME": script.stem,
            "SM_HOST_COUNT": len(hosts),
            "SM_CURRENT_HOST_RANK": hosts.index(current),
            "SM_MASTER_ADDR": hosts[0],
            "SM_MASTER_PORT": 7777,
            "SM_SOURCE_DIR": script.parent,
            "SM_ENTRY_SCRIPT": script.name,
        }
        for name, value in self.hyperparameters.items():
            values |= dict.fromkeys(_spellings("SM_HP_", name), value)
        for name in self.channels:
            values |= dict.fromkeys(_spellings("SM_CHANNEL_", name), self.paths.channel(name))
        names = {name.removeprefix("SM_").lower(): value for name, value in values.items()}
        values["SM_TRAINING_ENV"] = names
        return {name: _variable(value) for name, value in values.items()}


def _spellings(prefix: str, name: str) -> set[str]:
    return {prefix + name.upper(), prefix + name.upper().replace("-", "_")}


def _read(paths: Paths, name: str) -> dict[str, Any]:
    try:
        content = json.loads((paths.config / name).read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ContainerError(f"input/config/{name} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ContainerError(f"input/config/{name} must hold an object")
    return content


def _decode(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _argument(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}={item}" for key, item in sorted(value.items()))
    return "" if value is None else str(value)


def _variable(value: Any) -> str:
    if isinstance(value, (Mapping, list)):
        return json.dumps(value, sort_keys=True, default=str)
    return "" if value is None else str(value)
