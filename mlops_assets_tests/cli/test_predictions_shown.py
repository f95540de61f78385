"""What `mlops invoke` prints of an answer: a probability, a number, or the likeliest classes."""

import re
from types import SimpleNamespace

import pytest

from mlops_assets.cli.predictions import Prediction, show
from mlops_assets.declaration import Label

CLASSES = Label(column="digit", kind="multiclass", classes=("zero", "one", "[two]"))


@pytest.mark.parametrize(
    ("label", "answer", "truth", "shown"),
    [
        (Label(column="late", kind="binary"), 0.25, 1.0,
         r"probability of late +0\.2500 *\nwhat came true +1 "),
        (Label(column="minutes", kind="regression"), 12.0, None,
         r"value of minutes +12\.0000 *\nwhat came true +not known \(yet\)"),
        (CLASSES, (0.1, 0.2, 0.7), 1.0,
         r"most probable digit +\[two\]  0\.7000 *\nnext +one  0\.2000 *\nwhat came true +one"),
    ],
)  # fmt: skip
def test_an_answer_is_shown_as_its_kind(label, answer, truth, shown, capsys):
    """A list of probabilities is no number: taken for one, the demo ended in a traceback."""
    asked = Prediction({"id": "a"}, {}, answer, truth, "http://127.0.0.1/")
    show(SimpleNamespace(label=label), asked)
    said = capsys.readouterr().out
    assert re.search(shown, said), said
