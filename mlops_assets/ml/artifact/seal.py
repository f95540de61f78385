"""Sealing: what a training script left behind becomes a verified artifact, or the job fails.

The script leaves features.json, check.parquet (raw feature columns and `__prediction__`, what the
training framework's own pipeline answers) and model.ubj or model.onnx. Sealing converts, compares
every check row, keeps some as golden rows and writes manifest.json last. Runs where training ran.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_assets.ml.artifact import convert
from mlops_assets.ml.artifact import manifest as files
from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.estimator import Answers, Estimator
from mlops_assets.ml.artifact.load import TOLERANCE, Artifact, differs, error_of
from mlops_assets.ml.artifact.manifest import Check, Manifest, ManifestColumn
from mlops_assets.ml.artifact.spec import CategoryColumn, FeatureSpec
from mlops_assets.ml.artifact.values import category_text, is_missing

PREDICTION = "__prediction__"
GOLDEN_ROWS = 32
MIN_CHECK_ROWS = 1_000

Raw = Mapping[str, list[Any]]


def seal(
    directory: Path, *, training: Mapping[str, Any], min_check_rows: int = MIN_CHECK_ROWS
) -> Manifest:
    """Make the artifact of what lies in `directory`, in place, and return its manifest.

    `training` (hyperparameters, framework versions: JSON, nothing that changes between two equal
    trainings) is kept in the manifest. The same inputs give the same bytes.

    Raises ArtifactError when a file is missing or malformed, when there are fewer than
    `min_check_rows` check rows or none exercises a column's policy for missing or unknown values,
    and when any answer differs from the framework's by more than 1e-5 (naming the worst row).
    """
    if (directory / files.NAME).exists():
        raise ArtifactError(f"{files.NAME} exists: sealing writes it, the training script must not")
    spec = FeatureSpec.from_json(_required(directory, files.FEATURES).read_bytes())
    raw, expected = _read_check(_required(directory, files.CHECK), spec, min_check_rows)
    exercised = _exercised(spec, raw)
    matrix = Encoder(spec).encode(raw)
    scale = max(1.0, float(expected.std()))

    native = None
    if (directory / files.NATIVE).exists():
        booster = convert.load_booster(directory / files.NATIVE)
        if booster.num_features() != spec.width:
            raise ArtifactError(
                f"{files.NATIVE} takes {booster.num_features()} columns, but {files.FEATURES}"
                f" encodes to {spec.width}: {_abridged(spec.encoded_names)}"
            )
        native = np.asarray(convert.native_answers(booster, matrix), dtype=np.float64)
        _compare(
            native, expected, scale, f"{files.NATIVE} on the columns encoded by {files.FEATURES}"
        )
    if not (directory / files.MODEL).exists():
        if native is None:
            raise ArtifactError(f"the script left neither {files.NATIVE} nor {files.MODEL}")
        (directory / files.MODEL).write_bytes(convert.to_onnx(booster))
    model = (directory / files.MODEL).read_bytes()
    convert.refuse_external_data(model)
    answers = Estimator(model, spec)(matrix)
    _compare(answers, expected, scale, files.MODEL)

    golden = _golden(spec, raw, expected, exercised)
    (directory / files.GOLDEN).write_bytes(_json({**golden, "scale": scale}))
    (directory / files.CHECK).unlink()
    worst = float(np.abs(answers - expected).max())
    manifest = Manifest(
        kind=spec.kind,
        label=spec.label,
        columns=tuple(ManifestColumn(c.name, c.to_json()["type"]) for c in spec.columns),
        width=spec.width,
        files={name: files.sha256(p.read_bytes()) for name, p in files.listing(directory).items()},
        training=dict(training),
        check=Check(rows=len(expected), max_abs_diff=float(f"{worst:.2g}")),
    )
    (directory / files.NAME).write_bytes(manifest.to_bytes())
    Artifact.load(directory).check_golden()
    return manifest


def _required(directory: Path, name: str) -> Path:
    path = directory / name
    if not path.is_file():
        raise ArtifactError(f"the training script left no {name} in the model directory")
    return path


def _read_check(path: Path, spec: FeatureSpec, minimum: int) -> tuple[Raw, Answers]:
    """The raw columns as lists of what JSON can hold, and the expected answers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not read_table: that imports the datasets of Arrow, and those pandas.
        table = pq.ParquetFile(path).read()
    except (pa.ArrowInvalid, OSError) as error:
        raise ArtifactError(f"{path.name} is not a Parquet file: {error}") from None
    if lacking := sorted({*spec.names, PREDICTION} - set(table.column_names)):
        raise ArtifactError(f"{path.name} lacks the columns {lacking}")
    if table.num_rows < minimum:
        raise ArtifactError(
            f"{path.name} holds {table.num_rows} rows, at least {minimum} are due: repeat rows"
            " with some values made missing or unseen"
        )
    expected = np.array(table[PREDICTION].to_pylist(), dtype=np.float64)
    if not np.isfinite(expected).all():
        raise ArtifactError(f"{path.name}: {PREDICTION} holds missing or infinite values")
    columns = {c.name: table[c.name].to_pylist() for c in spec.columns}
    for column in spec.columns:
        if isinstance(column, CategoryColumn):
            texts = enumerate(columns[column.name])
            columns[column.name] = [category_text(column.name, row, v) for row, v in texts]
    return columns, expected


def _exercised(spec: FeatureSpec, raw: Raw) -> list[NDArray[np.bool_]]:
    """For each policy of the spec that allows something, the rows in which that happens.

    A policy that no check row exercises is where training and serving drift apart unseen.
    """
    masks = []
    for column in spec.columns:
        missing = np.array([is_missing(value) for value in raw[column.name]])
        wanted = {"missing": (column.missing, missing)}
        if isinstance(column, CategoryColumn):
            known = set(column.vocabulary)
            unknown = np.array([value not in known for value in raw[column.name]]) & ~missing
            wanted["unknown"] = (column.unknown, unknown)
        for what, (policy, mask) in wanted.items():
            if policy == "error":
                continue
            if not mask.any():
                raise ArtifactError(
                    f"{files.CHECK} has no row in which {column.name!r} is {what}: add some, or"
                    f' declare "{what}": "error" for it in {files.FEATURES}'
                )
            masks.append(mask)
    return masks


def _compare(answers: Answers, expected: Answers, scale: float, what: str) -> None:
    wrong = differs(answers, expected, scale)
    if not wrong.any():
        return
    error = error_of(answers, expected, scale).reshape(len(expected), -1).max(axis=1)
    row = int(error.argmax())
    raise ArtifactError(
        f"{what} answers {int(wrong.sum())} of {len(wrong)} check rows differently from the"
        f" training framework (allowed: {TOLERANCE}): the worst is row {row} of {files.CHECK},"
        f" {_answer(answers[row])} instead of {_answer(expected[row])}"
    )


def _answer(value: Any) -> str:
    return " ".join(f"{v:.7g}" for v in np.atleast_1d(value))


def _golden(
    spec: FeatureSpec,
    raw: Raw,
    expected: Answers,
    exercised: Sequence[NDArray[np.bool_]],
) -> dict[str, Any]:
    """Up to 32 rows: as few as exercise every policy that half of them can, then evenly spread."""
    total = len(expected)
    chosen: list[int] = []
    open_masks = np.array(exercised, dtype=bool).reshape(len(exercised), total)
    while len(open_masks) and len(chosen) < GOLDEN_ROWS // 2:
        best = int(open_masks.sum(axis=0).argmax())
        chosen.append(best)
        open_masks = open_masks[~open_masks[:, best]]
    spread = np.linspace(0, total - 1, GOLDEN_ROWS).astype(int).tolist()
    chosen += [row for row in dict.fromkeys(spread) if row not in chosen]
    rows = sorted(chosen[:GOLDEN_ROWS])
    values = [[_plain(raw[name][row]) for name in spec.names] for row in rows]
    return {"columns": list(spec.names), "rows": values, "expected": expected[rows].tolist()}


def _plain(value: Any) -> Any:
    return None if is_missing(value) else value


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"


def _abridged(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
