"""A model whose answers wait until the test lets them: load without a clock."""

from __future__ import annotations

import time
from pathlib import Path

_SOURCE = """
import pathlib, time
HERE = pathlib.Path(__file__).parent.parent.parent

def model_fn(model_dir):
    return None

def input_fn(data, content_type):
    return data

def predict_fn(data, model):
    with (HERE / "begun").open("ab") as begun:
        begun.write(b".")
    while not (HERE / "go").exists():
        time.sleep(0.005)
    return data

def output_fn(answer, accept):
    return answer, "text/plain"
"""


class Gate:
    """The gate of the model in `model`, which answers every request with its own body."""

    def __init__(self, base: Path) -> None:
        self.model = base / "ml" / "model"
        self._base = base / "ml"
        (self.model / "code").mkdir(parents=True)
        (self.model / "code" / "inference.py").write_text(_SOURCE)

    def open(self) -> None:
        """Let the answers go."""
        (self._base / "go").touch()

    def begun(self) -> int:
        """How many requests a thread has taken up."""
        path = self._base / "begun"
        return len(path.read_bytes()) if path.exists() else 0

    def wait_begun(self, count: int) -> None:
        """Wait until so many requests are being computed."""
        deadline = time.monotonic() + 20
        while self.begun() < count:
            assert time.monotonic() < deadline, f"{self.begun()} of {count} requests have begun"
            time.sleep(0.01)
