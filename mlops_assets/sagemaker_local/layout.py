"""/opt/ml of one host of a training job: its folders and configuration files.

Belongs here: what the container contract says a job finds. Does not belong here: running the job
(job_run.py), its input data (training/channels.py), or packing what it leaves (archives.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlops_assets.sagemaker_local.cluster import Cluster
from mlops_assets.sagemaker_local.namespaces import MOUNT_POINT
from mlops_assets.sagemaker_local.store import Document


@dataclass(frozen=True)
class Layout:
    """The folders below ``base``, which the job sees as /opt/ml."""

    base: Path

    @property
    def config(self) -> Path:
        return self.base / "input" / "config"

    @property
    def data(self) -> Path:
        return self.base / "input" / "data"

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def output(self) -> Path:
        return self.base / "output" / "data"

    @property
    def failure(self) -> Path:
        return self.base / "output" / "failure"

    @property
    def checkpoints(self) -> Path:
        return self.base / "checkpoints"

    def inside(self, path: str) -> Path:
        """Where a path below /opt/ml really is. Raises ValueError for any other path."""
        way = PurePosixPath(path)
        if ".." in way.parts or not way.is_relative_to(MOUNT_POINT):
            raise ValueError(f"{path!r} is not below {MOUNT_POINT}")
        return self.base / way.relative_to(MOUNT_POINT)

    def create(
        self,
        hyperparameters: Mapping[str, str],
        channels: Mapping[str, Document],
        cluster: Cluster,
        host: str,
    ) -> None:
        """Make the folders and write the three files that a container reads.

        ``channels`` is the content of inputdataconfig.json.
        """
        for folder in (self.config, self.data, self.model, self.output):
            folder.mkdir(parents=True)
        files = {
            "hyperparameters": dict(hyperparameters),
            "inputdataconfig": dict(channels),
            "resourceconfig": cluster.resource_config(host),
        }
        for name, content in files.items():
            (self.config / f"{name}.json").write_text(json.dumps(content, indent=1))

    def failure_text(self) -> str:
        """What the job wrote about its failure: 1,024 characters at most, "" if nothing."""
        try:
            with self.failure.open(errors="replace") as file:
                return file.read(1024).strip()
        except OSError:
            return ""
