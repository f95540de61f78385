"""The decisions that automations took about a pipeline, read back: for pages, reports and replays.

Here: reading. Not here: deciding (`automation`), nor how they are kept.
"""

from mlops_assets.assets.monitoring.records import Decision
from mlops_assets.resources.monitoring.decisions import REMEMBERED, history
from mlops_assets.resources.records import Store


def decisions(store: Store, pipeline: str, limit: int = REMEMBERED) -> list[Decision]:
    """The last decisions of a pipeline, oldest first."""
    return history(store, pipeline, Decision, limit)
