"""Telling MLflow of a run: the only module that imports it.

Here: from a `RunLog` to MLflow's calls, each safe to repeat. Not here: what to do when MLflow
cannot be reached (`experiments`).

A run is found by its tag: telling it twice, or going on after the teller died, makes no second one.
MLflow keeps one of several equal points, and every point carries the time of its log line.
"""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_assets.resources.experiments.run_log import Point, RunLog

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

RUN_TAG = "mlops.job"
# MLflow's own limits of one request.
_BATCH, _PARAMS, _PARAM_CHARACTERS, _TAG_CHARACTERS = 1_000, 100, 6_000, 5_000
# Otherwise a tracking server that is down holds a training up for minutes.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class Tracking:
    """MLflow at a URI: ``sqlite:///…`` here, the ARN of a tracking server in AWS.

    Args:
        artifact_root: where a new experiment keeps its files; None: where the server says.
    """

    def __init__(self, uri: str, artifact_root: str | None = None) -> None:
        self.uri = uri
        self._artifact_root = artifact_root
        self._client: MlflowClient | None = None

    def open(self, log: RunLog) -> str:
        """The run's id: of the one that is there, or of a new one with its parameters and tags."""
        client = self._mlflow()
        experiment = self._experiment(client, log.experiment)
        there = client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{log.name}'", max_results=1)
        if there:
            return str(there[0].info.run_id)
        tags = {_key(name): value[:_TAG_CHARACTERS] for name, value in log.tags.items()}
        run = client.create_run(
            experiment,
            start_time=log.started_ms,
            run_name=log.name,
            tags={**tags, RUN_TAG: log.name},
        )
        run_id = str(run.info.run_id)
        from mlflow.entities import Param

        params = [Param(_key(k), value[:_PARAM_CHARACTERS]) for k, value in log.params.items()]
        for batch in _batches(params, _PARAMS):
            client.log_batch(run_id, params=batch)
        return run_id

    def points(self, run_id: str, points: Sequence[Point]) -> None:
        """Further points of a run."""
        from mlflow.entities import Metric

        client = self._mlflow()
        metrics = [Metric(_key(p.metric), p.value, p.at_ms, p.step) for p in points]
        for batch in _batches(metrics, _BATCH):
            client.log_batch(run_id, metrics=batch)

    def close(self, run_id: str, log: RunLog) -> None:
        """Tags and files as they are at the end, then the status."""
        client = self._mlflow()
        for name, value in log.tags.items():
            client.set_tag(run_id, _key(name), value[:_TAG_CHARACTERS])
        for name, text in log.artifacts.items():
            client.log_text(run_id, text, name)
        client.set_terminated(run_id, status=log.status, end_time=log.ended_ms)

    def whole(self, log: RunLog) -> str:
        """All of a run at once; its id."""
        run_id = self.open(log)
        self.points(run_id, log.points)
        if log.status != "RUNNING":
            self.close(run_id, log)
        return run_id

    def _mlflow(self) -> "MlflowClient":
        if self._client is None:
            for name, value in _ENVIRONMENT.items():
                os.environ.setdefault(name, value)
            if self.uri.startswith("sqlite:///"):
                Path(self.uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
            logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
            logging.getLogger("alembic").setLevel(logging.WARNING)
            import mlflow
            from mlflow.tracking import MlflowClient

            if self.uri.startswith("arn:"):
                # SageMaker's plugin signs, and names the server in its header, by MLflow's own URI
                # of the process, not by that of the client which asks.
                mlflow.set_tracking_uri(self.uri)
            self._client = MlflowClient(self.uri)
        return self._client

    def _experiment(self, client: "MlflowClient", name: str) -> str:
        found = client.get_experiment_by_name(name)
        if found is None:
            root = self._artifact_root
            try:
                return str(client.create_experiment(name, root and f"{root.rstrip('/')}/{name}"))
            except _mlflow_exception():
                found = client.get_experiment_by_name(name)  # another process was quicker
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)


def _mlflow_exception() -> type[Exception]:
    from mlflow.exceptions import MlflowException

    return MlflowException


def refused(error: Exception) -> bool:
    """Whether MLflow answered, and will not take this run however often it is told."""
    code = getattr(error, "error_code", "")
    return isinstance(error, _mlflow_exception()) and code in (
        "INVALID_PARAMETER_VALUE",
        "BAD_REQUEST",
    )


def _key(name: str) -> str:
    """A name in MLflow's alphabet, which has the colon of ``train:logloss`` and no brackets."""
    return "".join(c if c.isalnum() or c in "_-./: " else "_" for c in name)[:250]


def _batches(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def now_ms() -> int:
    """Milliseconds since 1970, MLflow's clock."""
    return int(time.time() * 1000)
