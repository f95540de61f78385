"""/opt/ml of one training job: its folders, configuration files and input data.

Belongs here: what the container contract says a job finds. Does not belong here: running the job
(job_run.py), or packing what it leaves (archives.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local.store import Document

HOST = "algo-1"
_GROUP = "homogeneousCluster"


class InputMissing(Exception):
    """A channel names objects that are not there; the message is the service's FailureReason."""


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

    def create(self, request: Document) -> None:
        """Make the folders and write the three files that a container reads."""
        for folder in (self.config, self.data, self.model, self.output, self.checkpoints):
            folder.mkdir(parents=True)
        resources = request["ResourceConfig"]
        files = {
            "hyperparameters": request.get("HyperParameters", {}),
            "inputdataconfig": {
                channel["ChannelName"]: {
                    "ContentType": channel.get("ContentType", ""),
                    "TrainingInputMode": "File",
                    "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                        "S3DataDistributionType", "FullyReplicated"
                    ),
                    "RecordWrapperType": "None",
                }
                for channel in request.get("InputDataConfig", [])
            },
            "resourceconfig": {
                "current_host": HOST,
                "current_instance_type": resources["InstanceType"],
                "current_group_name": _GROUP,
                "hosts": [HOST],
                "instance_groups": [
                    {
                        "instance_group_name": _GROUP,
                        "instance_type": resources["InstanceType"],
                        "hosts": [HOST],
                    }
                ],
                "network_interface_name": "lo",
            },
        }
        for name, content in files.items():
            (self.config / f"{name}.json").write_text(json.dumps(content, indent=1))

    def download(self, request: Document, objects: Objects) -> None:
        """Bring each channel's objects to its folder. Raises InputMissing for an empty channel."""
        for channel in request.get("InputDataConfig", []):
            uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
            if objects.download_tree(uri, self.data / channel["ChannelName"]) == 0:
                raise InputMissing(
                    f'ClientError: Data download failed:No S3 objects found under S3 URL "{uri}" '
                    f"given in input data source of channel {channel['ChannelName']}."
                )

    def failure_text(self) -> str:
        """What the job wrote about its failure: 1,024 characters at most, "" if nothing."""
        try:
            with self.failure.open(errors="replace") as file:
                return file.read(1024).strip()
        except OSError:
            return ""
