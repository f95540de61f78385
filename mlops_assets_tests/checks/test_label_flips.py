"""Changed labels are found as a whole and in one slice; corrections and late labels are not."""

import numpy as np
import pandas as pd
import pytest

from mlops_assets.checks.label_flips import label_flips


def rows(n: int = 10_000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "flight": np.arange(n),
            "late": rng.integers(0, 2, n).astype(float),
            "carrier": rng.choice(["UA", "AA", "F9"], n, p=[0.6, 0.37, 0.03]),
        }
    )


def verdict(before: pd.DataFrame, after: pd.DataFrame):
    return label_flips(before, after, key=["flight"], label="late", slices=["carrier"])


def flipped(frame: pd.DataFrame, mask: np.ndarray) -> pd.DataFrame:
    return frame.assign(late=np.where(mask, 1 - frame["late"], frame["late"]))


def test_the_same_labels_pass_in_any_order():
    before = rows()
    assert verdict(before, before.sample(frac=1, random_state=1)).passed


def test_a_few_corrections_pass_and_many_changes_do_not():
    before = rows()
    assert verdict(before, flipped(before, before["flight"] < 50)).passed
    found = verdict(before, flipped(before, before["flight"] < 150))
    assert not found.passed
    assert "150 of 10,000 labels have changed" in found.description


def test_changes_of_one_slice_are_found_where_the_whole_hides_them():
    """A poisoner changes what harms one carrier, and keeps below the share of all."""
    before = rows()
    small = before["carrier"] == "F9"
    after = flipped(before, small & (before["flight"] % 4 == 0))
    assert (after["late"] != before["late"]).mean() < 0.01
    found = verdict(before, after)
    assert not found.passed
    assert "labels of one carrier have changed" in found.description
    assert "F9" not in found.description, "no values of rows are told"


@pytest.mark.parametrize("missing_in", ["before", "after"])
def test_labels_that_come_late_are_no_changes(missing_in):
    before, after = rows(), rows()
    frame = before if missing_in == "before" else after
    frame.loc[frame["flight"] % 2 == 0, "late"] = np.nan
    assert verdict(before, after).passed


def test_other_rows_tell_nothing():
    before = rows(100)
    assert verdict(before, before.assign(flight=before["flight"] + 1000)).passed
    assert verdict(before.head(0), before).passed
