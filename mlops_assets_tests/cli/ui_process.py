"""`mlops ui` as a process of its own, and what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def mlops_ui(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command in a home of its own; what a failed test leaves is killed."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "DAGSTER_", "MLOPS_"))}
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("mlops")), "ui", *arguments],
            cwd=ROOT,
            env={**kept, "MLOPS_HOME": str(tmp_path / "home"), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            for child in [*psutil.Process(process.pid).children(recursive=True), process]:
                child.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def read_until(process: subprocess.Popen[str], pattern: str) -> list[str]:
    """The lines up to the first that has the pattern."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return lines
    raise AssertionError(f"ended without {pattern!r}:\n{''.join(lines)}")


def interrupted(process: subprocess.Popen[str], number: signal.Signals) -> list[psutil.Process]:
    """Those of its processes that are still there after it was interrupted and has ended."""
    family = psutil.Process(process.pid).children(recursive=True)
    assert family, "nothing was started: the test would prove nothing"
    process.send_signal(number)
    assert process.wait(60) == 0
    return psutil.wait_procs(family, timeout=5)[1]
