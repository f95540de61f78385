"""Sheets that people fill in: safe to open, and read back as they were meant."""

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.resources.monitoring.ground_truth import BadLabels
from mlops_assets.resources.monitoring.label_sheets import read_sheet, to_csv, to_json_lines

TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=500), min_size=1, max_size=8)


@settings(max_examples=50)
@given(st.lists(TEXT, min_size=1, max_size=5, unique=True))
def test_ids_come_back_and_no_cell_is_a_formula(ids: list[str]) -> None:
    """Guards against =HYPERLINK(…) in a caller's text that runs on the desk of whoever labels."""
    rows = pd.DataFrame(
        {"event_id": ids, "queue_score": 0.5, "note": ["=1+1"] * len(ids), "label": 1}
    )
    data = to_csv(rows)
    for column in (
        pd.read_csv(pd.io.common.BytesIO(data), dtype=str, keep_default_na=False)[
            ["event_id", "note"]
        ]
        .to_numpy()
        .T
    ):
        assert not any(cell[:1] in "=+-@\t\r" for cell in column if cell)
    if not any(name.startswith("'") for name in ids):
        sheet = read_sheet(data)
        assert sheet.labels == dict.fromkeys(ids, 1.0)
        assert sheet.queued


def test_rows_that_nobody_filled_in_are_left_out() -> None:
    assert read_sheet(b"event_id,label\na,1\nb,\nc, \nd,no\ne,TRUE\n").labels == {
        "a": 1.0, "d": 0.0, "e": 1.0,
    }  # fmt: skip
    rows = pd.DataFrame({"event_id": ["a", "b"], "queue_score": [1.0, 0.5], "label": [None, 3.5]})
    assert read_sheet(to_json_lines(rows)).labels == {"b": 3.5}
    assert not read_sheet(b"event_id,label\na,1\n").queued


def test_sagemakers_own_files_can_be_brought_too() -> None:
    record = {
        "groundTruthData": {"data": "1", "encoding": "CSV"},
        "eventMetadata": {"eventId": "a"},
        "eventVersion": "0",
    }
    assert read_sheet(json.dumps(record).encode()).labels == {"a": 1.0}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"id,label\na,1\n", "needs event_id and label"),
        (b"event_id,label\na,1\nb,perhaps\n", "line 3"),
        (b"event_id,label\n,1\n", "line 2"),
        (b'{"event_id": "a", "label": 1}\n{"label": 1}\n', "line 2"),
        (b'{"event_id": "a", "label": 1}\nnonsense\n', "line 2"),
        (b'{"event_id": "a", "label": [1]}\n', "line 1"),
        (b"", "needs event_id"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_taken(data: bytes, told: str) -> None:
    with pytest.raises(BadLabels, match=told):
        read_sheet(data)
