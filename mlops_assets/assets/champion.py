"""Who serves now: the champion that a challenger is measured against."""

from dataclasses import dataclass
from typing import Any

from mlops_assets.assets.records import SplitRecord
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import registry


@dataclass(frozen=True)
class Champion:
    """The registered model behind a pipeline's endpoint."""

    package_arn: str
    model_data_url: str
    artifact_digest: str
    as_of: str

    dataset_digest: str
    split_method: str

    def has_seen(self, split: SplitRecord) -> bool:
        """Whether it was trained on rows that are held out in a split.

        A later champion was, and so was one of the same partition that was split by time within
        it (``time``, ``tail``), unless on this very dataset. A split by hash holds the same
        entities out each time.
        """
        if self.as_of == split.as_of:
            return self.split_method in ("time", "tail") and self.dataset_digest != split.digest
        return self.as_of > split.as_of


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
        dataset_digest=package.lineage["dataset_digest"],
        split_method=package.lineage.get("split_method", "time"),
    )
