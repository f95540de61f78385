"""What answering costs without HTTP: `handle` beside raw ONNX Runtime on rows already encoded.

    python benchmarks/handling.py [--model DIRECTORY --rows FILE.parquet] [--seconds 2]

Without a model one is trained as in artifact.py (18 numbers, 6 categories). One process, one
thread; each call gets the next of 1,024 distinct rows (of 16 distinct bodies where one holds 1,000
rows), every answer is checked against the floor's before anything is timed, and calls take turns,
so that a slow minute of the machine is everybody's. Figures are medians.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import orjson
import pandas as pd
import pyarrow as pa

from mlops_assets.containers.engines import load_handler
from mlops_assets.ml.artifact.load import Artifact

JSON, CSV = "application/json", "text/csv"
ARROW, NPY = "application/vnd.apache.arrow.stream", "application/x-npy"
CALLS = 32


def bodies(rows: pd.DataFrame, artifact: Artifact) -> dict[str, tuple[str, bytes]]:
    """The rows in each type."""
    plain = rows.astype(object).where(rows.notna(), None)
    records = orjson.dumps(plain.to_dict("records"), option=orjson.OPT_SERIALIZE_NUMPY)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    sink, stream = pa.BufferOutputStream(), io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    np.save(stream, artifact.encoder.encode({name: rows[name].to_numpy() for name in rows}))
    return {
        "CSV": (CSV, rows.to_csv(index=False, header=False).encode()),
        "JSON": (JSON, orjson.dumps(plain.to_numpy().tolist())),
        "JSON, named": (JSON, b'{"instances":%b}' % records),
        "Arrow": (ARROW, sink.getvalue().to_pybytes()),
        "npy, encoded": (NPY, stream.getvalue()),
    }


def floor_of(artifact: Artifact, path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """ONNX Runtime as a program of three lines would use it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name, output = session.get_inputs()[0].name, session.get_outputs()[-1].name
    return lambda matrix: session.run([output], {name: matrix})[0]


def in_turns(calls: dict[str, Callable[[int], Any]], seconds: float) -> dict[str, float]:
    """Median seconds of each call; they take turns until all have had `seconds` together."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    turn = 0
    while time.perf_counter() < end:
        for place, (name, call) in enumerate(calls.items()):
            # No call gets the rows that the one before it has just warmed the caches with.
            first = turn + place * 3 * CALLS
            for index in range(first, first + CALLS):
                start = time.perf_counter()
                call(index)
                taken[name].append(time.perf_counter() - start)
        turn += CALLS
    return {name: statistics.median(times) for name, times in taken.items()}


def compare(directory: Path, rows: pd.DataFrame, size: int, seconds: float) -> None:
    """Check and time requests of `size` rows, and print a table."""
    artifact, handler = Artifact.load(directory), load_handler(directory)
    floor = floor_of(artifact, directory / "model.onnx")
    parts = [rows[at : at + size] for at in range(0, len(rows) - size + 1, size)]
    matrices = [artifact.encoder.encode({n: part[n].to_numpy() for n in part}) for part in parts]
    requests: dict[str, list[tuple[str, bytes]]] = {}
    for part, matrix in zip(parts, matrices, strict=True):
        expected = np.asarray(floor(matrix), dtype=float)
        expected = expected[:, 1] if expected.shape[1] == 2 else expected[:, 0]
        for name, (kind, body) in bodies(part, artifact).items():
            reply = handler.handle(kind, "", body)
            assert reply.status == 200, reply.body
            answers = np.array(orjson.loads(reply.body)["predictions"])
            assert np.abs(answers - expected).max() < 1e-5, name
            requests.setdefault(name, []).append((kind, body))
    many = len(parts)
    calls: dict[str, Callable[[int], Any]] = {
        "ONNX Runtime, encoded": lambda i: floor(matrices[i % many])
    }
    for name, sent in requests.items():
        calls[name] = lambda i, sent=sent: handler.handle(sent[i % many][0], "", sent[i % many][1])
    medians = in_turns(calls, seconds)
    base = medians["ONNX Runtime, encoded"]
    for name, median in medians.items():
        print(
            f"{size:>6} {name:<22} {median * 1e6:>10,.1f} {median / base:>12.2f}×"
            f" {size / median:>12,.0f}"
        )


def main() -> None:
    """Train or read, check, time, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, help="a sealed model directory of a binary model")
    parser.add_argument("--rows", type=Path, help="Parquet with rows for it")
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.model
        if directory is None:
            import artifact as trained  # benchmarks/artifact.py, beside this file

            directory = Path(temporary)
            trained.train(directory, options.trees)
            trained.seal(directory, training={})
            rows = trained.frame(16_000, 5)
        else:
            rows = pd.read_parquet(options.rows)
        artifact = Artifact.load(directory)
        rows = rows[list(artifact.spec.names)].iloc[:16_000]
        print(f"{len(rows.columns)} columns, encoded {artifact.spec.width}; one thread")
        print(f"{'rows':>6} {'what':<22} {'µs a call':>10} {'of the floor':>13} {'rows/s':>12}")
        compare(directory, rows[:1024], 1, options.seconds)
        compare(directory, rows, 1_000, options.seconds)


if __name__ == "__main__":
    main()
