"""The feature store, its parts put together for the server.

Belongs here: assembly, start and end. Does not belong here: groups (feature_groups.py), records
(feature_records.py), their protocol (feature_http.py), files (feature_offline.py).
"""

from __future__ import annotations

from mlops_assets.objects import Objects
from mlops_assets.sagemaker_local.config import Config
from mlops_assets.sagemaker_local.features.feature_groups import FeatureGroups
from mlops_assets.sagemaker_local.features.feature_http import FeatureRuntime
from mlops_assets.sagemaker_local.features.feature_offline import OfflineStore
from mlops_assets.sagemaker_local.features.feature_records import Records
from mlops_assets.sagemaker_local.protocol import Handler
from mlops_assets.sagemaker_local.store import Store


class FeatureStore:
    """`answer` is the runtime's protocol; `operations` are SageMaker's on groups."""

    def __init__(self, config: Config, store: Store, objects: Objects) -> None:
        self._records = Records(config.home)
        self._groups = FeatureGroups(config, store, self._records)
        self._offline = OfflineStore(self._records, objects)
        self.answer = FeatureRuntime(self._groups, self._records).answer

    def operations(self) -> dict[str, Handler]:
        return self._groups.operations()

    def start(self) -> None:
        self._offline.start()

    async def shutdown(self) -> None:
        await self._offline.shutdown()
        self._records.close()
