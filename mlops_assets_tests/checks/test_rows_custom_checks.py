"""Checks that a schema's author writes: what they may answer, and their bugs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from mlops_assets.checks.rows import SchemaMismatch, check_rows


def test_a_bug_in_a_check_is_not_bad_data():
    """A check that raises must fail the run: swallowed, it would pass or condemn every row."""

    class Buggy(pa.DataFrameModel):
        x: int

        @pa.check("x")
        @classmethod
        def broken(cls, values: pd.Series) -> pd.Series:
            raise ZeroDivisionError("the check itself")

    with pytest.raises(ZeroDivisionError, match="the check itself"):
        check_rows(pd.DataFrame({"x": [1]}), Buggy)


@pytest.mark.parametrize("answer", [True, np.True_])
def test_one_answer_for_all_rows_passes_when_true(answer):
    assert check_rows(pd.DataFrame({"x": [1, 2]}), _scalar(answer)).accepted.all()


@pytest.mark.parametrize("answer", [False, np.False_])
def test_one_answer_for_all_rows_fails_the_partition_when_false(answer):
    with pytest.raises(SchemaMismatch, match="volume failed for the partition as a whole"):
        check_rows(pd.DataFrame({"x": [1, 2]}), _scalar(answer))


def _scalar(answer: object) -> type[pa.DataFrameModel]:
    class Volume(pa.DataFrameModel):
        x: int

        @pa.dataframe_check(name="volume")
        @classmethod
        def volume(cls, frame: pd.DataFrame) -> object:
            return answer

    return Volume


def test_a_check_of_cells_names_the_column_of_each():
    class Cells(pa.DataFrameModel):
        x: int
        y: int

        @pa.dataframe_check(name="positive")
        @classmethod
        def positive(cls, frame: pd.DataFrame) -> pd.DataFrame:
            return frame > 0

    report = check_rows(pd.DataFrame({"x": [1, -1], "y": [-1, 1]}, index=[5, 5]), Cells)
    assert report.failures[["row", "column"]].to_numpy().tolist() == [[0, "y"], [1, "x"]]


def test_an_answer_under_another_index_is_an_error():
    """An unaligned answer would blame the wrong rows."""

    class Shifted(pa.DataFrameModel):
        x: int

        @pa.check("x")
        @classmethod
        def filtered(cls, values: pd.Series) -> pd.Series:
            return values[values > 0] > 1

    with pytest.raises(TypeError, match="return one boolean for each row"):
        check_rows(pd.DataFrame({"x": [1, -1]}), Shifted)


def test_a_custom_check_named_like_a_built_in_is_run_as_written():
    class Namesake(pa.DataFrameModel):
        x: int

        @pa.check("x", name="isin")
        @classmethod
        def isin(cls, values: pd.Series) -> pd.Series:
            return values > 1

    assert check_rows(pd.DataFrame({"x": [1, 2]}), Namesake).accepted.tolist() == [False, True]
