"""model.onnx in ONNX Runtime: encoded rows in, answers out.

Belongs here: the session, and the quickest way through it for one row and for many. Does not:
encoding (encode.py, compiled.py), files and their digests (load.py), the native model (native.py).
"""

from __future__ import annotations

import os
import threading
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mlops_assets.ml.artifact import manifest as files
from mlops_assets.ml.artifact.compiled import cells_of
from mlops_assets.ml.artifact.errors import ArtifactError
from mlops_assets.ml.artifact.spec import FeatureSpec

# From 1.29 on it reports to its makers which models are loaded, unless told not to before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

Answers = NDArray[np.float64]
Device = Literal["cpu", "cuda"]

_FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class Estimator:
    """model.onnx in ONNX Runtime: one thread, never spinning, so that cores stay free.

    Raises ArtifactError when the bytes are not a model that takes [n, width] float32, and when
    `device` is "cuda" and this ONNX Runtime or this machine has none.
    """

    def __init__(self, data: bytes, spec: FeatureSpec, device: Device = "cpu") -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        providers = _providers(device)
        try:
            session = onnxruntime.InferenceSession(data, options, providers=providers)
        except Exception as error:  # ONNX Runtime's errors share no narrower public base
            raise ArtifactError(f"{files.MODEL} does not load: {_first_line(error)}") from None
        if device == "cuda" and "CUDAExecutionProvider" not in session.get_providers():
            raise ArtifactError(
                "the device is cuda, but ONNX Runtime could not start CUDA here (is there a GPU,"
                " and are CUDA and cuDNN in the image?): give the instance one, or serve on cpu"
            )
        inputs = session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 2:
            raise ArtifactError(f"{files.MODEL} must have one input, [n, width] of float32")
        if isinstance(inputs[0].shape[1], int) and inputs[0].shape[1] != spec.width:
            raise ArtifactError(
                f"{files.MODEL} takes {inputs[0].shape[1]} columns, {files.FEATURES} gives"
                f" {spec.width}"
            )
        outputs = [o for o in session.get_outputs() if o.type in _FLOATS]
        if not outputs:
            raise ArtifactError(f"{files.MODEL} has no output of floats")
        self.device = device
        self._session, self._spec = session, spec
        self._input, self._output = inputs[0].name, [outputs[-1].name]
        self._output_type = _FLOATS[outputs[-1].type]
        self._one_row_shape: tuple[int, ...] | None = None
        self._local = threading.local()
        # Trees walk row after row, whoever asked for it; a net multiplies matrices.
        self.may_gain_from_batches = device == "cuda" or b"TreeEnsemble" not in data

    def __call__(self, matrix: NDArray[np.float32]) -> Answers:
        """The answers to an encoded matrix: (n,) or, for multiclass, (n, classes)."""
        if not len(matrix):
            many = self._spec.kind == "multiclass"
            return np.empty((0, len(self._spec.classes or ())) if many else (0,))
        (answer,) = self._session.run(self._output, {self._input: matrix})
        return shaped(np.asarray(answer, dtype=np.float64), len(matrix), self._spec, files.MODEL)

    def one_row(self) -> OneRow:
        """This thread's place for a single row."""
        try:
            place: OneRow = self._local.row
        except AttributeError:
            place = self._local.row = OneRow(
                self._session, self._input, self._output[0], self._one_row_output(), self._spec
            )
        return place

    def speed_of_batches(self, matrix: NDArray[np.float32]) -> float:
        """How many times as fast 16 of the rows are together as one after the other."""
        matrix = np.resize(matrix, (16, matrix.shape[1]))
        place = self.one_row()
        taken: dict[str, float] = {"alone": float("inf"), "together": float("inf")}
        for _ in range(5):
            start = perf_counter()
            for _ in range(len(matrix)):
                place.run()
            middle = perf_counter()
            self(matrix)
            taken["alone"] = min(taken["alone"], middle - start)
            taken["together"] = min(taken["together"], perf_counter() - middle)
        return taken["alone"] / taken["together"]

    def _one_row_output(self) -> NDArray[Any]:
        """An array like the one in which a row's answer comes."""
        if self._one_row_shape is None:
            row = np.zeros((1, self._spec.width), dtype=np.float32)
            (answer,) = self._session.run(self._output, {self._input: row})
            shaped(np.asarray(answer, dtype=np.float64), 1, self._spec, files.MODEL)
            self._one_row_shape = np.shape(answer)
        return np.zeros(self._one_row_shape, dtype=self._output_type)


class OneRow:
    """A row's cells and its answer, bound to the session's memory: nothing is made for a request.

    Not for two threads at once. Write `cells` (float32, as many as the encoded width), then `run`.
    """

    def __init__(
        self, session: Any, entry: str, output: str, answer: NDArray[Any], spec: FeatureSpec
    ) -> None:
        self._matrix = np.zeros((1, spec.width), dtype=np.float32)
        self._answer = answer
        self.cells = cells_of(self._matrix)
        self._values = cells_of(answer)
        self._many = spec.kind == "multiclass"
        self._last = answer.size - 1  # of a binary model's two probabilities the positive class's
        self._binding = session.io_binding()
        self._binding.bind_input(
            entry, "cpu", 0, np.float32, self._matrix.shape, self._matrix.ctypes.data
        )
        self._binding.bind_output(
            output, "cpu", 0, answer.dtype.type, answer.shape, answer.ctypes.data
        )
        self._run = session.run_with_iobinding

    def run(self) -> Any:
        """The answer to what `cells` hold: a float, or for multiclass a list of them."""
        self._run(self._binding)
        return self._values.tolist() if self._many else self._values[self._last]


def shaped(answer: Answers, rows: int, spec: FeatureSpec, what: str) -> Answers:
    """An engine's answers as (rows,) or (rows, classes). Raises ArtifactError for another shape."""
    if spec.kind == "multiclass":
        expected: tuple[int, ...] = (rows, len(spec.classes or ()))
    else:
        if spec.kind == "binary" and answer.shape == (rows, 2):
            answer = answer[:, 1]
        expected = (rows,)
        if answer.shape == (rows, 1):
            answer = answer[:, 0]
    if answer.shape != expected:
        raise ArtifactError(f"{what} answers shape {answer.shape} where {expected} is due")
    return answer


def _providers(device: Device) -> list[str]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    offered = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" not in offered:
        raise ArtifactError(
            f"the device is {device}, but this ONNX Runtime offers {offered}: install"
            " onnxruntime-gpu in the image, or serve on cpu"
        )
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
