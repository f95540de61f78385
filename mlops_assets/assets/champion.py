"""Who serves now: the champion that a challenger is measured against."""

from dataclasses import dataclass
from typing import Any

from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.sagemaker import registry
from mlops_assets.resources.sagemaker.endpoints import serving_package


@dataclass(frozen=True)
class Champion:
    """The registered model behind a pipeline's endpoint."""

    package_arn: str
    model_data_url: str
    artifact_digest: str
    as_of: str

    def has_seen(self, partition: str) -> bool:
        """Whether it was trained on the rows that a model as of ``partition`` is judged on."""
        return self.as_of > partition


def champion(client: Any, pipeline: MLPipeline) -> Champion | None:
    """The model that the pipeline's endpoint serves; None where there is none of ours."""
    arn = serving_package(client, pipeline.slug)
    if arn is None:
        return None
    package = registry.describe(client, arn)
    return Champion(
        package_arn=arn,
        model_data_url=package.model_data_url,
        artifact_digest=package.lineage["artifact_digest"],
        as_of=package.lineage["as_of"],
    )
