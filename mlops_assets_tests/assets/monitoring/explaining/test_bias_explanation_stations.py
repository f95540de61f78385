"""Stations ``bias`` and ``explanation`` over one registered model and its captured answers."""

import dataclasses
import json

import pytest

from mlops_assets.assets.monitoring.explaining import explanation_making
from mlops_assets.assets.monitoring.explaining.records import ExplanationRecord
from mlops_assets.assets.monitoring.fairness import bias_measuring
from mlops_assets.assets.monitoring.fairness.records import BiasRecord
from mlops_assets.pipeline import Facet, Monitors, Performance
from mlops_assets_tests.assets.monitoring.answered_parcels import (
    AS_OF,
    DAYS,
    MODEL,
    ROWS,
    capture,
    declare,
)
from mlops_assets_tests.worlds import TestWorld, checks

pytestmark = pytest.mark.integration

# Northern parcels are late more often; the gate allows what the data says, and no more.
FACET = Facet(column="depot", disadvantaged=("north",), gates={"DPPL": (-0.6, 0.1)})
CALM, SWAPPED, UNANSWERED = DAYS[3], DAYS[4], DAYS[5]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A model of the third day; answers of the next two, of which the second went wrong."""
    watched = Monitors(facets=(FACET,), performance=Performance(least_rows=100))
    home = tmp_path_factory.mktemp("bias")
    world = TestWorld(home, dataclasses.replace(declare(), monitors=watched, personal=("weight",)))
    assert world.run("raw", "clean", "quarantine", "features", span=(DAYS[0], DAYS[5])).success
    assert world.run(*MODEL, "endpoint", partition=AS_OF).success
    capture(world, CALM)
    wrong = capture(world, SWAPPED)
    # Somebody sends a constant for the feature that mattered most, and north is told "in time".
    wrong.loc[wrong["depot"] == "north", "prediction"] = 0.01
    world.lake.write("deliveries.captures", SWAPPED, wrong.assign(weight=5.0))
    yield world
    world.stop()


@pytest.fixture(scope="module")
def looked(world):
    return {day: world.run("bias", "explanation", partition=day) for day in (CALM, SWAPPED)}


def load(world, kind, station, day):
    return world.resources["store"].load(kind, "deliveries", station, day)


def stored(world, station, day, name):
    store = world.resources["store"]
    uri = store.uri("monitoring", "deliveries", station, day, name)
    return json.loads(store.open().read(uri))


def metadata(result, station):
    (event,) = result.asset_materializations_for_node(f"deliveries__{station}")
    return event.metadata


def test_answers_as_in_training_raise_no_alarm(world, looked):
    assert looked[CALM].success
    assert {name: check.passed for name, check in checks(looked[CALM]).items()} == {
        "bias": True,
        "bias_drift": True,
        "attribution_drift": True,
    }
    record = load(world, BiasRecord, "bias", CALM)
    assert (record.captured, record.labelled) == (ROWS, ROWS)
    assert record.package_arn is not None
    assert stored(world, "bias", CALM, "constraint_violations.json")["violations"] == []
    assert stored(world, "explanation", CALM, "constraint_violations.json")["violations"] == []


def test_bias_that_grew_is_told_in_clarifys_words(world, looked):
    found = checks(looked[SWAPPED])
    assert not found["bias"].passed
    assert found["bias"].severity.value == "ERROR"
    assert not found["bias_drift"].passed
    violations = stored(world, "bias", SWAPPED, "constraint_violations.json")["violations"]
    assert "DPPL" in {violation["metric_name"] for violation in violations}
    assert {violation["facet_value"] for violation in violations} == {"north"}
    analysis = stored(world, "bias", SWAPPED, "analysis.json")
    (facet,) = analysis["post_training_bias_metrics"]["facets"]["depot"]
    assert len(facet["metrics"]) == 13


def test_another_order_of_features_is_an_alarm(world, looked):
    found = checks(looked[SWAPPED])["attribution_drift"]
    assert not found.passed
    assert found.severity.value == "WARN"
    record = load(world, ExplanationRecord, "explanation", SWAPPED)
    assert record.source == "captures"
    assert record.ndcg is not None
    assert record.ndcg < 0.9
    assert next(iter(record.training.importance)) == "weight"
    assert next(iter(record.now.importance)) == "depot"
    (violation,) = stored(world, "explanation", SWAPPED, "constraint_violations.json")["violations"]
    assert violation["constraint_check_type"] == "feature_attribution_drift_check"


def test_a_personal_feature_is_ranked_but_its_values_are_not_drawn(world, looked):
    """``weight`` is declared personal here: no curve over its values, no colour by them."""
    analysis = stored(world, "explanation", CALM, "analysis.json")["explanations"]
    assert "weight" in analysis["kernel_shap"]["late"]["global_shap_values"]
    assert [curve["feature_name"] for curve in analysis["pdp"]] == ["depot"]
    assert "weight" in metadata(looked[CALM], "explanation")["mean |SHAP|"].value


def test_a_partition_without_answers_is_explained_by_its_rows_and_its_bias_is_unknown(world):
    result = world.run("bias", "explanation", partition=UNANSWERED)
    assert result.success
    bias = load(world, BiasRecord, "bias", UNANSWERED)
    assert bias.status == "unknown"
    assert not checks(result)["bias"].passed
    assert bias.facets[0].held_out, "the champion's own figures are shown all the same"
    record = load(world, ExplanationRecord, "explanation", UNANSWERED)
    assert (record.status, record.source) == ("healthy", "features")


def test_what_one_model_s_partitions_share_is_made_once(world, looked, monkeypatch):
    """Reading a year of training rows for each new day would cost more than the day."""
    monkeypatch.setattr(bias_measuring, "read_split", None)
    monkeypatch.setattr(explanation_making, "read_split", None)
    assert world.run("bias", "explanation", partition=CALM).success


def test_the_same_inputs_give_the_same_data_version(world, looked):
    def versions(result):
        return {
            event.asset_key: event.materialization.tags["dagster/data_version"]
            for event in result.get_asset_materialization_events()
        }

    assert versions(world.run("bias", "explanation", partition=CALM)) == versions(looked[CALM])


def test_a_range_of_partitions_is_one_run(world, looked):
    result = world.run("bias", "explanation", span=(CALM, SWAPPED))
    assert result.success
    assert not checks(result)["attribution_drift"].passed
    assert SWAPPED in str(checks(result)["attribution_drift"].description)
