"""The floor: the same rows in process, without a server; raw ONNX Runtime and XGBoost on encoded
rows, and the project's handle() on CSV and JSON; and whether all answers are the same.

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
from benchmarks.serving.case import Case, every_row
from mlops_assets.containers.engines import load_handler

BATCH = 1_000
TURN = 50
# Few enough rows for the engine that answers single ones.
FEW = 50


def floor(case: Case, seconds: float, rows: int) -> dict[str, float]:
    """Median seconds a call, by onnx, xgboost, csv and json: distinct single rows, and batches."""
    handler = load_handler(case.artifact)
    session, booster = _session(case), _booster(case)
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
        calls: dict[str, Callable[[int], Any]] = {
            "onnx": lambda i, m=matrices: session(m[i]),
            "xgboost": lambda i, m=matrices: booster(m[i]),
        }
        for name, kind in texts.items():
            calls[name] = lambda i, k=kind: handler.handle(k[i][0], "", k[i][1])
        taken = _in_turns(calls, count, seconds)
        figures |= {f"{name}{suffix}_s": median for name, median in taken.items()}
    return figures


def equality(case: Case) -> dict[str, float]:
    """Over every row there is: greatest difference of handle()'s answers to XGBoost's, and between
    content types; and the rows."""
    handler = load_handler(case.artifact)
    forms = (bodies.raw_csv, bodies.instances, bodies.arrow, bodies.npy)
    figures = {"rows": 0.0, "to_xgboost": 0.0, "between_types": 0.0}
    for part in every_row(case, BATCH):
        answers = []
        for form in forms:
            kind, body = form(part, slice(None))
            answers.append(numbers(handler.handle(kind, "application/json", body).body, BATCH))
        few = [bodies.raw_csv(part, slice(at, at + FEW)) for at in range(0, BATCH, FEW)]
        pieces = [numbers(handler.handle(kind, "", body).body, FEW) for kind, body in few]
        answers.append(np.concatenate(pieces))
        found = np.array(answers)
        worst = float(np.abs(found - part.expected).max())
        figures["rows"] += BATCH
        figures["to_xgboost"] = max(figures["to_xgboost"], worst)
        spread = float((found.max(axis=0) - found.min(axis=0)).max())
        figures["between_types"] = max(figures["between_types"], spread)
    return figures


def _booster(case: Case) -> Callable[[np.ndarray], np.ndarray]:
    import xgboost

    booster = xgboost.Booster({"nthread": 1}, model_file=case.artifact / "model.ubj")
    booster.feature_names = None
    return booster.inplace_predict


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
