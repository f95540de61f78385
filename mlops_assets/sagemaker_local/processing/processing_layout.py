"""/opt/ml of one host of a processing job: its folders, configuration files, inputs and message.

Belongs here: what the container contract says a job finds, and where it leaves what. Does not
belong here: running the job (processing_run.py), storing outputs (processing_outputs.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local.cluster import Cluster
from mlops_assets.sagemaker_local.images import relocated
from mlops_assets.sagemaker_local.inputs import Source, bring, entries, share
from mlops_assets.sagemaker_local.namespaces import MOUNT_POINT
from mlops_assets.sagemaker_local.store import Document

PROCESSING = f"{MOUNT_POINT}/processing"
MESSAGE_BYTES = 1024
_SAID = (  # of a request, what the container is told
    "AppSpecification",
    "Environment",
    "ProcessingInputs",
    "ProcessingJobArn",
    "ProcessingJobName",
    "ProcessingOutputConfig",
    "ProcessingResources",
    "RoleArn",
    "StoppingCondition",
)


class MessageUnreadable(Exception):
    """A container's message is no text; the message is the service's FailureReason."""


def outputs(request: Document) -> Iterator[Document]:
    """The S3Output of each output."""
    for output in request.get("ProcessingOutputConfig", {}).get("Outputs", []):
        yield output["S3Output"]


@dataclass(frozen=True)
class ProcessingLayout:
    """One host's folders below ``base``, which it sees as /opt/ml (or as ``seen``)."""

    base: Path
    host: str
    cluster: Cluster
    seen: Path

    def path(self, local_path: str) -> Path:
        """Where a LocalPath of the request is on this machine."""
        return self.base / Path(local_path).relative_to(MOUNT_POINT)

    def create(self, request: Document) -> None:
        """Make the folders, the outputs' too, and write the two files that a container reads."""
        for folder in (self.base / "config", self.base / "processing", self.base / "output"):
            folder.mkdir(parents=True)
        for output in outputs(request):
            self.path(output["LocalPath"]).mkdir(parents=True, exist_ok=True)
        resources = self.cluster.resource_config(self.host)
        job = {member: request[member] for member in _SAID if member in request}
        for name, content in (("processingjobconfig", job), ("resourceconfig", resources)):
            text = json.dumps(self._moved(content), indent=1)
            (self.base / "config" / f"{name}.json").write_text(text)

    def download(self, request: Document, objects: Objects) -> None:
        """Bring this host's share of each input. Raises InputMissing for an empty input."""
        for given in request.get("ProcessingInputs", []):
            source = given["S3Input"]
            where = Source(
                owner=f"input {given['InputName']}",
                uri=source["S3Uri"],
                manifest=source["S3DataType"] == "ManifestFile",
                sharded=source.get("S3DataDistributionType") == "ShardedByS3Key",
            )
            hosts = self.cluster.hosts
            part = share(where, entries(where, objects), hosts.index(self.host), len(hosts))
            bring(part, self.path(source["LocalPath"]), objects)

    def message(self) -> str:
        """What the container wrote to output/message: 1 KB at most, "" if nothing.

        Raises:
            MessageUnreadable: it is not UTF-8, which the service fails a job for.
        """
        try:
            with (self.base / "output" / "message").open("rb") as file:
                data = file.read(MESSAGE_BYTES)
        except OSError:
            return ""
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            if error.start >= len(data) - 3 and len(data) == MESSAGE_BYTES:  # cut in a character
                return data[: error.start].decode()
            raise MessageUnreadable(
                f"ClientError: {PROCESSING.rpartition('/')[0]}/output/message of {self.host} is "
                "not encoded in UTF-8"
            ) from error

    def _moved(self, content: object) -> object:
        """The texts below /opt/ml as this host sees them, where that could not be mounted."""
        if isinstance(content, dict):
            return {key: self._moved(value) for key, value in content.items()}
        if isinstance(content, list):
            return [self._moved(value) for value in content]
        return relocated([content], self.seen)[0] if isinstance(content, str) else content
