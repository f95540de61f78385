"""What the serving process counts, and GET /metrics in Prometheus's text format.

Belongs here: the counters and their text; workers' counters are summed over shared memory
(board.py). Does not: deciding what is counted (service.py). Counting costs integer additions.
"""

from __future__ import annotations

import os
import resource
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# Upper bounds in seconds.
BUCKETS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)


@dataclass
class Metrics:
    """The counters of one process. `pending` requests are in the pool, queued or computed, and hold
    `pending_bytes`; both are gauges, everything else only grows."""

    requests: dict[tuple[int, str], int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0
    rows: int = 0
    pending: int = 0
    in_flight: int = 0
    buffered: int = 0
    abandoned: int = 0

    def observe(self, status: int, cause: str, rows: int, seconds: float) -> None:
        """Count one answer; `seconds` from the whole request to the whole reply."""
        key = (status, cause)
        self.requests[key] = self.requests.get(key, 0) + 1
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds
        self.rows += rows

    def snapshot(self, threads: int) -> dict[str, Any]:
        """The counters and the process's memory and CPU, as JSON holds them."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "requests": [[*key, count] for key, count in self.requests.items()],
            "buckets": self.buckets,
            "seconds": self.seconds,
            "rows": self.rows,
            "abandoned": self.abandoned,
            "in_flight": self.in_flight,
            "queued": max(0, self.pending - threads),
            "buffered": self.buffered,
            "rss": _resident(),
            "cpu": usage.ru_utime + usage.ru_stime,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go on from what a worker that died had counted: counters never fall."""
        for status, cause, count in snapshot["requests"]:
            self.requests[status, cause] = self.requests.get((status, cause), 0) + count
        self.buckets = [a + b for a, b in zip(self.buckets, snapshot["buckets"], strict=True)]
        self.seconds += snapshot["seconds"]
        self.rows += snapshot["rows"]
        self.abandoned += snapshot["abandoned"]


def text(snapshots: Sequence[dict[str, Any]], digest: str) -> bytes:
    """The exposition of all processes' snapshots, summed."""
    requests: dict[tuple[int, str], int] = {}
    for snapshot in snapshots:
        for status, cause, count in snapshot["requests"]:
            requests[status, cause] = requests.get((status, cause), 0) + count

    def total(name: str) -> Any:
        return sum(snapshot[name] for snapshot in snapshots)

    def caused(label: str) -> int:
        return sum(count for (_, cause), count in requests.items() if cause == label)

    lines = [
        "# HELP mlops_requests_total Answers by status and cause of failure.",
        "# TYPE mlops_requests_total counter",
    ]
    for (status, cause), count in sorted(requests.items()):
        lines.append(f'mlops_requests_total{{status="{status}",cause="{_label(cause)}"}} {count}')
    lines += [
        "# HELP mlops_request_seconds From the whole request to its reply.",
        "# TYPE mlops_request_seconds histogram",
    ]
    below = 0
    columns = zip(*(snapshot["buckets"] for snapshot in snapshots), strict=True)
    for bound, counts in zip((*map(str, BUCKETS), "+Inf"), columns, strict=True):
        below += sum(counts)
        lines.append(f'mlops_request_seconds_bucket{{le="{bound}"}} {below}')
    lines += [
        f"mlops_request_seconds_sum {total('seconds'):.6f}",
        f"mlops_request_seconds_count {below}",
    ]
    lines += _single("mlops_rows_total", "counter", "Rows answered.", total("rows"))
    lines += _single("mlops_refused_total", "counter", "Overload's 503s.", caused("overloaded"))
    lines += _single("mlops_nan_answers_total", "counter", "Answers not finite.", caused("nan"))
    lines += _single("mlops_abandoned_total", "counter", "Callers gone.", total("abandoned"))
    lines += _single("mlops_in_flight_requests", "gauge", "Being answered.", total("in_flight"))
    lines += _single("mlops_queue_depth", "gauge", "Waiting for a thread.", total("queued"))
    lines += _single("mlops_buffered_bytes", "gauge", "Bodies held.", total("buffered"))
    lines += _single("mlops_workers", "gauge", "Serving processes.", len(snapshots))
    lines += _single("process_resident_memory_bytes", "gauge", "All workers'.", total("rss"))
    lines += _single("process_cpu_seconds_total", "counter", "All workers'.", total("cpu"))
    if digest:
        lines += _single(f'mlops_model_info{{digest="{_label(digest)}"}}', "gauge", "The model.", 1)
    return ("\n".join(lines) + "\n").encode()


def pack(snapshot: dict[str, Any]) -> bytes:
    """A snapshot as bytes."""
    return orjson.dumps(snapshot)


def unpack(data: bytes) -> dict[str, Any]:
    """What `pack` packed."""
    return dict(orjson.loads(data))


def _single(name: str, kind: str, described: str, value: float) -> list[str]:
    bare = name.partition("{")[0]
    return [f"# HELP {bare} {described}", f"# TYPE {bare} {kind}", f"{name} {value}"]


def _label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _resident() -> int:
    """Resident bytes now; where there is no /proc, the most there ever were."""
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
