"""`mlops demo`: one pipeline from raw rows to a live endpoint, and what to do with it next.

Here: which partitions and stations, in which order, and the closing page. Not here: how stations
are run (`runs`) or what they do (`assets`).
"""

import json
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.syntax import Syntax
from rich.table import Table

from mlops_assets.assets.monitoring.station import group
from mlops_assets.assets.records import EvaluationRecord, RegistrationRecord
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.names import program
from mlops_assets.cli.predictions import Prediction, predict, show
from mlops_assets.cli.runs import materialize, stale_stations
from mlops_assets.cli.world import World, console
from mlops_assets.ml.splitting import training_window
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import registry

_DEFAULT_HISTORY = 3
_ROW = 7


def run(name: str, partition: str | None) -> None:
    started = time.monotonic()
    world = World.open()
    pipeline = world.pipeline(name)
    check_installed(pipeline)
    available = pipeline.source.partitions()
    if not available:
        raise CommandError(
            f"{name}: {pipeline.source.describe()} (seen from {Path.cwd()}) has no data. "
            "Put data there, or correct the pipeline's `source`"
        )
    as_of = partition or available[min(_DEFAULT_HISTORY, len(available) - 1)]
    if as_of not in available:
        raise CommandError(f"--partition {as_of}: the source has {', '.join(available)}")
    console.print(f"[bold cyan]{name}[/]  {pipeline.description}", soft_wrap=True)
    console.print(
        f"[dim]{pipeline.source.describe().rstrip('.')}. Kept in {world.settings.home}[/]\n"
    )
    known = [*training_window(available, as_of, pipeline.split.window), as_of]
    for each in known:
        _bring(world, pipeline, pipeline.data_stations, each)
    _bring(world, pipeline, pipeline.model_stations, as_of)
    world.sagemaker.client()  # hosts again what a stopped server hosted
    _watch(world, pipeline, known)
    closing(world, pipeline, as_of, time.monotonic() - started)


def check_installed(pipeline: MLPipeline) -> None:
    """Raise CommandError where a module is missing here that the training script imports."""
    missing = [name for name in pipeline.training.needs if find_spec(name) is None]
    if missing:
        raise CommandError(
            f"{pipeline.name} trains with {' and '.join(missing)}, not installed for "
            f"{sys.executable}. Run: make demo PIPELINE={pipeline.name} (it installs what the "
            f"shipped pipelines need), or: pip install {' '.join(missing)}"
        )


def _bring(world: World, pipeline: MLPipeline, stations: tuple[str, ...], partition: str) -> None:
    stale = stale_stations(world, pipeline, stations, partition)
    if not stale:
        which = stations[0] if len(stations) == 1 else f"{stations[0]} … {stations[-1]}"
        console.print(f"[bold]{partition}[/]  {which}: up to date")
        return
    console.print(f"[bold]{partition}[/]  {', '.join(stale)}")
    materialize(world, pipeline, stale, partition)


def _watch(world: World, pipeline: MLPipeline, known: Sequence[str]) -> None:
    """What the model has learnt from in counts, and the last partition compared with that: what
    `mlops health` shows before anything was asked. With nothing to compare there is nothing to do.
    """
    if len(known) < 2:
        return
    last = known[-1]
    unprofiled = [p for p in known if stale_stations(world, pipeline, ("profile",), p)]
    if unprofiled:
        span = " to ".join(f"[bold]{p}[/]" for p in dict.fromkeys((unprofiled[0], last)))
        console.print(f"{span}  profile")
        materialize(world, pipeline, ("profile",), last, since=unprofiled[0])
    _bring(world, pipeline, ("drift",), last)


def closing(world: World, pipeline: MLPipeline, as_of: str, seconds: float) -> None:
    """The page that a newcomer reads first."""
    evaluation = world.store.load(EvaluationRecord, pipeline.name, "evaluation", as_of)
    _heading(f"Held-out quality as of {as_of}", f"{evaluation.rows:,} rows")
    console.print(_metrics(evaluation))
    waiting = _waiting(world, pipeline, evaluation)
    if waiting:
        _heading("Not deployed", f"{waiting} waits for approval")
        _code(_approve(world, waiting), "python")
        console.print(
            f"Or by a word that the registry keeps: [bold]{program()} promote {pipeline.name}[/]"
        )
        console.print(f"Then run again: [bold]{program()} demo {pipeline.name}[/]")
        return
    row = min(_ROW, evaluation.rows - 1)
    prediction = predict(world, pipeline, as_of, row)
    _heading("One prediction", f"row {row} of {pipeline.name}/features, asked of the endpoint")
    show(pipeline, prediction)
    request = _save_request(world, pipeline, prediction)
    _heading("Ask it yourself", f"the row is in {request}")
    _code(_curl(prediction, request), "bash")
    _code(_boto3(pipeline, prediction, request), "python")
    _heading("What next", "")
    for command, what in _next(pipeline, as_of, _package(world, pipeline, evaluation)):
        console.print(f"[bold]{command}[/]", soft_wrap=True)
        console.print(f"    {what}")
    console.print(f"\nDone in {seconds:.0f} s.")


def _heading(title: str, note: str) -> None:
    console.print(f"\n[bold cyan]{title}[/]  [dim]{note}[/]", soft_wrap=True)


def _code(text: str, language: str) -> None:
    # Unwrapped and without padding: what is copied must run.
    for line in Syntax(text, language, background_color="default").highlight(text).split():
        console.print(line, soft_wrap=True)
    console.print()


def _metrics(evaluation: EvaluationRecord) -> Table:
    columns = {"model": evaluation.metrics, **evaluation.baselines}
    if evaluation.champion_metrics:
        columns["champion"] = evaluation.champion_metrics
    table = Table("", *columns, box=None, pad_edge=False)
    for metric in evaluation.metrics:
        table.add_row(metric, *(f"{values[metric]:.4f}" for values in columns.values()))
    return table


def _save_request(world: World, pipeline: MLPipeline, prediction: Prediction) -> Path:
    """The request's body as a file: a row of features is too long for a line."""
    path = world.settings.home / "requests" / f"{pipeline.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"instances": [prediction.row]}, indent=1))
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _curl(prediction: Prediction, request: Path) -> str:
    return f"curl -s {prediction.url} -H 'content-type: application/json' -d @{request}"


def _boto3(pipeline: MLPipeline, prediction: Prediction, request: Path) -> str:
    base = prediction.url.split("/endpoints/")[0]
    return f"""import boto3
runtime = boto3.client("sagemaker-runtime", endpoint_url="{base}", region_name="us-east-1",
                       aws_access_key_id="local", aws_secret_access_key="local")
reply = runtime.invoke_endpoint(EndpointName="{pipeline.slug}", ContentType="application/json",
                                Body=open("{request}", "rb"))
print(reply["Body"].read())"""


def _package(world: World, pipeline: MLPipeline, evaluation: EvaluationRecord) -> str | None:
    """The package that serves: this model's, or the champion's where it did not win."""
    if not evaluation.passed:
        return evaluation.champion
    record = world.store.load(
        RegistrationRecord, pipeline.name, "registered_model", evaluation.as_of
    )
    return record.package_arn


def _waiting(world: World, pipeline: MLPipeline, evaluation: EvaluationRecord) -> str | None:
    """The package that a person has to approve before anything can be asked of an endpoint."""
    package = _package(world, pipeline, evaluation)
    if package is None or serving_package(world.sagemaker.client(), pipeline.slug):
        return None
    status = registry.describe(world.sagemaker.client(), package).status
    return package if status == "PendingManualApproval" else None


def _approve(world: World, package: str) -> str:
    url = world.sagemaker.client().meta.endpoint_url
    return f"""import boto3
sagemaker = boto3.client("sagemaker", endpoint_url="{url}", region_name="us-east-1",
                         aws_access_key_id="local", aws_secret_access_key="local")
sagemaker.update_model_package(ModelPackageArn="{package}", ModelApprovalStatus="Approved")"""


def _next(pipeline: MLPipeline, as_of: str, package: str | None) -> list[tuple[str, str]]:
    mlops = program()
    return [
        (
            f"{mlops} health {pipeline.name}",
            "how it is doing, and a report to open: much of it waits for requests",
        ),
        (
            "make ui",
            "the asset graph with its checks, plots and runs, in Dagster's UI; turn on\n"
            f"    its sensors (Automation), and {group(pipeline)} fills by itself",
        ),
        (f"{mlops} invoke {pipeline.name} --partition {as_of} --row 8", "ask about another row"),
        (
            f"{mlops} reproduce {package}",
            "train this model again from what was recorded, and compare the bytes",
        ),
        (f"{mlops} status", "what is running and stored: endpoints, jobs, packages"),
        (f"{mlops} down", "stop the local SageMaker API with its endpoints; nothing is lost"),
        ("docs/tutorial.md", "your own pipeline, in ten minutes"),
    ]
