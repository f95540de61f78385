"""Whether the local SageMaker API was stopped: a sensor must not start again what somebody has."""

from pathlib import Path

from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.sagemaker_local import lifecycle


def asleep(sagemaker: SageMakerResource) -> bool:
    """Whether SageMaker is the local API, and that is stopped."""
    home = sagemaker.local_home
    return home is not None and lifecycle.running(Path(home)) is None
