"""What all jobs of one server are given.

Belongs here: the parts that every run needs, together. Does not belong here: what they do.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.images import Images
from mlops_assets.sagemaker_local.monitoring.logs import Logs


@dataclass(frozen=True)
class Setting:
    """``mounts``: whether commands can be given the literal /opt/ml on this machine."""

    config: Config
    objects: Objects
    images: Images
    logs: Logs
    mounts: bool
