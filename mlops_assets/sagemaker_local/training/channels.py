"""The channels of a training job: what each host is told of them, and their data.

Belongs here: InputDataConfig for one host of a cluster. Does not belong here: bringing objects
(inputs.py), refusing channels that cannot be had here (limits.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local.cluster import Cluster
from mlops_assets.sagemaker_local.inputs import Source, bring, entries, share
from mlops_assets.sagemaker_local.layout import Layout
from mlops_assets.sagemaker_local.store import Document


@dataclass(frozen=True)
class Channel:
    """A channel, and the hosts that get it. ``described`` is its part of inputdataconfig.json."""

    name: str
    mode: str
    source: Source
    hosts: tuple[str, ...]
    described: Document

    @property
    def folder(self) -> str:
        """Relative to /opt/ml."""
        return f"input/data/{self.name}"


def channels(request: Document, cluster: Cluster) -> list[Channel]:
    """All channels of a CreateTrainingJob request."""
    return [_channel(given, request, cluster) for given in request.get("InputDataConfig", [])]


def _channel(given: Document, request: Document, cluster: Cluster) -> Channel:
    name, s3 = given["ChannelName"], given["DataSource"]["S3DataSource"]
    distribution = s3.get("S3DataDistributionType", "FullyReplicated")
    mode = given.get("InputMode") or request["AlgorithmSpecification"]["TrainingInputMode"]
    source = Source(
        owner=f"channel {name}",
        uri=s3["S3Uri"],
        manifest=s3["S3DataType"] == "ManifestFile",
        sharded=distribution == "ShardedByS3Key",
        seed=given.get("ShuffleConfig", {}).get("Seed"),
    )
    described = {
        "ContentType": given.get("ContentType", ""),
        "TrainingInputMode": mode,
        "S3DistributionType": distribution,
        "RecordWrapperType": "None",
    }
    return Channel(name, mode, source, cluster.members(s3.get("InstanceGroupNames")), described)


def download(
    found: list[Channel], layouts: Mapping[str, Layout], objects: Objects, *, mounts: bool
) -> None:
    """Bring each channel's objects to the hosts that get it. Raises InputMissing for an empty one.

    FastFile is a listing of links where nothing of them can be written to, which needs a mount;
    elsewhere its files are brought like those of File mode.
    """
    for channel in found:
        whole = entries(channel.source, objects)
        for index, host in enumerate(channel.hosts):
            part = share(channel.source, whole, index, len(channel.hosts))
            link = mounts and channel.mode == "FastFile"
            bring(part, layouts[host].data / channel.name, objects, link=link)
