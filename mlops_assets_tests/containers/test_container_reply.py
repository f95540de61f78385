"""Media types, negotiation and rendering."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mlops_assets.containers.reply import CSV, JSON, JSON_LINES, Refused, negotiate, render


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


@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_all_types_carry_the_same_numbers(shape: tuple[int, ...]) -> None:
    """Guards against digits lost in one of the types."""
    answers = np.random.default_rng(0).random(shape)
    assert json.loads(render(answers, JSON))["predictions"] == answers.tolist()
    lines = render(answers, JSON_LINES).splitlines()
    assert [json.loads(line)["prediction"] for line in lines] == answers.tolist()
    rows = [[float(x) for x in line.split(b",")] for line in render(answers, CSV).splitlines()]
    assert np.array(rows).reshape(shape).tolist() == answers.tolist()
