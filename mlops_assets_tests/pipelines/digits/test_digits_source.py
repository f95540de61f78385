"""The images as partitions: all of them, once each, in the order in which they were collected."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from mlops_assets.pipelines.digits import pipeline
from mlops_assets.pipelines.digits.rows import clean, features
from mlops_assets.pipelines.digits.schemas import DigitFeatures, RawDigits
from mlops_assets.pipelines.digits.source import DAYS, PIXELS, Digits

SOURCE = Digits()


@pytest.fixture(scope="module")
def days() -> dict[str, pd.DataFrame]:
    return {day: SOURCE.read(day) for day in SOURCE.partitions()}


def test_every_image_is_in_one_partition_in_its_order(days):
    """Shuffled images would hide the shift between writers, which is what the pipeline is for."""
    images, digits = load_digits(return_X_y=True)
    rows = pd.concat(days.values(), ignore_index=True)
    assert [len(day) for day in days.values()] == [200] * 8 + [197]
    assert rows["image"].is_unique
    assert rows["scanned_at"].is_monotonic_increasing
    np.testing.assert_array_equal(rows[list(PIXELS)], images)
    np.testing.assert_array_equal(rows["digit"], digits)


def test_the_partitions_are_those_declared_and_hold_their_rows_times(days):
    """A row outside of its partition's window would be refused as late or early."""
    assert SOURCE.partitions() == pipeline.partitions.definition.get_partition_keys()
    for day, rows in days.items():
        start, end = pipeline.partitions.window(day)
        assert rows["scanned_at"].between(start, end, inclusive="left").all(), day


def test_rows_are_valid_and_the_model_sees_the_pixels_alone(days):
    rows = days[DAYS[0]]
    RawDigits.validate(rows)
    DigitFeatures.validate(features(clean(rows), rows.head(0)))
    assert pipeline.feature_columns == PIXELS


@pytest.mark.parametrize(("column", "value"), [("pixel_3_4", 17), ("pixel_0_0", -1), ("digit", 10)])
def test_what_no_image_holds_is_refused(days, column, value):
    """Negative control: ink beyond the scanner's scale, a digit that is none."""
    rows = days[DAYS[0]].copy()
    rows.loc[3, column] = value
    with pytest.raises(Exception, match=column):
        RawDigits.validate(rows)


def test_a_partition_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"no partition '1999-01-01': there are 1998-07-01"):
        SOURCE.read("1999-01-01")


def test_the_version_follows_the_images(monkeypatch):
    """The same images must not look new, nor other ones old."""
    from mlops_assets.pipelines.digits import source

    before = SOURCE.version(DAYS[0])
    assert before == Digits().version(DAYS[1])
    images, digits = source._loaded()
    monkeypatch.setattr(source, "_loaded", lambda: (images[::-1].copy(), digits))
    assert SOURCE.version(DAYS[0]) != before
