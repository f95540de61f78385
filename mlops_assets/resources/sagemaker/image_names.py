"""The addresses of AWS's images, and which of them train without a script.

Here: names to URIs, by the table that SageMaker's SDK ships (`sagemaker.core.image_uris`). Not
here: which image a declaration asks for (`aws_images`), the platform's own (`Placement`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mlops_assets.aws_images import AwsImage

_ALGORITHMS = ("sagemaker-xgboost",)


@lru_cache
def aws_image_uri(image: AwsImage, region: str, instance_type: str) -> str:
    """The image's URI in a region, for training on an instance type (CPU or GPU).

    Raises ValueError that says what there is, where there is no such image.
    """
    # Seconds, and 200 MB: only for who asks for such an image.
    from sagemaker.core import image_uris

    uri: str = image_uris.retrieve(
        image.framework,
        region=region,
        version=image.version,
        py_version=image.python,
        instance_type=instance_type,
        image_scope="training",
    )
    return uri


def is_algorithm(request: Mapping[str, Any]) -> bool:
    """Whether a request of CreateTrainingJob trains by an algorithm of AWS's, without a script.

    Such a job takes the channels that it knows, and refuses any other.
    """
    algorithm = request["AlgorithmSpecification"]
    name = str(algorithm.get("TrainingImage", "")).partition("@")[0].rpartition("/")[2]
    return (
        name.partition(":")[0] in _ALGORITHMS
        and "ContainerEntrypoint" not in algorithm
        and "sagemaker_program" not in request.get("HyperParameters", {})
    )
