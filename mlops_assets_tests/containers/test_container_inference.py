"""A user's own inference.py, with the toolkit's handlers and defaults."""

from __future__ import annotations

import io
import json
import textwrap
from pathlib import Path

import numpy as np
import pytest

from mlops_assets.containers.inference import InferenceHandler
from mlops_assets.containers.reply import Reply

DOUBLING = "def model_fn(model_dir):\n    return lambda x: x * 2\n"


def handler(directory: Path, source: str) -> InferenceHandler:
    """A handler for a script."""
    (directory / "inference.py").write_text(textwrap.dedent(source))
    return InferenceHandler(directory / "inference.py", directory)


def npy(array: np.ndarray, **options: bool) -> bytes:
    """An array as numpy.save writes it."""
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"[[1, 2], [3, 4]]"),
        ("application/jsonlines", b"[1, 2]\n[3, 4]\n"),
        ("text/csv; charset=utf-8", b"1,2\n3,4\n"),
        ("application/x-npy", npy(np.array([[1.0, 2], [3, 4]]))),
    ],
)
def test_model_fn_alone_is_enough(tmp_path: Path, content_type: str, body: bytes) -> None:
    """The defaults read and write each of the toolkit's types."""
    made = handler(tmp_path, DOUBLING)
    assert json.loads(made.handle(content_type, "*/*", body).body) == [[2, 4], [6, 8]]
    assert made.handle(content_type, "text/csv", body).body.decode().split() in (
        ["2,4", "6,8"],
        ["2.0,4.0", "6.0,8.0"],
    )
    back = made.handle(content_type, "application/x-npy", body)
    assert back.content_type == "application/x-npy"
    assert np.load(io.BytesIO(back.body), allow_pickle=False).tolist() == [[2, 4], [6, 8]]


def test_all_handlers_and_the_context(tmp_path: Path) -> None:
    """Handlers may take the toolkit's optional context, and import what lies beside them."""
    (tmp_path / "beside_inference.py").write_text("FACTOR = 3")
    made = handler(
        tmp_path,
        """
        import beside_inference
        def model_fn(model_dir, context): return beside_inference.FACTOR
        def input_fn(body, content_type, context): return float(body)
        def predict_fn(data, model, context): return data * model
        def output_fn(prediction, accept, context): return f"<{prediction}>", "text/html"
        """,
    )
    assert made.handle("text/plain", "text/html", b"2") == Reply(200, "text/html", b"<6.0>")


def test_transform_fn_does_it_all(tmp_path: Path) -> None:
    """The toolkit's one handler instead of three."""
    source = DOUBLING + "def transform_fn(model, data, kind, accept): return data + '!', accept\n"
    assert handler(tmp_path, source).handle("text/csv", "text/csv", b"a").body == b"a!"


@pytest.mark.parametrize(
    ("content_type", "accept", "body", "status"),
    [
        ("application/json", "", b"{", 400),
        ("text/csv", "", b"a,b", 400),
        ("text/csv", "", b"\xff", 400),
        ("application/x-npy", "", b"nonsense", 400),
        ("application/x-npy", "", npy(np.array([{}]), allow_pickle=True), 400),
        ("image/png", "", b"", 415),
        ("application/json", "image/png", b"[1]", 406),
        ("application/json", "", b'["a", null]', 500),
    ],
)
def test_what_goes_wrong(
    tmp_path: Path, content_type: str, accept: str, body: bytes, status: int
) -> None:
    """An object array is a pickle: it is refused unread. A user's error is a 500 without detail."""
    reply = handler(tmp_path, DOUBLING).handle(content_type, accept, body)
    assert reply.status == status
    assert b"Traceback" not in reply.body
    assert str(tmp_path).encode() not in reply.body


def test_a_script_without_model_fn_is_refused(tmp_path: Path) -> None:
    """Guards against an endpoint that comes up and fails every request."""
    with pytest.raises(ValueError, match="has no model_fn"):
        handler(tmp_path, "x = 1")


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/x-npy"])
def test_a_nan_is_an_error_that_is_counted(tmp_path: Path, accept: str) -> None:
    """Guards against [null] with a 200, which is what JSON makes of NaN."""
    made = handler(tmp_path, "def model_fn(model_dir):\n    return lambda x: x * float('nan')\n")
    reply = made.handle("application/json", accept, b"[[1.5]]")
    assert (reply.status, reply.cause) == (500, "nan")
