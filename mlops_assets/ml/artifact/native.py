"""model.ubj in XGBoost's own library, which answers batches twice as fast as ONNX Runtime.

The library is called through its C API. `import xgboost` would bring scikit-learn, pandas and SciPy
into the process: a second and 100 MB, and none of it is needed to predict. Source:
https://xgboost.readthedocs.io/en/stable/dev/group__c__api.html (XGBoosterPredictFromDense).
Belongs here: that, for encoded matrices. Does not: training, or converting (convert.py).
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_assets.ml.artifact import manifest as files
from mlops_assets.ml.artifact.compiled import cells_of
from mlops_assets.ml.artifact.encode import Encoder
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.estimator import Answers, shaped
from mlops_assets.ml.artifact.spec import FeatureSpec

# Calling costs some 200 µs, whatever the rows: below this ONNX Runtime is quicker.
ROWS = 64


class NativeModel:
    """An XGBoost model. Safe to call from several threads at once, each a thread of its own.

    Raises ArtifactError when the bytes are no XGBoost model of the spec's width, or when XGBoost
    is not installed.
    """

    def __init__(self, data: bytes, spec: FeatureSpec) -> None:
        self._spec = spec
        self._library = _library()
        self._booster = ctypes.c_void_p()
        self._call("XGBoosterCreate", None, ctypes.c_uint64(0), ctypes.byref(self._booster))
        self._call("XGBoosterLoadModelFromBuffer", self._booster, data, ctypes.c_uint64(len(data)))
        self._call("XGBoosterSetParam", self._booster, b"nthread", b"1")
        width = ctypes.c_uint64()
        self._call("XGBoosterGetNumFeature", self._booster, ctypes.byref(width))
        if width.value != spec.width:
            raise ArtifactError(
                f"{files.NATIVE} takes {width.value} columns, {files.FEATURES} gives {spec.width}"
            )
        self._options = json.dumps(
            {
                "type": 0,
                "training": False,
                "iteration_begin": 0,
                "iteration_end": self._iterations(),
                "strict_shape": False,
                "missing": float("nan"),
                "cache_id": 0,
            }
        ).encode()

    def __del__(self) -> None:
        if getattr(self, "_booster", None):
            self._library.XGBoosterFree(self._booster)

    def __call__(self, matrix: NDArray[np.float32]) -> Answers:
        """The answers to an encoded matrix of at least one row, as the Estimator gives them."""
        matrix = np.ascontiguousarray(matrix, dtype=np.float32)
        described = {
            "data": (matrix.ctypes.data, True),
            "shape": matrix.shape,
            "typestr": matrix.dtype.str,
            "version": 3,
        }
        shape = ctypes.POINTER(ctypes.c_uint64)()
        dimensions = ctypes.c_uint64()
        result = ctypes.POINTER(ctypes.c_float)()
        self._call(
            "XGBoosterPredictFromDense",
            self._booster,
            json.dumps(described).encode(),
            self._options,
            None,
            ctypes.byref(shape),
            ctypes.byref(dimensions),
            ctypes.byref(result),
        )
        # The library's memory is this thread's until its next call: the cast copies it.
        found = np.ctypeslib.as_array(result, tuple(shape[: dimensions.value]))
        return shaped(found.astype(np.float64), len(matrix), self._spec, files.NATIVE)

    def _iterations(self) -> int:
        """Rounds up to the best one if training stopped early, else 0, which stands for all."""
        value, found = ctypes.c_char_p(), ctypes.c_int()
        self._call(
            "XGBoosterGetAttr",
            self._booster,
            b"best_iteration",
            ctypes.byref(value),
            ctypes.byref(found),
        )
        return int(value.value or b"-1") + 1 if found.value else 0

    def _call(self, function: str, *arguments: Any) -> None:
        if getattr(self._library, function)(*arguments) != 0:
            said = self._library.XGBGetLastError().decode(errors="replace")
            # The first line says what; the others hold paths of whoever built the library.
            reason = said.splitlines()[0].rpartition(": ")[2][:200] if said else "unknown"
            raise ArtifactError(f"{files.NATIVE}: XGBoost says: {reason}")


class NativeOneRow:
    """A row's cells and its answer, like the Estimator's; a batch of one to XGBoost."""

    def __init__(self, model: NativeModel, width: int) -> None:
        self._matrix = np.zeros((1, width), dtype=np.float32)
        self._model = model
        self.cells = cells_of(self._matrix)

    def run(self) -> Any:
        """The answer to what `cells` hold: a float, or for multiclass a list of them."""
        return self._model(self._matrix)[0].tolist()


class UnsealedModel:
    """features.json beside an XGBoost model that nobody sealed: no digest, no golden rows.

    For models trained elsewhere, whose owner says that the two belong together. Raises
    ArtifactError when one of them is missing or not what its name says.
    """

    NAMES = (files.NATIVE, "xgboost-model", "model.json")

    def __init__(self, directory: Path) -> None:
        found = [directory / name for name in self.NAMES if (directory / name).is_file()]
        if not found or not (directory / files.FEATURES).is_file():
            raise ArtifactError(
                f"the model directory must hold {files.FEATURES} and one of {list(self.NAMES)}"
            )
        self.spec = FeatureSpec.from_json((directory / files.FEATURES).read_bytes())
        self.encoder = Encoder(self.spec)
        self.answer = NativeModel(found[0].read_bytes(), self.spec)
        self.answer(np.zeros((1, self.spec.width), dtype=np.float32))  # its shape fits the kind

    def one_row(self) -> NativeOneRow:
        """A place for a row."""
        return NativeOneRow(self.answer, self.spec.width)


@cache
def _library() -> ctypes.CDLL:
    # Idle OpenMP threads sleep instead of spinning; read once, when the library is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    found = importlib.util.find_spec("xgboost")  # finds it without running any of it
    if found is None or found.origin is None:
        raise ArtifactError("XGBoost is not installed: ONNX Runtime answers alone")
    name = {"darwin": "libxgboost.dylib", "win32": "xgboost.dll"}.get(sys.platform, "libxgboost.so")
    try:
        library = ctypes.CDLL(str(Path(found.origin).parent / "lib" / name))
    except OSError as error:
        raise ArtifactError(f"XGBoost's library does not load: {error}") from None
    library.XGBGetLastError.restype = ctypes.c_char_p
    library.XGBoosterFree.argtypes = [ctypes.c_void_p]
    return library
