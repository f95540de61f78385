"""What a serving process loads: no pickle, no pandas, and nothing heavy before it is used."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from mlops_assets.containers.engines import load_handler
from mlops_assets.containers.reply import ARROW, CSV, JSON, JSON_LINES, NPY, OTHER_PARQUET, PARQUET
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets_tests.containers.test_container_tables import file, npy, stream
from mlops_assets_tests.ml.artifact import trained

# Serves a model directory from the bodies in a file; prints what came of each, what was loaded by
# then, and every pickle that was opened. argv: the model, the bodies.
PROGRAM = """
import json, sys
opened = []
def audit(event, arguments):
    if event == "pickle.find_class" or event == "marshal.loads" and not reading_code():
        opened.append(event)
    if event == "open" and str(arguments[0]).endswith((".pkl", ".pickle", ".joblib")):
        opened.append(str(arguments[0]))
def reading_code():
    frame = sys._getframe(2)
    return "importlib" in frame.f_code.co_filename
sys.addaudithook(audit)
from pathlib import Path
from mlops_assets.containers.engines import load_handler
HEAVY = ("pandas", "sklearn", "scipy", "xgboost", "pyarrow", "matplotlib", "boto3", "dagster")
def heavy():
    return [name for name in HEAVY if name in sys.modules]
def mapped():
    with open("/proc/self/maps") as maps:
        return "libxgboost" in maps.read()
handler = load_handler(Path(sys.argv[1]))
seen = [["ready", 0, heavy(), mapped()]]
for line in open(sys.argv[2]):
    kind, accept, body = json.loads(line)
    reply = handler.handle(kind, accept, bytes.fromhex(body))
    seen.append([kind, reply.status, heavy(), mapped()])
print(json.dumps({"seen": seen, "opened": opened}))
"""


def served(model: Path, bodies: list[tuple[str, str, bytes]], tmp_path: Path) -> Any:
    """What a process of its own makes of the bodies."""
    lines = tmp_path / "bodies"
    lines.write_text("".join(json.dumps([k, a, b.hex()]) + "\n" for k, a, b in bodies))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, model, lines], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def in_every_type(rows: int, seed: int = 4) -> dict[str, list[tuple[str, bytes]]]:
    """The same rows in all types, those of the raw columns; by media type."""
    frame = trained.with_gaps(trained.frame(rows, seed=seed), seed=seed + 1)
    plain = frame.astype(object).where(frame.notna(), None)
    values, named = plain.to_numpy().tolist(), plain.to_dict("records")
    types = [(n, "U4" if n in ("carrier", "origin") else "f8") for n in trained.FEATURES]
    filled = [tuple("" if v is None and i > 3 else v for i, v in enumerate(row)) for row in values]
    filled = [tuple(np.nan if v is None else v for v in row) for row in filled]
    table = pa.Table.from_pandas(frame, preserve_index=False)
    csv = frame.to_csv(index=False)
    return {
        CSV: [(CSV, csv.encode()), (CSV, csv.partition("\n")[2].replace("\n", "\r\n").encode())],
        JSON: [
            (JSON, orjson.dumps(values)),
            (JSON, orjson.dumps({"instances": named})),
            (JSON, orjson.dumps({"columns": trained.FEATURES, "data": values})),
        ],
        JSON_LINES: [(JSON_LINES, b"\n".join(map(orjson.dumps, named)))],
        NPY: [(NPY, npy(np.array(filled, dtype=types)))],
        ARROW: [(ARROW, stream(table))],
        PARQUET: [(PARQUET, file(table)), (OTHER_PARQUET, file(table))],
    }


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 2_000])
def test_all_types_and_engines_give_one_answer(sealed_once: Path, rows: int) -> None:
    """Guards against a value that is rounded, missing or unknown in one type only."""
    handler = load_handler(sealed_once)
    answers = {}
    for kind, bodies in in_every_type(rows).items():
        for index, (sent, body) in enumerate(bodies):
            reply = handler.handle(f"{sent}; charset=utf-8", "", body)
            assert (reply.status, reply.rows) == (200, rows), reply.body
            answers[kind, index] = np.array(orjson.loads(reply.body)["predictions"])
    expected = answers[CSV, 0]
    assert len(answers) == 10
    assert rows == 1 or expected.std() > 0.01
    for got in answers.values():
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


@pytest.mark.integration
def test_pandas_and_scikit_learn_are_never_loaded(sealed_once: Path, tmp_path: Path) -> None:
    """Guards against a second of start and 100 MB, which `import xgboost` and pyarrow's `to_numpy`
    bring along: pyarrow and XGBoost's library come with the first body that needs them."""
    small, large = in_every_type(1), in_every_type(500)
    bodies = [(k, "", b) for kind in (CSV, JSON, JSON_LINES, NPY) for k, b in small[kind]]
    light = len(bodies)
    bodies += [(k, "", b) for kind in large for k, b in large[kind]]
    bodies += [(JSON, accept, small[JSON][0][1]) for accept in (ARROW, NPY, CSV, JSON_LINES)]
    seen = served(sealed_once, bodies, tmp_path)["seen"]
    assert [status for _, status, *_ in seen[1:]] == [200] * len(bodies)
    assert all(loaded == [] and not library for _, _, loaded, library in seen[: light + 1])
    assert seen[-1][2:] == [["pyarrow"], True]


class Trap:
    """An object whose pickle runs code when it is opened."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit(66)",))


@pytest.mark.integration
def test_a_pickle_is_never_opened(model: Path, tmp_path: Path) -> None:
    """Guards against code in data: a pickle in a body, and one that lies in the model directory,
    which is then refused as a whole."""
    objects = np.array([[Trap()]], dtype=object)
    bodies = [
        (NPY, "", npy(objects, allow_pickle=True)),
        (NPY, "", pickle.dumps(Trap())),
        (ARROW, "", pickle.dumps(Trap())),
        (PARQUET, "", pickle.dumps(Trap())),
        *((k, "", b) for kind in in_every_type(500).values() for k, b in kind),
    ]
    came = served(model, bodies, tmp_path)
    assert [status for _, status, *_ in came["seen"][1:5]] == [400] * 4
    assert came["opened"] == []
    (model / "model.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ArtifactError, match=r"outside its manifest: \['model\.pkl'\]"):
        load_handler(model)


@pytest.mark.integration
def test_the_watch_for_pickles_sees_one(tmp_path: Path) -> None:
    """The negative control of the test above."""
    opening = PROGRAM.partition("from pathlib")[0] + (
        "import pickle, sys\npickle.load(open(sys.argv[1], 'rb'))\nprint(json.dumps(opened))\n"
    )
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(Path("x")))
    done = subprocess.run(
        [sys.executable, "-c", opening, path], capture_output=True, text=True, timeout=60
    )
    opened = json.loads(done.stdout)
    assert str(path) in opened
    assert "pickle.find_class" in opened
