"""How good a model is on all labelled rows of a month, and whether two differ by more than noise.

Here: answers of registered models, computed offline, which costs seconds. Not here: what the
endpoint answered (`PerformanceRecord` says that), nor which models are compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.blocks import event_blocks
from mlops_assets.ml import metrics
from mlops_assets.ml.compare import Difference, paired_bootstrap
from mlops_assets.pipeline import MLPipeline
from mlops_assets.replay.rows import Month
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.registry import registry

_REPEATS = 500


@dataclass
class Answers:
    """The answers of registered models to the labelled rows of one month."""

    pipeline: MLPipeline
    store: Store
    client: Any
    month: Month
    _known: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        label = self.month.features[self.pipeline.label.column]
        self._rows = self.month.features.loc[label.notna()].reset_index(drop=True)
        self._truth = self._rows[self.pipeline.label.column].to_numpy(float)

    @property
    def labelled(self) -> int:
        return len(self._rows)

    def metrics(self, package_arn: str) -> dict[str, float]:
        """A model's metrics; an undefined one (AUC of one class) is left out."""
        measure = metrics.BY_KIND[self.pipeline.label.kind]
        found = measure(self._truth, self._of(package_arn))
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def difference(self, arn: str, other_arn: str) -> Difference:
        """The primary metric of one minus the other's, with the 95 % interval of what is noise:
        by blocks of time where the pipeline declares them."""
        return paired_bootstrap(
            self.pipeline.evaluation.primary,
            self._truth,
            self._of(arn),
            self._of(other_arn),
            repeats=_REPEATS,
            blocks=event_blocks(self.pipeline, self._rows),
        )

    def _of(self, package_arn: str) -> np.ndarray:
        if package_arn not in self._known:
            from mlops_assets.ml.artifact.load import Artifact

            package = registry.describe(self.client, package_arn)
            with fetch(self.store, package.model_data_url) as directory:
                artifact = Artifact.load(directory)
                names = [column.name for column in artifact.spec.columns]
                rows = {name: self._rows[name].to_numpy() for name in names}
                self._known[package_arn] = artifact.predict(rows)
        return self._known[package_arn]
