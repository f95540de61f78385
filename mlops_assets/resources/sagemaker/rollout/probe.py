"""Held-out rows, asked of an endpoint as a caller would: answers, latencies, and what was wrong.

Here: asking, at a bounded rate, and what counts as a wrong answer. Not here: what follows from it
(rollout_verdict.py).
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from mlops_assets.resources.monitoring.attributes import PROBE_ATTRIBUTES
from mlops_assets.resources.sagemaker.errors import error_code, error_message

TIMED = 300
"""Rows that are asked one by one, for their latencies."""
_BATCH = 200
_WARM_UP = 3
_TICK_S = 1.0


class WrongAnswer(Exception):
    """The model answered, and wrongly: an error of its own, or no finite number for each row."""


class NotAsked(Exception):
    """The request did not get to the model: our network's or the service's trouble."""


@dataclass(frozen=True)
class Asked:
    """Rows as an endpoint answered them.

    Args:
        answers: (rows,) or (rows, classes); NaN where there is no right answer.
        latencies_ms: of the rows that were asked one by one.
        asked, wrong: requests, and those answered wrongly.
        problem: the first of them, in words.
    """

    answers: np.ndarray
    latencies_ms: np.ndarray
    asked: int
    wrong: int
    problem: str = ""

    @property
    def answered(self) -> bool:
        """Whether any row was answered right."""
        return bool(np.isfinite(self.answers).any())

    @property
    def p99_ms(self) -> float | None:
        """99th percentile of the latency in milliseconds, as a caller sees it."""
        if not len(self.latencies_ms):
            return None
        return float(np.quantile(self.latencies_ms, 0.99))


def ask(
    runtime: Any,
    endpoint: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    variant: str | None = None,
    timed: int = TIMED,
) -> Asked:
    """Ask for all rows: the first ``timed`` one by one, the others in batches."""
    asker = _Asker(runtime, endpoint, variant)
    for row in rows[:_WARM_UP]:
        asker.send([row])
    asker.reset()
    answers: list[Any] = []
    for row in rows[:timed]:
        answers += asker.send([row])
    latencies = np.array(asker.latencies_ms)
    for start in range(timed, len(rows), _BATCH):
        answers += asker.send(rows[start : start + _BATCH])
    return Asked(_matrix(answers), latencies, asker.asked, asker.wrong, asker.problem)


class Prober:
    """Sends held-out rows while a challenger bakes, so that one without traffic is judged too."""

    def __init__(
        self,
        runtime: Any,
        endpoint: str,
        rows: Sequence[Mapping[str, Any]],
        *,
        variant: str | None = None,
        per_second: float = 20.0,
        at_most: int = 20,
    ) -> None:
        self._asker = _Asker(runtime, endpoint, variant)
        self._rows = rows
        # An id for each probe, by which what was captured of it is found again.
        self._prefix = f"probe-{uuid.uuid4().hex[:12]}"
        self._per_second = per_second
        self._at_most = at_most
        self._sent = 0
        self._last = time.monotonic()
        self._counted = 0

    @property
    def asked(self) -> int:
        return self._asker.asked

    @property
    def problem(self) -> str:
        return self._asker.problem

    def tick(self) -> int:
        """Send what the rate allows since the last call; how many were answered wrongly."""
        now = time.monotonic()
        allowed = min(self._at_most, int((now - self._last) * self._per_second))
        if not self._rows or allowed < 1:
            return 0
        self._last = now
        for _ in range(allowed):
            if time.monotonic() - now > _TICK_S:
                break  # a slow model must not keep us from looking at its alarms
            row = self._rows[self._sent % len(self._rows)]
            self._asker.send([row], inference_id=f"{self._prefix}-{self._sent}")
            self._sent += 1
        new, self._counted = self._asker.wrong - self._counted, self._asker.wrong
        return new


class _Asker:
    def __init__(self, runtime: Any, endpoint: str, variant: str | None) -> None:
        self._runtime = runtime
        self._target = {"EndpointName": endpoint}
        if variant is not None:
            self._target["TargetVariant"] = variant
        self.reset()

    def reset(self) -> None:
        self.asked = self.wrong = 0
        self.problem = ""
        self.latencies_ms: list[float] = []

    def send(
        self, rows: Sequence[Mapping[str, Any]], *, inference_id: str | None = None
    ) -> list[Any]:
        """One request; NaN for each row where it is not answered right."""
        self.asked += 1
        target = dict(self._target)
        if inference_id is not None:
            target["InferenceId"] = inference_id
        started = time.perf_counter()
        try:
            answers = _predictions(self._runtime, target, rows)
        except WrongAnswer as error:
            self.wrong += 1
            self.problem = self.problem or str(error)
            return [None] * len(rows)
        except NotAsked as error:
            # No reason to take a model back.
            self.problem = self.problem or f"not reached: {error}"
            return [None] * len(rows)
        self.latencies_ms.append(1000 * (time.perf_counter() - started))
        return answers


def _predictions(
    runtime: Any, target: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> list[Any]:
    body = json.dumps({"instances": [dict(row) for row in rows]}).encode()
    try:
        reply = runtime.invoke_endpoint(
            **target,
            ContentType="application/json",
            Accept="application/json",
            Body=body,
            # Captured as any request, and no event: whoever reads captures leaves it out.
            CustomAttributes=PROBE_ATTRIBUTES,
        )
    except (HTTPClientError, BotoConnectionError) as error:
        raise NotAsked(str(error)) from error
    except ClientError as error:
        if error_code(error) in ("ServiceUnavailable", "ThrottlingException"):
            raise NotAsked(error_message(error)) from error
        raise WrongAnswer(error_message(error)[:300]) from error
    said = reply["Body"].read()
    try:
        predictions = json.loads(said)["predictions"]
        numbers = np.array(predictions, float)
    except (ValueError, KeyError, TypeError) as error:
        raise WrongAnswer(f"{len(rows)} rows were answered with {said[:200]!r}") from error
    if len(predictions) != len(rows) or not np.isfinite(numbers).all():
        raise WrongAnswer(f"{len(rows)} rows were answered with {said[:200]!r}")
    return predictions


def _matrix(answers: Sequence[Any]) -> np.ndarray:
    """Answers as an array, NaN where there is none."""
    shape = next((np.shape(answer) for answer in answers if answer is not None), ())
    filled = [np.full(shape, np.nan) if a is None or np.shape(a) != shape else a for a in answers]
    return np.array(filled, float)
