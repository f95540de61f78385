"""The station ``endpoint``: a rollout's verdict as metadata, checks, registry states and record."""

import dataclasses

import pandas as pd
import pandera.pandas as pa
import pytest

from mlops_assets.assets.endpoint import LAST, ROLLOUT
from mlops_assets.assets.records import RolloutRecord
from mlops_assets.pipeline import Bounds, Canary, Endpoint, LoadTest, Training
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets_tests.diabetes import declare, write_csv
from mlops_assets_tests.worlds import TestWorld, checks, materialized

pytestmark = [pytest.mark.integration, pytest.mark.slow]
# A p99 of 60 ms beside one of 5 takes a canary back; beside other tests it tells of the machine.
UNBOUNDED = 1000


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One home whose endpoint serves a weak first model; stopped at the end."""
    home = tmp_path_factory.mktemp("rollout")
    write_csv(home / "csv")
    world = make(home, rounds=8)
    first = world.run(partition="all")
    assert first.success
    yield home
    world.stop()


def make(home, *, rounds: int, bounds: Bounds | None = None, **endpoint) -> TestWorld:
    """``bounds``: by default none on how slowly it answers."""
    pipeline = declare(home / "csv")
    training: Training = dataclasses.replace(
        pipeline.training,
        hyperparameters={**pipeline.training.hyperparameters, "num_boost_round": rounds},
    )
    bounds = bounds or Bounds(slowdown=UNBOUNDED)
    declared = Endpoint(rollout=Canary(share=0.5, bake_s=2), bounds=bounds, **endpoint)
    evaluation = dataclasses.replace(pipeline.evaluation, gates=())
    return TestWorld(
        home / "home",
        dataclasses.replace(pipeline, training=training, endpoint=declared, evaluation=evaluation),
    )


def metadata(result) -> dict:
    (event,) = [
        event
        for event in result.all_events
        if event.is_step_materialization and event.asset_key.path[-1] == "endpoint"
    ]
    return {
        name: value.value
        for name, value in event.step_materialization_data.materialization.metadata.items()
    }


def record(world: TestWorld) -> RolloutRecord:
    return world.resources["store"].load(RolloutRecord, "diabetes", ROLLOUT, LAST)


def test_a_challenger_that_breaks_its_bound_is_taken_back_and_one_that_keeps_it_is_promoted(home):
    """Guards against a model that serves although its verdict failed, and a registry that says
    otherwise than the endpoint."""
    # Better than the champion, and too far from it.
    strict = make(home, rounds=60, bounds=Bounds(disagreement=1e-6, slowdown=UNBOUNDED))
    champion = serving_package(strict.client, "diabetes")
    refused = strict.run(partition="all")
    assert not refused.success
    assert "endpoint" not in materialized(refused)
    assert serving_package(strict.client, "diabetes") == champion
    found = checks(refused)
    assert not found["agreement"].passed
    assert found["promised_quality"].passed
    assert found["answers"].passed
    kept = record(strict)
    assert (kept.state, kept.champion_arn) == ("failed", champion)
    assert {line.name: line.status for line in kept.lines}["agreement"] == "failed"
    bad = registry.describe(strict.client, kept.package_arn)
    assert bad.status == "Rejected", "nothing may deploy it again by itself"
    serving = promotion.champion(strict.client, "diabetes")
    assert serving is not None
    assert serving.arn == champion

    promised = LoadTest(p99_ms=500, requests_per_second=300, instance_types=("ml.c5.large",))
    world = make(home, rounds=70, load_test=promised)
    promoted = world.run(partition="all")
    assert promoted.success
    kept = record(world)
    assert (kept.state, kept.previous_config) != ("running", None)
    assert kept.state == "proven"
    assert serving_package(world.client, "diabetes") == kept.package_arn
    previous = promotion.previous(world.client, "diabetes")
    assert previous is not None
    assert previous.arn == champion
    shown = metadata(promoted)
    assert "|agreement|" in shown["verdict"]
    assert "✓ passed" in shown["verdict"]
    assert shown["latency"].startswith("![latency](data:image/png;base64,")
    assert "canary: 50 % of the traffic" in shown["rollout"]
    assert "100 %" in shown["traffic"]
    assert "USD an hour" in shown["cost"]
    assert kept.package_arn in shown["registry"]
    assert all(check.passed for check in checks(promoted).values())
    # Its load test, on an endpoint of its own that is gone again.
    assert "load_test" in materialized(promoted)
    names = [e["EndpointName"] for e in world.client.list_endpoints()["Endpoints"]]
    assert names == ["diabetes"]


class FewerFeatures(pa.DataFrameModel):
    """What the serving model asks for, without its last measurement."""

    patient: int = pa.Field(ge=0, unique=True)
    sex: str = pa.Field(isin=["A", "B"])
    bmi: float
    bp: float
    s5: float
    target: float = pa.Field(ge=0)


def fewer(df: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    return df[list(FewerFeatures.to_schema().columns)]


def test_a_champion_that_asks_for_a_dropped_feature_is_told_that_it_is_unknown(home):
    """It refused every probe (400), so that nothing was compared, and the refusals of the old
    fleet counted against the new model while both answered."""
    world = make(home, rounds=70)
    champion = serving_package(world.client, "diabetes")
    world = TestWorld(
        world.home,
        dataclasses.replace(world.pipeline, feature_schema=FewerFeatures, features=fewer),
    )
    result = world.run(partition="all")
    assert result.success
    kept = record(world)
    assert (kept.state, kept.champion_arn) == ("proven", champion)
    lines = {line.name: line for line in kept.lines}
    assert lines["errors"].status == "passed"
    assert " rows" in lines["agreement"].figure, "both answered the same rows"
    assert "wrongly" not in " ".join(text for _, text in kept.steps)


def test_a_second_run_finds_nothing_to_do_and_keeps_the_last_verdict(home):
    world = make(home, rounds=8)
    before = record(world)
    result = world.run("endpoint", partition="all")
    assert result.success
    assert metadata(result)["changed"] is False
    assert record(world) == before
