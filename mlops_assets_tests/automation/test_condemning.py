"""Which records condemn a champion: its own answers only, and only what is realised."""

import pytest

from mlops_assets.assets.monitoring.captured.records import SkewRecord
from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.records import Line
from mlops_assets.automation.condemning import condemned

FAILED = Line(name="log_loss", figure="0.61", bound="≤ 0.53", status="failing")


def performance(status="failing", versions=None, labelled=1000, **fields) -> PerformanceRecord:
    return PerformanceRecord(
        partition="2024-02", versions=versions or {"3": 1000}, captured=1000, labelled=labelled,
        expected=1000, status=status, metrics={}, estimate=fields.pop("estimate", {}),
        held_out={}, lines=(FAILED,), **fields,
    )  # fmt: skip


def skew(status="failing", partition="2024-02") -> SkewRecord:
    return SkewRecord(
        partition=partition, captured=100, offline=100, compared=100, different_rows=40,
        columns={"hour": 40}, status=status, words="40 of 100 rows differ in hour",
    )  # fmt: skip


def test_realised_quality_below_its_bound_condemns():
    found = condemned(3, [performance()], [])
    assert found is not None
    assert (found.cause, found.partition) == ("performance", "2024-02")
    assert "log_loss 0.61 (≤ 0.53)" in found.words


@pytest.mark.parametrize(
    "record",
    [
        performance(status="warning"),
        performance(status="unknown"),
        performance(status="healthy"),
        # An estimate condemns nobody.
        performance(status="unknown", estimate={"log_loss": 9.0}),
        # What failed was another version's.
        performance(versions={"2": 900, "3": 100}),
    ],
)
def test_what_is_not_its_own_failing_condemns_nobody(record):
    """A guard that rolls back on a warning, an estimate or its predecessor's month."""
    assert condemned(3, [record], []) is None


def test_skew_condemns_who_gave_the_answers():
    healthy = performance(status="healthy")
    found = condemned(3, [healthy], [skew()])
    assert found is not None
    assert found.cause == "skew"
    assert condemned(3, [healthy], [skew(status="warning")]) is None
    assert condemned(3, [healthy], [skew(partition="2024-01")]) is None, "whose it was is unknown"
    assert condemned(2, [healthy], [skew()]) is None


def test_a_charge_is_looked_at_again_with_twice_as_many_labels_and_not_with_each():
    """Labels come by the hour: each must not start a run, and the first must not be the last."""
    keys = [
        condemned(3, [performance(labelled=n)], []).key("p", 3, 2)  # type: ignore[union-attr]
        for n in (600, 1000, 1100, 2100)
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
