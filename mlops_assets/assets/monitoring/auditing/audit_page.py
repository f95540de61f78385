"""The page of an audit: what each feature is worth, and how well slices are answered.

Here: tables and pictures. Not here: the figures (`evidence`), drawing (`ml.audit_plots`).
"""

import dagster as dg
import numpy as np
import pandas as pd

from mlops_assets.assets.monitoring.auditing.audit_model import Audit
from mlops_assets.assets.monitoring.auditing.evidence import Evidence
from mlops_assets.assets.preview import image, table
from mlops_assets.ml import audit_plots


def show(found: Audit, evidence: Evidence) -> dict[str, dg.MetadataValue]:
    """What stands on the asset's page, of the last partition of a run."""
    worth = evidence.features
    shown: dict[str, dg.MetadataValue] = {
        "audited": dg.MetadataValue.text(evidence.span),
        "benefit": image(
            audit_plots.benefits(
                list(worth),
                np.array([[each.low, each.value, each.high] for each in worth.values()]),
                found.metric,
            ),
            "benefit of the features",
        ),
    }
    joint = [benefit for benefit in found.benefits if len(benefit.features) > 1]
    if joint:
        shown["groups"] = table(
            pd.DataFrame(
                {
                    "group": [benefit.group for benefit in joint],
                    "stand in for each other": [", ".join(b.features) for b in joint],
                }
            )
        )
    if evidence.slices:
        gains, newest = evidence.slices.values(), evidence.newest_slices
        shown["slices"] = table(
            pd.DataFrame(
                {
                    "slice": list(evidence.slices),
                    "rows": [gain.rows for gain in gains],
                    "gain over its mean": [f"{gain.value:.4f}" for gain in gains],
                    "95 %": [f"{gain.low:.4f} to {gain.high:.4f}" for gain in gains],
                    evidence.newest.partition: [f"{n.value:.4f}" for n in newest.values()],
                }
            )
        )
    return shown
