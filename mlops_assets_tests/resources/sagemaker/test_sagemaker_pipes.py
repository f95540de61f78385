"""Which log lines are Pipes messages, and which only look like them."""

import io
import json
import string
from collections.abc import Mapping
from typing import Any

from dagster_pipes import PipesStreamMessageWriterChannel, encode_param
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.resources.sagemaker.pipes import CONTEXT_PATH, parse_message

TEXT = st.text(st.characters(codec="utf-8"), max_size=50)


@given(st.dictionaries(TEXT, TEXT | st.integers() | st.none(), max_size=4))
def test_whatever_dagster_pipes_writes_is_read(params: Mapping[str, Any]) -> None:
    """Written by dagster_pipes' own channel, cut into lines as a log is."""
    stream = io.StringIO()
    message = {"__dagster_pipes_version": "0.1", "method": "log", "params": params}
    PipesStreamMessageWriterChannel(stream).write_message(message)  # type: ignore[arg-type]
    (line,) = stream.getvalue().split("\n")[:-1]
    assert parse_message(line) == message


@given(st.text(string.printable, max_size=200))
def test_other_lines_are_no_messages_and_no_errors(line: str) -> None:
    """A log may hold anything, also the field's name."""
    assert parse_message(line) is None
    assert parse_message(line + "__dagster_pipes_version") is None
    assert parse_message(json.dumps(["__dagster_pipes_version", line])) is None
    assert parse_message(json.dumps({"__dagster_pipes_version": line})) is None


def test_the_way_to_the_context_fits_an_environment_value() -> None:
    """SageMaker takes 512 characters (training), 256 (processing); a context itself has more."""
    assert len(encode_param({"path": CONTEXT_PATH})) <= 256
    assert len(encode_param({"stdio": "stdout"})) <= 256
