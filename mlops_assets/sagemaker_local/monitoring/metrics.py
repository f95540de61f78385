"""Finds the metrics in a job's logs: a program of its own, as a user's expression may run forever.

Belongs here: MetricDefinitions applied to log lines; the standard library only. Does not belong
here: logs themselves (logs.py), what becomes of the values (training/job_metrics.py).

Usage: ``metrics.py LOG…`` with a JSON list of {Name, Regex} on the first line of standard input. It
follows the logs, which need not exist yet, and prints lines of JSON, each a list of {MetricName,
Value, Timestamp}. When standard input ends it reads what is there, prints it and ends.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import select
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

CPU_SECONDS = 20
_PAUSE = 0.2
_BATCH_BYTES, _BATCH_POINTS = 2**20, 1000

Pattern = tuple[str, re.Pattern[str]]


def compiled(definitions: Iterable[dict[str, str]]) -> list[Pattern]:
    return [(item["Name"], re.compile(item["Regex"])) for item in definitions]


def values(patterns: Iterable[Pattern], lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Every match in log lines: the first group, or all of it where there is none.

    >>> line = b"1000\\tepoch 1 auc=0.75;"
    >>> list(values(compiled([{"Name": "auc", "Regex": "auc=([0-9.]+)"}]), [line]))
    [{'MetricName': 'auc', 'Value': 0.75, 'Timestamp': 1.0}]
    """
    for line in lines:
        digits, _, said = line.rstrip(b"\n").partition(b"\t")
        if not digits.isdigit():
            continue
        text = said.decode(errors="replace")
        for name, pattern in patterns:
            for match in pattern.finditer(text):
                try:
                    value = float(match[1] if pattern.groups else match[0])
                except (ValueError, TypeError):
                    continue
                if math.isfinite(value):
                    yield {"MetricName": name, "Value": value, "Timestamp": int(digits) / 1000}


def _new_lines(path: Path, start: int) -> tuple[list[bytes], int]:
    """Whole lines from a byte offset on, some of them, and the offset after them."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            lines = file.read(_BATCH_BYTES).splitlines(keepends=True)
    except FileNotFoundError:
        return [], start
    if lines and not lines[-1].endswith(b"\n"):  # still being written; a batch holds many lines
        lines.pop()
    return lines, start + sum(map(len, lines))


def _limit_cpu(seconds: int) -> None:
    """Bounded by the system, not by the server: it may be gone, or wait for this."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = seconds if hard == resource.RLIM_INFINITY else min(seconds, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _emit(points: list[dict[str, Any]]) -> None:
    for start in range(0, len(points), _BATCH_POINTS):
        print(json.dumps(points[start : start + _BATCH_POINTS]), flush=True)  # noqa: T201


def follow(patterns: list[Pattern], paths: list[Path]) -> None:
    """Print what is found until standard input has ended and nothing more is to be read."""
    offsets, open_ = dict.fromkeys(paths, 0), True
    while True:
        progress = False
        for path in paths:
            _limit_cpu(math.ceil(time.process_time()) + CPU_SECONDS)
            lines, offsets[path] = _new_lines(path, offsets[path])
            _emit(list(values(patterns, lines)))
            progress = progress or bool(lines)
        if progress:
            continue
        if not open_:
            return
        if select.select([sys.stdin], [], [], _PAUSE)[0]:
            open_ = bool(sys.stdin.buffer.read(1))


def main() -> int:
    """See the module's docstring."""
    definitions = json.loads(sys.stdin.buffer.readline())
    try:
        follow(compiled(definitions), [Path(name) for name in sys.argv[1:]])
    except BrokenPipeError:
        os._exit(1)  # the server is gone: nobody reads this, nor a traceback
    return 0


if __name__ == "__main__":
    sys.exit(main())
