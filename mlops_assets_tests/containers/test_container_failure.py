"""The text of the failure file: 1,024 characters, of which the first matter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets.containers.failure import LIMIT, describe

SCRIPTS = {
    "raise ValueError('no rows')": "ValueError: no rows",
    "raise ValueError('no\\n  rows')": "ValueError: no",
    "def f():\n  raise KeyError('x')\ntry:\n  f()\nexcept KeyError as e:\n"
    "  raise RuntimeError('cannot train') from e": "RuntimeError: cannot train",
    "x = (": "SyntaxError: '(' was never closed",
    "import sys; sys.exit('bad data')": "bad data",
    "import sys; sys.exit(3)": "train.py exited with status 3",
    "import os; os.kill(os.getpid(), 9)": "train.py was killed by SIGKILL: out of memory?",
    "import sys; print('warning: x', file=sys.stderr); import os; os.abort()": (
        "train.py was killed by SIGABRT"
    ),
}


@pytest.mark.parametrize(("source", "first"), SCRIPTS.items(), ids=list(SCRIPTS.values()))
def test_the_failure_of_a_real_script(tmp_path: Path, source: str, first: str) -> None:
    """Guards against `Traceback (most recent call last):` being all that fits or all one reads."""
    (tmp_path / "train.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    text = describe("train.py", done.returncode, done.stderr)
    assert text.splitlines()[0] == first
    assert "Traceback" not in text


def test_a_long_message_leaves_room_for_where() -> None:
    """Guards against a message that pushes the place out, or that exceeds the service's limit."""
    errors = f'Traceback (most recent call last):\n  File "/a/t.py", line 3, in f\nE: {"x" * 5000}'
    text = describe("t.py", 1, errors)
    assert len(text) == LIMIT
    assert text.startswith("E: xxx")
    assert text.endswith("(t.py line 3, in f; t.py exited with status 1)")
