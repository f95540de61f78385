"""Loading a sealed artifact and asking it for answers.

Needs NumPy and ONNX Runtime only: this is what the serving process imports. Sealing is in seal.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_assets.ml.artifact import manifest as files
from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.manifest import Manifest
from mlops_assets.ml.artifact.spec import FeatureSpec
from mlops_assets.ml.artifact.values import Values

# From 1.29 on it reports to its makers which models are loaded, unless told not to before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

TOLERANCE = 1e-5

Answers = NDArray[np.float64]


class Estimator:
    """model.onnx in ONNX Runtime: one thread, never spinning, so that cores stay free.

    Raises ArtifactError when the bytes are not a model that takes [n, width] float32.
    """

    def __init__(self, data: bytes, spec: FeatureSpec) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors share no narrower public base
            raise ArtifactError(f"{files.MODEL} does not load: {_first_line(error)}") from None
        inputs = session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 2:
            raise ArtifactError(f"{files.MODEL} must have one input, [n, width] of float32")
        if isinstance(inputs[0].shape[1], int) and inputs[0].shape[1] != spec.width:
            raise ArtifactError(
                f"{files.MODEL} takes {inputs[0].shape[1]} columns, {files.FEATURES} gives"
                f" {spec.width}"
            )
        outputs = [o.name for o in session.get_outputs() if o.type in _FLOATS]
        if not outputs:
            raise ArtifactError(f"{files.MODEL} has no output of floats")
        self._session, self._spec = session, spec
        self._input, self._output = inputs[0].name, outputs[-1:]

    def __call__(self, matrix: NDArray[np.float32]) -> Answers:
        """The answers to an encoded matrix: (n,) or, for multiclass, (n, classes)."""
        if not len(matrix):
            many = self._spec.kind == "multiclass"
            return np.empty((0, len(self._spec.classes or ())) if many else (0,))
        (answer,) = self._session.run(self._output, {self._input: matrix})
        answer = np.asarray(answer, dtype=np.float64)
        if self._spec.kind == "multiclass":
            expected: tuple[int, ...] = (len(matrix), len(self._spec.classes or ()))
        else:
            if self._spec.kind == "binary" and answer.shape == (len(matrix), 2):
                answer = answer[:, 1]
            expected = (len(matrix),)
            if answer.shape == (len(matrix), 1):
                answer = answer[:, 0]
        if answer.shape != expected:
            raise ArtifactError(
                f"{files.MODEL} answers shape {answer.shape} where {expected} is due"
            )
        return answer


@dataclass(frozen=True)
class GoldenRows:
    """golden.json: raw rows, what the training framework answered, and the answers' spread."""

    columns: Mapping[str, list[Any]]
    expected: Answers
    scale: float

    @classmethod
    def from_bytes(cls, data: bytes) -> GoldenRows:
        """Read golden.json. Raises ArtifactError for anything that is not one."""
        try:
            content = json.loads(data)
            fields = [list(field) for field in zip(*content["rows"], strict=True)]
            columns = dict(zip(content["columns"], fields, strict=True))
            expected = np.array(content["expected"], dtype=np.float64)
            golden = cls(columns, expected, float(content["scale"]))
        except (ValueError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ArtifactError(f"{files.GOLDEN} is not what sealing writes ({reason})") from None
        if not len(golden.expected):
            raise ArtifactError(f"{files.GOLDEN} holds no rows")
        return golden


class Artifact:
    """A sealed model, loaded and verified."""

    def __init__(
        self, manifest: Manifest, spec: FeatureSpec, estimator: Estimator, golden: GoldenRows
    ) -> None:
        self.manifest = manifest
        self.spec = spec
        self._encoder = Encoder(spec)
        self._estimator = estimator
        self._golden = golden

    @classmethod
    def load(cls, directory: Path) -> Artifact:
        """Load the artifact in a directory.

        Raises ArtifactError when a file is missing, not listed, different from what was sealed,
        or not what its name says.
        """
        manifest = files.verify(directory)
        content = {}
        for name in (files.FEATURES, files.MODEL, files.GOLDEN):
            if name not in manifest.files:
                raise ArtifactError(f"the manifest lists no {name}")
            content[name] = (directory / name).read_bytes()
            if files.sha256(content[name]) != manifest.files[name]:
                raise ArtifactError(f"{name} changed while it was being loaded")
        spec = FeatureSpec.from_json(content[files.FEATURES])
        estimator = Estimator(content[files.MODEL], spec)
        return cls(manifest, spec, estimator, GoldenRows.from_bytes(content[files.GOLDEN]))

    def predict(self, columns: Mapping[str, Values]) -> Answers:
        """The answers to n rows given as raw columns: (n,), or (n, classes) for multiclass.

        Binary: the probability of the positive class. Raises EncodingError for a row that the
        spec does not allow.
        """
        return self._estimator(self._encoder.encode(columns))

    def check_golden(self) -> None:
        """Answer the golden rows; raise ArtifactError if any answer is not the recorded one."""
        golden = self._golden
        wrong = differs(self.predict(golden.columns), golden.expected, golden.scale)
        if wrong.any():
            raise ArtifactError(
                f"{int(wrong.sum())} of {len(wrong)} golden rows get another answer than at export,"
                f" the first is row {int(wrong.argmax()) + 1}: do not serve this artifact here"
            )

    def digest(self) -> str:
        """One SHA-256 (hex) over the digests of all files."""
        return self.manifest.digest()


def differs(answers: Answers, expected: Answers, scale: float = 1.0) -> NDArray[np.bool_]:
    """Which rows differ by more than 1e-5 of their size; a NaN always differs."""
    if answers.shape != expected.shape:
        raise ArtifactError(f"answers of shape {answers.shape}, expected {expected.shape}")
    error = error_of(answers, expected, scale).reshape(len(expected), -1)
    return np.asarray(error.max(axis=1) > TOLERANCE)


def error_of(answers: Answers, expected: Answers, scale: float = 1.0) -> Answers:
    """|answer − expected| / max(1, |expected|, scale), elementwise; infinite where not finite.

    Absolute for probabilities. `scale` is the spread of a regression's answers: tree libraries sum
    in float32, whose 7 digits count from the largest term and not from the result.
    """
    with np.errstate(invalid="ignore"):
        error = np.abs(answers - expected) / np.maximum(max(1.0, scale), np.abs(expected))
    return np.where(np.isfinite(error), error, np.inf)


_FLOATS = ("tensor(float)", "tensor(double)")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
