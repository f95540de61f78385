"""Metadata for people: what Dagster shows in place, what it may never show, what it says."""

from __future__ import annotations

import pandas as pd
import pandera.pandas as pa

from mlops_assets.assets.preview import columns, facts, metrics_table, sample, slices_table, table

IN_PLACE = 1_000  # characters of Markdown; Dagster's UI hides longer ones behind a button


def test_tables_of_the_evaluation_page_are_short_enough_to_be_shown_in_place():
    """Padded with spaces, the table of 14 slices hid behind a button that says "Show Markdown"."""
    names = ("auc", "pr_auc", "log_loss", "brier", "ece", "accuracy", "base_rate")
    slices = pd.DataFrame(
        [
            {"slice_column": "carrier", "value": f"C{n}", "rows": 10_000 + n}
            | dict.fromkeys(names, n / 17)
            for n in range(14)
        ]
    )
    shown = slices_table(slices, "log_loss").value
    assert len(shown) < IN_PLACE
    assert shown.splitlines()[0] == "|slice|rows|log_loss|auc|pr_auc|"
    assert shown.splitlines()[3] == "|carrier = C1|10001|0.0588|0.0588|0.0588|"
    models = {
        model: dict.fromkeys(names, 0.5) for model in ("model", "prior", "linear", "champion")
    }
    assert len(metrics_table(models).value) < IN_PLACE
    assert "|auc|0.5000|0.5000|" in metrics_table(models).value


def test_sample_never_shows_hidden_columns():
    """Metadata is kept for good and seen by everybody who may open the UI."""
    frame = pd.DataFrame({"who": [f"person {n}" for n in range(50)], "n": range(50)})
    assert "person" in sample(frame).value  # the control
    hidden = sample(frame, hide=["who"]).value
    assert "person" not in hidden
    assert hidden.count("row ") == 5


def test_cells_cannot_break_their_table():
    """A value with a bar or a line break would start a new cell or row."""
    shown = table(pd.DataFrame({"a": ["x|y\nz" + "w" * 100]})).value
    assert shown.splitlines()[2].startswith("|x\\|y zww")
    assert len(shown.splitlines()) == 3
    assert len(shown.splitlines()[2]) < 70


def test_long_tables_say_how_much_they_leave_out():
    assert table(pd.DataFrame({"a": range(1_025)})).value.endswith("… and 1,005 more rows")
    assert table(pd.DataFrame({"a": []})).value == "*none*"


def test_facts_are_one_a_line():
    assert facts({"rows": 3, "commit": "abc"}).value.splitlines()[2:] == [
        "|rows|3|",
        "|commit|abc|",
    ]


class Orders(pa.DataFrameModel):
    number: str = pa.Field(unique=True, str_matches="^A")
    paid: float = pa.Field(ge=0, le=9, nullable=True)
    size: int = pa.Field(gt=0)
    shop: str = pa.Field(isin=["x", "y"])
    note: str = pa.Field(nullable=True, description="What the customer wrote.")


def test_columns_say_what_they_may_hold():
    """The UI's table of columns has a description for each: empty, it teaches nothing."""
    schema = columns(Orders)["dagster/column_schema"].value
    assert {column.name: column.description for column in schema.columns} == {
        "number": "matches ^A, unique",
        "paid": "0 to 9, may be missing",
        "size": "> 0",
        "shop": "one of x, y",
        "note": "What the customer wrote.",
    }
