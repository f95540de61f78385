"""The floor: the same rows in process, without a server; raw ONNX Runtime on encoded rows, and the
project's handle() on CSV and JSON.

Belongs here: what takes turns in one thread. Does not: sockets (load.py).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime

from benchmarks.serving import bodies
from benchmarks.serving.answers import TOLERANCE, numbers
from benchmarks.serving.case import Case
from mlops_assets.containers.engines import load_handler

BATCH = 1_000
TURN = 50


def floor(case: Case, seconds: float, rows: int) -> dict[str, float]:
    """Median seconds a call: onnx, csv and json for distinct single rows, and for a batch."""
    handler = load_handler(case.artifact)
    session = _session(case)
    figures = {}
    for size, suffix, count in ((1, "", rows), (BATCH, "_batch", 4)):
        parts = [slice(at * size, (at + 1) * size) for at in range(count)]
        matrices = [case.encoded[part] for part in parts]
        texts = {
            "csv": [bodies.raw_csv(case, part) for part in parts],
            "json": [bodies.instances(case, part) for part in parts],
        }
        for at, part in enumerate(parts):
            due = case.expected[part]
            assert np.abs(session(matrices[at]) - due).max() <= TOLERANCE
            for kind in texts.values():
                reply = handler.handle(kind[at][0], "", kind[at][1])
                assert reply.status == 200, reply.body
                assert np.abs(numbers(reply.body, size) - due).max() <= TOLERANCE
        calls: dict[str, Callable[[int], Any]] = {"onnx": lambda i, m=matrices: session(m[i])}
        for name, kind in texts.items():
            calls[name] = lambda i, k=kind: handler.handle(k[i][0], "", k[i][1])
        taken = _in_turns(calls, count, seconds)
        figures |= {f"{name}{suffix}_s": median for name, median in taken.items()}
    return figures


def _session(case: Case) -> Callable[[np.ndarray], np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        case.artifact / "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    name, output = session.get_inputs()[0].name, session.get_outputs()[-1].name
    return lambda matrix: session.run([output], {name: matrix})[0][:, 1]


def _in_turns(
    calls: dict[str, Callable[[int], Any]], count: int, seconds: float
) -> dict[str, float]:
    """Median seconds of each; they take turns, a different row each time."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    turn = 0
    while time.perf_counter() < end:
        for name, call in calls.items():
            for at in range(turn, turn + min(TURN, count)):
                start = time.perf_counter()
                call(at % count)
                taken[name].append(time.perf_counter() - start)
        turn += TURN
    return {name: statistics.median(times) for name, times in taken.items()}
