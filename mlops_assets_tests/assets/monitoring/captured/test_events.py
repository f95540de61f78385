"""An event has the same id wherever it is met, and one that SageMaker's header can carry."""

import dataclasses
import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.assets.monitoring.captured.events import LONGEST, event_id, invocations
from mlops_assets.resources.monitoring.attributes import moment, parse
from mlops_assets_tests import deliveries, diabetes

PIPELINE = dataclasses.replace(deliveries.declare(), entity_key=("parcel", "depot"))
# botocore's own pattern of InferenceId and of CustomAttributes.
HEADER = re.compile(r"\A\S[ -~]*\Z")


def ids(*pairs: tuple[object, object]) -> list[str]:
    frame = pd.DataFrame(pairs, columns=["parcel", "depot"], dtype=object)
    return event_id(PIPELINE, frame).tolist()


@pytest.mark.integration
@settings(max_examples=200)
@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, unique=True))
def test_ids_are_different_for_different_keys_and_fit_the_header(pairs):
    found = ids(*pairs)
    assert len(set(found)) == len(pairs)
    assert all(HEADER.match(each) and len(each) <= LONGEST for each in found)
    assert not any("#" in each for each in found), "a request of n rows counts by #"


def test_a_number_has_one_spelling():
    """A missing neighbour turns a column of numbers into floats; the events stay the same."""
    assert ids((17, "a")) == ids((17.0, "a")) == ids(("17", "a")) == ["17/a"]
    assert ids(("a/b", "c")) != ids(("a", "b/c"))


def test_an_event_without_a_key_is_refused():
    with pytest.raises(ValueError, match="'depot' is missing in row 1"):
        ids(("a", "b"), ("a", None))


def test_what_is_sent_says_when_the_event_happens():
    at = pd.Timestamp("2024-03-01 10:00:00.123456", tz="America/New_York")
    frame = pd.DataFrame({"parcel": ["a"], "depot": ["b"], "promised_at": [at]})
    (sent,) = invocations(PIPELINE, frame)
    assert sent["InferenceId"] == "a/b"
    said = parse([sent["CustomAttributes"]])
    assert not said.probe
    assert moment(said.event_time or "") == at
    timeless = diabetes.declare("none")
    assert invocations(timeless, pd.DataFrame({"patient": [3]})) == [{"InferenceId": "3"}]


@pytest.mark.parametrize("text", ["soon", "now", "today", "", "NaT", "2024-13-01", "9" * 400])
def test_what_is_no_time_is_none(text):
    assert moment(text) is None
