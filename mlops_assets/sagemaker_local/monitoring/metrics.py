"""Finds the metrics in a job's log: a program of its own, as a user's expression may run forever.

Belongs here: MetricDefinitions applied to log lines; the standard library only. Does not belong
here: logs themselves (logs.py).

Usage: ``metrics.py LOG`` with a JSON list of {Name, Regex} on standard input; prints a JSON list of
{MetricName, Value, Timestamp}, the last value of each.
"""

from __future__ import annotations

import json
import math
import re
import resource
import sys
from collections.abc import Iterable, Iterator
from typing import Any

CPU_SECONDS = 20


def last_values(definitions: Iterable[dict[str, str]], lines: Iterable[bytes]) -> list[Any]:
    """The last match of each definition, in the definitions' order."""
    patterns = [(item["Name"], re.compile(item["Regex"])) for item in definitions]
    found: dict[str, dict[str, Any]] = {}
    for milliseconds, text in _events(lines):
        for name, pattern in patterns:
            for match in pattern.finditer(text):
                try:
                    value = float(match[1] if pattern.groups else match[0])
                except (ValueError, TypeError):
                    continue
                if math.isfinite(value):
                    found[name] = {
                        "MetricName": name,
                        "Value": value,
                        "Timestamp": milliseconds / 1000,
                    }
    return [found[name] for name, _ in patterns if name in found]


def _events(lines: Iterable[bytes]) -> Iterator[tuple[int, str]]:
    for line in lines:
        milliseconds, _, text = line.rstrip(b"\n").partition(b"\t")
        yield int(milliseconds), text.decode(errors="replace")


def main() -> int:
    """See the module's docstring."""
    # Bounded by the system, not by the server: it may be gone, or wait for this.
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    with open(sys.argv[1], "rb") as log:
        print(json.dumps(last_values(json.load(sys.stdin), log)))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
