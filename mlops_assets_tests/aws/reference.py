"""Both reference pipelines through the deployment's world, from raw rows to drift of captured ones.

Here: what is run, in which order, by which of Dagster's programs. Not here: what must then be so
(test_reference_pipelines).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from mlops_assets_tests.aws.authority.credentials import variables
from mlops_assets_tests.aws.authority.roles import DAGSTER
from mlops_assets_tests.aws.fargate import Fargate
from mlops_assets_tests.aws.guarded import Guarded, finished, start
from mlops_assets_tests.aws.postgres import Cluster
from mlops_assets_tests.aws.world import BUCKET, Run
from mlops_assets_tests.aws_server import glue_catalog

DEFINITIONS = "mlops_assets.definitions"
DATA = ("raw", "clean", "quarantine", "features", "profile")
WATCHING = ("captures", "served_profile", "skew", "drift")
ASKED = 40
_RUN_S = 900
_ENDS = {"SUCCESS", "FAILURE", "CANCELED"}
_CAPTURE_S = 60


@dataclass(frozen=True)
class Scene:
    """One pipeline: rows of ``first`` to ``asked`` come in, a model is trained as of ``as_of``,
    and its endpoint is asked about rows of ``asked``; ``size`` are the tags of its run's task."""

    name: str
    first: str
    as_of: str
    asked: str
    size: dict[str, str]

    @property
    def slug(self) -> str:
        return self.name.replace("_", "-")

    def selection(self, stations: Sequence[str]) -> str:
        return " or ".join(f'key:"{self.name}/{station}"' for station in stations)


DIGITS = Scene("digits", "1998-07-01", "1998-07-04", "1998-07-05", {})
FLIGHTS = Scene(
    "flight_delays",
    "2013-01-01",
    "2013-02-01",
    "2013-03-01",
    {"ecs/cpu": "4096", "ecs/memory": "16384"},
)


def materialize(
    guarded: Guarded, scenes: Sequence[Scene], stations: Sequence[str], *, since_first: bool
) -> list[Run]:
    """``dagster asset materialize`` of each pipeline beside the others."""
    return finished(
        [
            start(
                guarded.dagster,
                "dagster",
                *("asset", "materialize", "-m", DEFINITIONS),
                *("--select", scene.selection(stations)),
                *(
                    ("--partition-range", f"{scene.first}...{scene.asked}")
                    if since_first
                    else ("--partition", scene.asked)
                ),
            )
            for scene in scenes
        ]
    )


@contextmanager
def daemon(guarded: Guarded, module: str = DEFINITIONS) -> Iterator[subprocess.Popen[bytes]]:
    """Dagster's daemon on a module's definitions, ended with everything that it started."""
    log = guarded.dagster.root / "daemon.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-m", module],
            env=guarded.dagster.environment,
            cwd=guarded.dagster.root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The whole group: code servers outlive whoever started them."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(30)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def train(
    guarded: Guarded, tasks: Fargate, postgres: Cluster, database: str, scenes: Sequence[Scene]
) -> dict[str, str]:
    """Retrain by the queue, the daemon and a task for each run; {pipeline: how its run ended}."""
    ((last,),) = postgres.rows("SELECT coalesce(max(id), 0) FROM runs", database)
    with daemon(guarded) as running:
        launched = finished(
            [
                start(
                    guarded.dagster,
                    "dagster",
                    *("job", "launch", "-m", DEFINITIONS, "-j", f"{scene.name}_retraining"),
                    *("--tags", json.dumps({"dagster/partition": scene.as_of, **scene.size})),
                )
                for scene in scenes
            ]
        )
        assert all(run.success for run in launched), [run.output[-3000:] for run in launched]
        deadline = time.monotonic() + _RUN_S
        while time.monotonic() < deadline:
            assert running.poll() is None, (guarded.dagster.root / "daemon.log").read_text()
            found = postgres.rows("SELECT id, pipeline_name, status FROM runs", database)
            ends = {name: status for row, name, status in found if row > last}
            if len(ends) == len(scenes) and set(ends.values()) <= _ENDS:
                return {name.removesuffix("_retraining"): end for name, end in ends.items()}
            time.sleep(0.5)
    raise TimeoutError(f"{ends} after {_RUN_S} s. {tasks.said()}")


def mlops(guarded: Guarded, *arguments: str, role: str = DAGSTER) -> Run:
    """A person's command, with the role that Dagster has, or another one."""
    identity = variables(guarded.dagster.moto, role)
    program = "from mlops_assets.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**guarded.dagster.environment, **identity, "COLUMNS": "200"},
        cwd=guarded.dagster.root,
        capture_output=True,
        text=True,
        check=False,
        timeout=_RUN_S,
    )
    return Run(done.returncode == 0, done.stdout + done.stderr)


@contextmanager
def forbidden(guarded: Guarded, action: str) -> Iterator[list[str]]:
    """Dagster's role without an action; what was refused meanwhile, when it is over."""
    whole = guarded.authority.roles
    with refusals(guarded) as refused:
        guarded.authority.roles = whole.without(DAGSTER, action)
        try:
            yield refused
        finally:
            guarded.authority.roles = whole


@contextmanager
def refusals(guarded: Guarded) -> Iterator[list[str]]:
    """What is refused meanwhile, as it should be."""
    refused: list[str] = []
    yield refused
    refused += guarded.authority.refused
    guarded.authority.refused.clear()


def ask(guarded: Guarded, scene: Scene) -> set[str]:
    """Requests about rows of the last partition, as the product sends them; their ids."""
    from pyiceberg.catalog import load_catalog

    from mlops_assets.assets.monitoring.captured.events import invocations
    from mlops_assets.pipelines import declared
    from mlops_assets.resources.sagemaker.hosting.payload import json_rows

    (pipeline,) = [each for each in declared() if each.name == scene.name]
    lake = load_catalog("reader", **glue_catalog(guarded.admin.moto, BUCKET))
    features = lake.load_table(f"{scene.name}.features").scan().to_pandas()
    rows = features.sort_values(str(pipeline.event_time)).tail(ASKED).reset_index(drop=True)
    runtime = guarded.client("sagemaker-runtime")
    bodies = json_rows(rows, pipeline.feature_columns)
    named = invocations(pipeline, rows)
    for body, attributes in zip(bodies, named, strict=True):
        answer = runtime.invoke_endpoint(
            EndpointName=scene.slug,
            ContentType="application/json",
            Body=json.dumps({"instances": [body]}).encode(),
            **attributes,
        )
        assert json.loads(answer["Body"].read())["predictions"]
    return {attributes["InferenceId"] for attributes in named}


def until_captured(guarded: Guarded, scene: Scene, wanted: set[str]) -> set[str]:
    """Wait for the capture, which happens behind the answers; which of the ids it holds."""
    deadline = time.monotonic() + _CAPTURE_S
    while True:
        keys = guarded.admin.objects(f"captures/{scene.name}/")
        lines = [line for key in keys for line in guarded.admin.read(key).splitlines()]
        found = {json.loads(line)["eventMetadata"].get("inferenceId") for line in lines} & wanted
        if found == wanted or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def tick(guarded: Guarded) -> dict[str, dict[str, Any]]:
    """Each sensor evaluated once, one of them with an event; {name: what it said}."""
    event = {
        "id": "e", "source": "aws.sagemaker", "detail-type": "SageMaker Endpoint State Change",
        "detail": {"EndpointName": FLIGHTS.slug, "EndpointStatus": "IN_SERVICE"},
    }  # fmt: skip
    guarded.admin.client("sqs").send_message(
        QueueUrl=guarded.dagster.settings["MLOPS_EVENTS_QUEUE_URL"], MessageBody=json.dumps(event)
    )
    (run,) = finished([start(guarded.dagster, "mlops_assets_tests.aws.tick")])
    assert run.success, run.output[-3000:]
    said = [json.loads(line) for line in run.output.splitlines() if line.startswith('{"sensor"')]
    return {each.pop("sensor"): each for each in said}


def with_tasks(guarded: Guarded, tasks: Fargate) -> Guarded:
    """The same world, its processes in a task of ECS."""
    extra = {**guarded.dagster.extra, **tasks.variables}
    return replace(guarded, dagster=replace(guarded.dagster, extra=extra))


def record(guarded: Guarded, scene: Scene, station: str, partition: str) -> Any:
    """What a station that watches wrote down."""
    (key,) = [
        each
        for each in guarded.admin.objects(f"records/{scene.name}/{station}/")
        if partition in each
    ]
    return json.loads(guarded.admin.read(key))
