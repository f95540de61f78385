"""What data is used for: forbidden features and misplaced personal values are named."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from mlops_assets.assets.monitoring.auditing.audit_use import allowed, privacy
from mlops_assets.checks.rows import REDACTED
from mlops_assets.checks.rows_record import encode
from mlops_assets.pipelines.flight_delays import pipeline
from mlops_assets.resources.lake.core import Lake

MONTH = "2013-04-01"
DATASETS = {"training rows": ["hour", "late"]}


@pytest.fixture
def lake(tmp_path):
    (tmp_path / "lake").mkdir()
    return Lake.open(
        {
            "type": "sql",
            "uri": f"sqlite:///{tmp_path / 'lake' / 'catalog.db'}",
            "warehouse": (tmp_path / "lake").as_uri(),
        }
    )


def raw(lake: Lake, **columns: list) -> None:
    rows = pd.DataFrame({"tailnum": ["N1", "N2"], "dest": ["ATL", "ORD"], **columns})
    lake.write(pipeline.table("raw"), MONTH, rows)


def quarantined(lake: Lake, tailnum: str) -> None:
    record = encode({"tailnum": tailnum, "dest": "?"})
    rows = pd.DataFrame({"row": [1], "reasons": ["dest: rule"], "record": [record]})
    lake.write(pipeline.table("quarantine"), MONTH, rows)


def asked(lake: Lake, datasets=DATASETS, declared=pipeline):
    return privacy(declared, lake, MONTH, datasets=datasets)


def test_personal_values_that_are_where_they_may_be_pass(lake):
    raw(lake)
    quarantined(lake, REDACTED)
    verdict = asked(lake)
    assert verdict.passed
    assert "tailnum" in verdict.description


def test_a_personal_value_that_is_legible_in_quarantine_fails(lake):
    """The guard of the redaction: without it the row's own values lie in a table for all."""
    raw(lake)
    quarantined(lake, "N12345")
    verdict = asked(lake)
    assert not verdict.passed
    assert "tailnum is legible in quarantine" in verdict.description


def test_a_personal_column_in_a_dataset_or_a_capture_fails(lake):
    raw(lake)
    quarantined(lake, REDACTED)
    assert "training rows" in asked(lake, {"training rows": ["tailnum"]}).description
    kept = pd.DataFrame({"event_id": ["1"], "tailnum": ["N1"]})
    lake.write(pipeline.table("captures"), MONTH, kept)
    assert "tailnum is in the captures" in asked(lake).description


def test_what_looks_personal_must_be_declared(lake):
    raw(lake, passenger=["ada@example.com", "bob@example.org"])
    quarantined(lake, REDACTED)
    assert "passenger holds e-mail addresses" in asked(lake).description
    raw(lake)
    assert asked(lake).passed


def test_declared_features_are_allowed():
    verdict = allowed(pipeline, pipeline.feature_columns)
    assert verdict.passed
    assert f"{len(pipeline.feature_columns)} declared features" in verdict.description


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("late", "the label"),
        ("flight_id", "an entity key"),
        ("tailnum", "personal"),
        ("arrived_at_hour", "not declared"),
    ],
)
def test_a_forbidden_feature_is_named_with_the_reason(column, why):
    verdict = allowed(pipeline, [*pipeline.feature_columns[:3], column])
    assert not verdict.passed
    assert f"{column} is {why}" in verdict.description


def test_a_column_that_is_known_too_late_is_no_feature():
    late = next(column for columns in pipeline.known_at.values() for column in columns)
    known_late = dataclasses.replace(pipeline, personal=())
    assert "known only at" in allowed(known_late, [late]).description
