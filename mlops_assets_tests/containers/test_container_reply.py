"""Media types, negotiation and rendering."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlops_assets.containers.reply import (
    ARROW,
    CSV,
    JSON,
    JSON_LINES,
    NPY,
    TYPES,
    Refused,
    error,
    negotiate,
    render,
    render_one,
)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("*; q=.2", JSON),
        ("application/*", JSON),
        ("text/*", CSV),
        ("text/csv", CSV),
        ("TEXT/CSV; charset=utf-8", CSV),
        ("application/jsonlines, application/json", JSON_LINES),
        ("application/json;q=0.1, text/csv;q=0.9", CSV),
        ("text/html, */*;q=0.1", JSON),
        ("application/json;q=0, text/csv", CSV),
    ],
)
def test_the_preferred_type_is_chosen(accept: str, chosen: str) -> None:
    """Guards against string comparison with the header as it stands."""
    assert negotiate(accept) == chosen


@pytest.mark.parametrize("accept", ["text/html", "text/csv;q=0", "application/json;q=x", ";"])
def test_nothing_acceptable_is_a_406(accept: str) -> None:
    """Guards against answering in a type that the caller cannot read."""
    with pytest.raises(Refused) as caught:
        negotiate(accept)
    assert caught.value.status == 406


def test_the_default_is_a_setting() -> None:
    """SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT decides when the caller does not."""
    assert negotiate("", CSV) == negotiate("*/*", CSV) == CSV


@pytest.mark.parametrize("answers", [[0.25], [0.1, 1e-7], [[0.5, 0.25, 0.25]] * 2])
def test_an_answer_is_the_same_number_in_every_type(answers: list[Any]) -> None:
    """Guards against digits that get lost in one of the types."""
    array = np.array(answers, dtype=np.float64)
    with pa.ipc.open_stream(render(array, ARROW)) as stream:
        assert stream.read_all()["prediction"].to_pylist() == answers
    np.testing.assert_array_equal(
        np.load(io.BytesIO(render(array, NPY)), allow_pickle=False), array
    )
    assert json.loads(render(array, JSON)) == {"predictions": answers}
    lines = render(array, JSON_LINES).splitlines()
    assert [json.loads(line)["prediction"] for line in lines] == answers
    rows = list(csv.reader(io.StringIO(render(array, CSV).decode())))
    assert np.array(rows, dtype=float).reshape(array.shape).tolist() == answers
    for kind in TYPES:
        assert render_one(answers[0], kind) == render(array[:1], kind)


def test_a_message_that_utf_8_cannot_hold_is_still_a_reply() -> None:
    """Guards against an error that is lost in another one: half of a surrogate pair in a value."""
    assert b"\\\\ud800" in error(400, "not a number: \ud800").body
