"""Loading a sealed artifact and asking it for answers.

Needs NumPy, orjson and ONNX Runtime only: this is what the serving process imports. XGBoost's
library is loaded when the first batch comes. Sealing is in seal.py.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_assets.ml.artifact import manifest as files
from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.estimator import Answers, Device, Estimator
from mlops_assets.ml.artifact.manifest import Manifest
from mlops_assets.ml.artifact.native import ROWS as NATIVE_ROWS
from mlops_assets.ml.artifact.native import NativeModel
from mlops_assets.ml.artifact.spec import FeatureSpec
from mlops_assets.ml.artifact.values import Values

log = logging.getLogger(__name__)

TOLERANCE = 1e-5


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
    """A sealed model, loaded and verified. Safe to use from several threads at once."""

    def __init__(
        self,
        manifest: Manifest,
        spec: FeatureSpec,
        estimator: Estimator,
        golden: GoldenRows,
        directory: Path,
    ) -> None:
        self.manifest = manifest
        self.spec = spec
        self.encoder = Encoder(spec)
        self.estimator = estimator
        self.one_row = estimator.one_row
        self._golden = golden
        self._directory = directory
        self._native: NativeModel | None = None
        # Who has a GPU or no model.ubj answers all batches by ONNX Runtime.
        self._native_due = files.NATIVE in manifest.files and estimator.device == "cpu"
        self._native_lock = threading.Lock()

    @classmethod
    def load(cls, directory: Path, device: Device = "cpu") -> Artifact:
        """Load the artifact in a directory.

        Raises ArtifactError when a file is missing, not listed, different from what was sealed,
        or not what its name says, and when there is no such device here.
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
        estimator = Estimator(content[files.MODEL], spec, device)
        golden = GoldenRows.from_bytes(content[files.GOLDEN])
        return cls(manifest, spec, estimator, golden, directory)

    def answer(self, matrix: NDArray[np.float32]) -> Answers:
        """The answers to an encoded matrix, by the engine that is quickest for so many rows."""
        if len(matrix) >= NATIVE_ROWS and (native := self._native_model()):
            return native(matrix)
        return self.estimator(matrix)

    def predict(self, columns: Mapping[str, Values]) -> Answers:
        """The answers to n rows given as raw columns: (n,), or (n, classes) for multiclass.

        Binary: the probability of the positive class. Raises EncodingError for a row that the
        spec does not allow.
        """
        return self.estimator(self.encoder.encode(columns))

    def gains_from_batches(self) -> bool:
        """Whether rows of several callers should be answered by one run: it takes less than half
        as long, measured here and now, and gives the same answers. A graph may mix rows (a softmax
        over the wrong axis does), and callers' rows must never meet in one."""
        if not self.estimator.may_gain_from_batches:
            return False
        matrix = self.encoder.encode(self._golden.columns)
        alone = np.concatenate([self.estimator(row[np.newaxis]) for row in matrix])
        if differs(self.estimator(matrix), alone, self._golden.scale).any():
            return False
        return self.estimator.speed_of_batches(matrix) > 2

    def check_golden(self) -> None:
        """Answer the golden rows; raise ArtifactError if any answer is not the recorded one."""
        golden = self._golden
        wrong = differs(self.predict(golden.columns), golden.expected, golden.scale)
        if wrong.any():
            raise ArtifactError(
                f"{int(wrong.sum())} of {len(wrong)} golden rows get another answer than at export,"
                f" the first is row {int(wrong.argmax()) + 1}: do not serve this artifact here"
            )

    def _native_model(self) -> NativeModel | None:
        """model.ubj, loaded when the first batch comes and proven by the golden rows like the
        other; None, with the reason in the log, where it is not to be had."""
        if not self._native_due:
            return self._native
        with self._native_lock:
            if self._native_due:
                try:
                    data = (self._directory / files.NATIVE).read_bytes()
                    if files.sha256(data) != self.manifest.files[files.NATIVE]:
                        raise ArtifactError(f"{files.NATIVE} changed since it was verified")
                    native = NativeModel(data, self.spec)
                    golden = self._golden
                    answers = native(self.encoder.encode(golden.columns))
                    if differs(answers, golden.expected, golden.scale).any():
                        raise ArtifactError(f"{files.NATIVE} answers golden rows differently")
                    self._native = native
                except (ArtifactError, OSError) as error:
                    log.warning("ONNX Runtime answers batches too: %s", error)
                self._native_due = False
        return self._native

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
