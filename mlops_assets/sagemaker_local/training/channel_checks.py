"""Rules of InputDataConfig that botocore's description does not state.

Belongs here: what a channel may ask for in its mode, and what cannot be done here. Does not belong
here: bringing a channel's data (channels.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlops_assets.sagemaker_local.cluster import Cluster
from mlops_assets.sagemaker_local.errors import invalid, unsupported
from mlops_assets.sagemaker_local.limits import s3_uri
from mlops_assets.sagemaker_local.store import Document


def check_channels(request: Document) -> None:
    """Raise what the service would of a CreateTrainingJob's channels, or a clear refusal."""
    channels = request.get("InputDataConfig", [])
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) != len(names):
        raise invalid(f"InputDataConfig names a channel more than once: {sorted(names)}")
    mode = request["AlgorithmSpecification"]["TrainingInputMode"]
    groups = [group.name for group in Cluster.from_request(request["ResourceConfig"]).groups]
    for channel in channels:
        _refuse_wrong(channel, mode, groups)
        for problem in _unsupported(channel):
            raise unsupported(f"{problem} in channel {channel['ChannelName']}", "use File mode")


def _refuse_wrong(channel: dict[str, Any], default_mode: str, groups: list[str]) -> None:
    """Raise what the service would of a channel."""
    name, mode = channel["ChannelName"], channel.get("InputMode", default_mode)
    if name in (".", ".."):
        raise invalid(f"ChannelName {name!r} is no name of a folder")
    source = channel["DataSource"].get("S3DataSource")
    given = [kind for kind, value in channel["DataSource"].items() if value]
    if len(given) != 1:
        raise invalid(f"the DataSource of channel {name} must have one source, not {given}")
    for member, only in (("CompressionType", "None"), ("RecordWrapperType", "None")):
        if mode != "Pipe" and channel.get(member, only) != only:
            raise invalid(
                f"{member} {channel[member]} of channel {name} is only allowed in Pipe mode, "
                f"not in {mode} mode"
            )
    if source is None:
        return
    if source["S3DataType"] == "AugmentedManifestFile" and mode != "Pipe":
        raise invalid(f"AugmentedManifestFile of channel {name} is only allowed in Pipe mode")
    if "AttributeNames" in source and source["S3DataType"] != "AugmentedManifestFile":
        raise invalid(f"AttributeNames of channel {name} needs AugmentedManifestFile")
    unknown = sorted(set(source.get("InstanceGroupNames", [])) - set(groups))
    if unknown:
        raise invalid(f"channel {name} names instance groups that are not there: {unknown}")


def _unsupported(channel: dict[str, Any]) -> Iterator[str]:
    """What of the channel cannot be done here."""
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        yield "a source other than S3"
        return
    s3_uri(f"channel {channel['ChannelName']}", source["S3Uri"])
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        yield f"S3DataType {source['S3DataType']}"
    for member in ("HubAccessConfig", "ModelAccessConfig"):
        if member in source:
            yield member
    if channel.get("InputMode") == "Pipe":
        yield "Pipe mode"
