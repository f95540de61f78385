"""A feature store with records, and a handler that completes requests from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mlops_assets.containers.online_features.online import OnlineHandler
from mlops_assets.ml.artifact.load import Artifact
from mlops_assets.ml.feature_record import EVENT_TIME
from mlops_assets_tests.containers.online.online_world import GROUP, ROWS, Reads, online, record
from mlops_assets_tests.ml.artifact import trained
from mlops_assets_tests.sagemaker_local.api import LocalApi, clean_environment


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalApi]:
    with pytest.MonkeyPatch.context() as patch:
        clean_environment(patch)
        server = LocalApi(tmp_path_factory.mktemp("online") / "sagemaker")
        features = {"entity": "String", EVENT_TIME: "String", "delay": "Fractional"}
        features |= {"wind": "Fractional", "origin": "String"}
        server.sm.create_feature_group(
            FeatureGroupName=GROUP,
            RecordIdentifierFeatureName="entity",
            EventTimeFeatureName=EVENT_TIME,
            FeatureDefinitions=[
                {"FeatureName": name, "FeatureType": kind} for name, kind in features.items()
            ],
            OnlineStoreConfig={"EnableOnlineStore": True},
        )
        yield server
        server.end()


@pytest.fixture(scope="module")
def rows(api: LocalApi) -> list[dict[str, Any]]:
    """Full rows with their keys, whose features are in the store; some values are missing."""
    frame = trained.frame(ROWS, seed=3)
    frame.loc[::9, "wind"] = np.nan
    frame.loc[::13, "origin"] = None
    frame["delay"] += 0.1  # no short decimal
    rows = [
        {
            "flight": f"AA|{n}%",
            "day": n,
            **{k: None if v is None or v != v else v for k, v in row.items()},
        }
        for n, row in enumerate(frame.to_dict("records"))
    ]
    client = api.client("sagemaker-featurestore-runtime")
    for at in range(0, ROWS, 25):
        entries = [{"FeatureGroupName": GROUP, "Record": record(row)} for row in rows[at : at + 25]]
        reply = client.batch_write_record(Entries=entries)
        assert not reply["Errors"]
    return rows


@pytest.fixture
def reads(api: LocalApi) -> Reads:
    return Reads(api)


@pytest.fixture
def handler(artifact: Artifact, reads: Reads, rows: list[dict[str, Any]]) -> OnlineHandler:
    return online(artifact, reads.client)
