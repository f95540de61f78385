"""How many jobs of a kind run at a time: each station that starts some waits in its pool."""

import dataclasses
from pathlib import Path

import yaml

from mlops_assets.definitions import build_assets
from mlops_assets.pipeline import Batch, Integer, Tuning
from mlops_assets_tests.diabetes import declare

ROOT = Path(__file__).parents[2]
POOLS = {
    "model": "sagemaker_training",
    "hyperparameters": "sagemaker_training",
    "predictions": "sagemaker_transform",
}


def test_every_station_that_starts_a_job_is_in_a_pool(tmp_path: Path) -> None:
    """A backfill of two years asks for 24 instances at once, and meets the quota 22 times."""
    tuning = Tuning(ranges={"max_depth": Integer(2, 4)}, metric="holdout:rmse")
    pipeline = dataclasses.replace(declare(tmp_path), batch=Batch(), tuning=tuning)
    found = {key.path[-1]: asset.op.pool for asset in build_assets(pipeline) for key in asset.keys}
    assert {name: found[name] for name in POOLS} == POOLS


def test_a_pool_without_a_limit_of_its_own_has_the_default() -> None:
    """A pool that nobody limits bounds nothing."""
    for path in ("dagster.yaml", "deploy/docker/dagster.yaml"):
        pools = yaml.safe_load((ROOT / path).read_text())["concurrency"]["pools"]
        assert pools["default_limit"] >= 1, path
        assert pools["granularity"] == "op", path
