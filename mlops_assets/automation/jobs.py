"""The jobs of a pipeline: what a person, a sensor or a schedule starts as a whole.

Here: their selections. Not here: when they start.
"""

from typing import TYPE_CHECKING

import dagster as dg

from mlops_assets.automation.targets import Targets

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import (
        UnresolvedAssetJobDefinition,
    )


def loop_job(found: Targets) -> "UnresolvedAssetJobDefinition":
    """The whole loop of one partition, from raw rows to the endpoint."""
    return dg.define_asset_job(
        f"{found.pipeline.name}_loop",
        selection=found.selection(*found.data, *found.model),
        description=f"From raw rows to the live endpoint: {found.pipeline.description}",
        tags=found.tags,
    )


def retraining_job(found: Targets) -> "UnresolvedAssetJobDefinition":
    """A new model from the features that are there, up to the endpoint."""
    return dg.define_asset_job(
        f"{found.pipeline.name}_retraining",
        selection=found.selection(*found.model),
        description=(
            "Trains a challenger on the features that are there; it replaces the champion only "
            "where it wins on the same held-out rows."
        ),
        tags=found.tags,
    )
