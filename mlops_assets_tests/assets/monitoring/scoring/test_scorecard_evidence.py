"""Where evidence comes from: Dagster's history, records in the store, proofs, test reports."""

from __future__ import annotations

import time

import dagster as dg
import pytest

from mlops_assets.assets.champion import Champion
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.reporting.histories import histories, latest
from mlops_assets.assets.monitoring.scoring import from_checks, from_proofs, from_records
from mlops_assets.assets.monitoring.scoring.collect import collect
from mlops_assets.assets.monitoring.scoring.evidence import Piece
from mlops_assets.assets.monitoring.scoring.records import ProofRecord
from mlops_assets.assets.records import EvaluationRecord, GateResult
from mlops_assets.pipelines.flight_delays import pipeline
from mlops_assets_tests.assets.monitoring import health_world

NAME = pipeline.name
SCHEMA = "features/feature_schema"
ARN = "arn:aws:sagemaker:us-east-1:000000000000:model-package/flight-delays/1"


@pytest.fixture
def store(tmp_path):
    return health_world.store_in(tmp_path)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def evaluated(
    instance: dg.DagsterInstance, *, passed: bool, words: str = "all rows keep it\nmore"
) -> None:
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey([NAME, "features"]),
            check_name="feature_schema",
            passed=passed,
            description=words,
        )
    )


def pieces(found) -> dict:
    return {piece.name: piece for piece in found}


def test_a_check_counts_as_it_was_evaluated_last(instance):
    assert list(from_checks.checks(instance, pipeline, [SCHEMA])) == []
    evaluated(instance, passed=True)
    assert pieces(from_checks.checks(instance, pipeline, [SCHEMA]))[SCHEMA].passed
    evaluated(instance, passed=False)
    last = pieces(from_checks.checks(instance, pipeline, [SCHEMA]))[SCHEMA]
    assert not last.passed
    assert last.words == "all rows keep it"
    assert last.link == f"/assets/{NAME}/features?view=checks&checkDetail=feature_schema"


@pytest.mark.parametrize(
    ("words", "known"),
    [
        ("2013-05-01: unknown: nothing was captured", False),
        ("unknown: 2 models", False),
        ("2013-05-01: no gates are declared: the figures are shown, nothing is judged", False),
        ("2013-05-01: 3 unknown categories", True),
    ],
)
def test_what_a_station_could_not_tell_is_no_evidence(instance, words, known):
    """A gap in the captures must not read as a failure, and never as a point."""
    evaluated(instance, passed=not known, words=words)
    (piece,) = from_checks.checks(instance, pipeline, [SCHEMA])
    assert piece.known is known


def test_a_check_is_stale_once_the_asset_was_made_anew_without_it(instance):
    evaluated(instance, passed=True)
    assert pieces(from_checks.checks(instance, pipeline, [SCHEMA]))[SCHEMA].current
    time.sleep(0.01)
    instance.report_runless_asset_event(
        dg.AssetMaterialization(dg.AssetKey([NAME, "features"]), partition="2013-01-01")
    )
    assert not pieces(from_checks.checks(instance, pipeline, [SCHEMA]))[SCHEMA].current


def test_a_rollback_is_a_drill_only_if_it_was_measured(instance):
    endpoint = dg.AssetKey([NAME, "endpoint"])
    instance.report_runless_asset_event(dg.AssetObservation(endpoint, description="idle"))
    assert list(from_checks.rollback_drill(instance, pipeline)) == []
    instance.report_runless_asset_event(
        dg.AssetObservation(
            endpoint, description="rolled back", metadata={from_checks.ROLLBACK_SECONDS: 3.2}
        )
    )
    (drill,) = from_checks.rollback_drill(instance, pipeline)
    assert drill.words == "rolled back, in 3.2 s"


def test_a_champion_that_lacks_too_many_partitions_is_too_stale(instance):
    for month in health_world.MONTHS[:4]:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(dg.AssetKey([NAME, "features"]), partition=month)
        )
    newest, oldest = health_world.MONTHS[3], health_world.MONTHS[0]

    def age(as_of: str, challenged: str) -> Piece:
        return from_checks.champions_age(instance, pipeline, as_of, challenged, 0.0)

    assert age(newest, newest).passed
    assert not age(oldest, oldest).passed
    # A challenger of the newest partition lost against it: old, and still the better one.
    beaten = age(oldest, newest)
    assert beaten.passed
    assert f"better than a challenger as of {newest}" in beaten.words
    assert not age(oldest, health_world.MONTHS[2]).passed, "what came since was never tried"


def test_only_a_challenger_that_lost_against_this_champion_makes_it_young(store):
    """One that won, or lost against another champion, says nothing for the one that serves."""
    champion = Champion(ARN, "", "0" * 64, "2013-04-01", "0" * 64, "time")

    def judged(month: str, against: str, *, won: bool) -> None:
        gate = GateResult(name="beats_champion", passed=won, description="")
        record = EvaluationRecord(
            as_of=month, artifact_digest="1" * 64, rows=9, metrics={}, baselines={},
            champion=against, champion_metrics={}, gates=(gate,),
        )  # fmt: skip
        store.save(NAME, "evaluation", month, record)

    assert from_records.last_challenged(pipeline, store, champion) == "2013-04-01"
    judged("2013-05-01", ARN, won=False)
    judged("2013-06-01", ARN[:-1] + "2", won=False)
    judged("2013-07-01", ARN, won=True)
    assert from_records.last_challenged(pipeline, store, champion) == "2013-05-01"


def test_offline_figures_are_held_against_what_came_true(store):
    """Three partitions are asked for: two that happen to agree show nothing."""
    months = health_world.MONTHS[:3]
    for month in months[:2]:
        store.save(NAME, "performance", month, health_world.performance(month, loss=0.45))
    assert list(from_records.offline_and_online(pipeline, store)) == []
    store.save(NAME, "performance", months[2], health_world.performance(months[2], loss=0.46))
    (near,) = from_records.offline_and_online(pipeline, store)
    assert near.passed
    # A month of storms, half as many late again: what such a loss is worth there is the same.
    stormy = health_world.performance(months[2], loss=0.53, base_rate=0.36)
    store.save(NAME, "performance", months[2], stormy)
    (fair,) = from_records.offline_and_online(pipeline, store)
    assert "3 of 3" in fair.words
    store.save(NAME, "performance", months[2], health_world.performance(months[2], loss=0.46))
    for month in months[:2]:
        store.save(NAME, "performance", month, health_world.performance(month, loss=0.60))
    (far,) = from_records.offline_and_online(pipeline, store)
    assert not far.passed
    assert "1 of 3" in far.words


@pytest.mark.parametrize(("newest", "passed"), [(25, True), (900, False)])
def test_a_training_that_takes_much_longer_than_those_before_is_a_regression(store, newest, passed):
    for place, month in enumerate(health_world.MONTHS[:3]):
        model, split = health_world.model(month, newest if place == 2 else 20)
        store.save(NAME, "splits", month, split)
        store.save(NAME, "model", month, model)
        time.sleep(0.01)
    (piece,) = from_records.training_seconds(pipeline, store)
    assert piece.passed is passed


def test_one_training_alone_shows_no_trend(store):
    model, split = health_world.model("2013-04-01", 20)
    store.save(NAME, "splits", "2013-04-01", split)
    store.save(NAME, "model", "2013-04-01", model)
    assert list(from_records.training_seconds(pipeline, store)) == []


def test_a_proof_of_a_model_counts_while_that_model_serves(store):
    proof = from_proofs.proof_of("reproduced", by="ada", passed=True, words="same", subject=ARN)
    from_proofs.keep(store, NAME, proof)
    assert pieces(from_proofs.proven(store, NAME, ARN))["reproduced"].current
    assert not pieces(from_proofs.proven(store, NAME, ARN[:-1] + "2"))["reproduced"].current


def test_a_proof_of_code_counts_while_that_code_runs(store):
    other = from_proofs.proof_of(
        "tests of training", by="", passed=True, words="", subject="0" * 40
    )
    from_proofs.keep(store, NAME, other)
    assert not pieces(from_proofs.proven(store, NAME, None))["tests of training"].current


def test_a_word_by_hand_is_kept_apart_from_what_was_proven(store):
    from_proofs.keep(store, NAME, from_proofs.by_hand("data-6", by="ada", words="see the wiki"))
    assert pieces(from_proofs.proven(store, NAME, None)) == {}
    assert from_proofs.spoken_for(store, NAME)["data-6"].words == "see the wiki (ada)"


def test_a_record_that_cannot_be_read_is_as_if_it_were_not_there(store):
    month = health_world.MONTHS[0]
    store.save(NAME, "performance", month, health_world.performance(month))
    uri = store.uri("records", NAME, "performance", "2013-05-01.json")
    store.open().write(uri, b'{"of": "another version"}')
    assert list(histories(store, PerformanceRecord, NAME, "performance")) == [month]
    assert latest(store, PerformanceRecord, NAME, "performance", "2013-05-01") is None


def test_collecting_starts_nothing_and_fails_of_nothing_in_an_empty_world(
    store, instance, tmp_path, monkeypatch
):
    """Whoever looks at the score of a pipeline that never ran must not start a server by it."""
    monkeypatch.chdir(tmp_path)  # away from the report of the last `make test`
    resting = health_world.sagemaker_at_rest(tmp_path)
    found = collect(pipeline, instance=instance, store=store, sagemaker=resting)
    assert dict(found.pieces) == {}
    assert not (tmp_path / "sagemaker").exists()


def test_proofs_survive_their_own_json():
    proof = from_proofs.by_hand("data-6", by="ada", words="|<script>")
    assert ProofRecord.model_validate_json(proof.model_dump_json()) == proof
