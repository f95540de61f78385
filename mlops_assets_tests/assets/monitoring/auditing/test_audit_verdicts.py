"""What an audit makes of its figures, of one partition and of several read together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mlops_assets.assets.monitoring.auditing import audit_verdicts
from mlops_assets.assets.monitoring.auditing.audit_model import Audit
from mlops_assets.assets.monitoring.auditing.evidence import Evidence, recorded
from mlops_assets.assets.monitoring.auditing.records import AuditRecord, Figure
from mlops_assets.ml.feature_benefit import benefits
from mlops_assets.ml.slice_quality import of_slices
from mlops_assets.pipelines.flight_delays import pipeline

MONTHS = tuple(f"2013-{month:02d}-01" for month in range(4, 10))
ROWS = 3_000


def partition(seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Rows of thirty days with a strong feature, a weak one and one of noise, and their labels."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(size=(ROWS, 3)), columns=["strong", "weak", "planted_noise"])
    logit = 1.5 * rows["strong"] + 0.12 * rows["weak"]
    truth = (rng.random(ROWS) < 1 / (1 + np.exp(-logit))).astype(float)
    return rows, truth, np.repeat(np.arange(30), ROWS // 30)


def model(rows: pd.DataFrame) -> np.ndarray:
    """Knows the truth, and listens to the noise a little, as fitted models do."""
    logit = 1.5 * rows["strong"] + 0.12 * rows["weak"] + 0.05 * rows["planted_noise"]
    return (1 / (1 + np.exp(-logit))).to_numpy()


def audited(
    month: str, *, columns: tuple[str, ...] = (), answer=model
) -> tuple[Audit, AuditRecord]:
    rows, truth, days = partition(MONTHS.index(month))
    taken = {name: (name,) for name in columns or rows.columns}
    slices = pd.DataFrame({"carrier": np.where(np.arange(ROWS) % 10, "UA", "FL")})
    found = Audit(
        rows=ROWS,
        metric="log_loss",
        benefits=tuple(benefits(answer, rows, truth, "log_loss", taken, blocks=days)),
        slices=tuple(of_slices("log_loss", truth, answer(rows), slices, 200, blocks=days)),
        missing=dict.fromkeys(taken, 0.0),
        one_row_ms=0.1,
        unstable=(),
        edge_cases=20,
    )
    return found, recorded(found, month, "0" * 64)


@pytest.fixture(scope="module")
def history() -> dict[str, AuditRecord]:
    return {month: audited(month)[1] for month in MONTHS}


def read(history: dict[str, AuditRecord], *months: str) -> Evidence:
    """The last of the months, read with the others."""
    return Evidence(history[months[-1]], tuple(history[month] for month in months))


def without(record: AuditRecord, name: str) -> AuditRecord:
    features = {key: figure for key, figure in record.features.items() if key != name}
    return record.model_copy(update={"features": features})


def test_a_planted_feature_of_noise_fails_however_many_partitions_are_audited(history):
    """The check's own reason: a model that listens to noise is told so."""
    for months in (MONTHS[:1], MONTHS[:3], MONTHS):
        verdict = audit_verdicts.features_help(read(history, *months))
        assert not verdict.passed
        assert "planted_noise" in verdict.description
        assert "strong" not in verdict.description


def test_a_feature_that_helps_a_little_is_shown_to_by_several_partitions(history):
    """One month has thirty days: what is worth little drowns in them, and is not useless."""
    alike = {month: without(record, "planted_noise") for month, record in history.items()}
    alone = audit_verdicts.features_help(read(alike, MONTHS[3]))
    together = audit_verdicts.features_help(read(alike, *MONTHS))
    assert not alone.passed, "the case shows nothing: one partition is enough for it"
    assert together.passed, together.description
    assert "2013-04-01 to 2013-09-01, 6 partitions" in together.description
    assert "the least is weak" in together.description


def test_partitions_of_other_features_are_not_read_together(history):
    """A feature's worth beside others that are gone by now says nothing about it today."""
    other = without(history[MONTHS[0]], "weak")
    evidence = Evidence(history[MONTHS[1]], (other, history[MONTHS[1]]))
    assert [record.partition for record in evidence.alike] == [MONTHS[1]]
    auc = history[MONTHS[0]].model_copy(update={"metric": "auc"})
    assert Evidence(history[MONTHS[1]], (auc,)).alike == (history[MONTHS[1]],)


def test_a_partition_that_is_audited_again_counts_once(history):
    before = history[MONTHS[0]].model_copy(update={"artifact_digest": "1" * 64})
    evidence = Evidence(history[MONTHS[0]], (before,))
    assert evidence.alike == (history[MONTHS[0]],)


def test_mostly_missing_features_have_to_be_of_use(history):
    found, record = audited(MONTHS[0])
    evidence = Evidence(record, (record,))
    rare = dataclasses.replace(found, missing={**found.missing, "planted_noise": 0.8})
    assert not audit_verdicts.feature_cost(rare, evidence).passed
    useful = dataclasses.replace(found, missing={**found.missing, "strong": 0.8})
    assert audit_verdicts.feature_cost(useful, evidence).passed


def test_slices_that_are_answered_well_pass(history):
    verdict = audit_verdicts.slices(pipeline, read(history, *MONTHS))
    assert verdict.passed
    assert "2 slices" in verdict.description


def with_slice(record: AuditRecord, value: float, error: float) -> AuditRecord:
    figure = Figure(rows=300, value=value, low=value - 1.96 * error, high=value + 1.96 * error)
    return record.model_copy(update={"slices": {**record.slices, "carrier = FL": figure}})


def test_a_small_slice_that_one_month_cannot_tell_of_is_told_of_by_several(history):
    """300 rows a month: an interval that reaches below zero is no proof of a bad slice."""
    undecided = {month: with_slice(record, 0.02, 0.015) for month, record in history.items()}
    alone = audit_verdicts.slices(pipeline, read(undecided, MONTHS[0]))
    assert not alone.passed
    assert "not shown to be better than their own mean (2013-04-01): carrier = FL" in (
        alone.description
    )
    assert audit_verdicts.slices(pipeline, read(undecided, *MONTHS)).passed


def test_a_slice_that_turns_bad_is_not_hidden_by_the_months_before(history):
    turned = {month: with_slice(record, 0.08, 0.01) for month, record in history.items()}
    turned[MONTHS[-1]] = with_slice(history[MONTHS[-1]], -0.05, 0.01)
    verdict = audit_verdicts.slices(pipeline, read(turned, *MONTHS))
    assert not verdict.passed
    assert "worse than their own mean in 2013-09-01: carrier = FL" in verdict.description


def test_a_slice_that_is_worse_by_chance_alone_does_not_fail(history):
    """Of twenty slices one is beyond its 95 % interval in every month that nothing is wrong."""
    chance = {month: with_slice(record, 0.08, 0.01) for month, record in history.items()}
    chance[MONTHS[-1]] = with_slice(history[MONTHS[-1]], -0.021, 0.01)
    assert read(chance, *MONTHS).newest_slices["carrier = FL"].high < 0
    assert audit_verdicts.slices(pipeline, read(chance, *MONTHS)).passed


def test_no_slice_at_all_is_no_evidence(history):
    bare = history[MONTHS[0]].model_copy(update={"slices": {}})
    assert not audit_verdicts.slices(pipeline, Evidence(bare, (bare,))).passed


def test_a_record_survives_its_own_json(history):
    record = history[MONTHS[0]]
    assert AuditRecord.model_validate_json(record.model_dump_json()) == record
