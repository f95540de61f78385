"""`mlops demo`: one pipeline from raw rows to a live endpoint, and what to do with it next.

Here: which partitions and stations, in which order, and the closing page. Not here: how stations
are run (`runs`) or what they do (`assets`).
"""

import json
import time

from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table

from mlops_assets.assets.records import EvaluationRecord, RegistrationRecord
from mlops_assets.cli.errors import CommandError
from mlops_assets.cli.names import program
from mlops_assets.cli.predictions import Prediction, predict, show
from mlops_assets.cli.runs import materialize, stale_stations
from mlops_assets.cli.world import World, console
from mlops_assets.ml.splitting import training_window
from mlops_assets.pipeline import DATA_STATIONS, MODEL_STATIONS, MLPipeline

_DEFAULT_HISTORY = 3
_ROW = 7


def run(name: str, partition: str | None) -> None:
    started = time.monotonic()
    world = World.open()
    pipeline = world.pipeline(name)
    available = pipeline.source.partitions()
    as_of = partition or available[min(_DEFAULT_HISTORY, len(available) - 1)]
    if as_of not in available:
        raise CommandError(f"--partition {as_of}: the source has {', '.join(available)}")
    console.print(Rule(f"[bold]{name}[/]: {pipeline.description}", align="left"))
    console.print(f"{pipeline.source.describe()}. Everything is kept in {world.settings.home}\n")
    for each in [*training_window(available, as_of, pipeline.split.window), as_of]:
        _bring(world, pipeline, DATA_STATIONS, each)
    _bring(world, pipeline, MODEL_STATIONS, as_of)
    world.sagemaker.client()  # hosts again what a stopped server hosted
    closing(world, pipeline, as_of, time.monotonic() - started)


def _bring(world: World, pipeline: MLPipeline, stations: tuple[str, ...], partition: str) -> None:
    stale = stale_stations(world, pipeline, stations, partition)
    if not stale:
        console.print(f"[bold]{partition}[/]  {stations[0]} … {stations[-1]}: up to date")
        return
    console.print(f"[bold]{partition}[/]  {', '.join(stale)}")
    materialize(world, pipeline, stale, partition)


def closing(world: World, pipeline: MLPipeline, as_of: str, seconds: float) -> None:
    """The page that a newcomer reads first."""
    evaluation = world.store.load(EvaluationRecord, pipeline.name, "evaluation", as_of)
    registration = world.store.load(RegistrationRecord, pipeline.name, "registered_model", as_of)
    console.print()
    console.print(Rule(f"[bold]Held-out quality as of {as_of}[/], {evaluation.rows:,} rows", align="left"))
    console.print(_metrics(evaluation))
    prediction = predict(world, pipeline, as_of, _ROW)
    console.print(Rule("[bold]One prediction[/] of the live endpoint", align="left"))
    show(pipeline, prediction)
    console.print(Rule(f"[bold]Ask it yourself[/]: {prediction.url}", align="left"))
    console.print(Syntax(_curl(prediction), "bash", background_color="default", word_wrap=True))
    console.print()
    console.print(Syntax(_boto3(pipeline, prediction), "python", background_color="default", word_wrap=True))
    console.print(Rule("[bold]What next[/]", align="left"))
    console.print(_next(pipeline, as_of, registration))
    console.print(f"\nDone in {seconds:.0f} s.")


def _metrics(evaluation: EvaluationRecord) -> Table:
    columns = {"model": evaluation.metrics, **evaluation.baselines}
    if evaluation.champion_metrics:
        columns["champion"] = evaluation.champion_metrics
    table = Table("", *columns, box=None, pad_edge=False)
    for metric in evaluation.metrics:
        table.add_row(metric, *(f"{values[metric]:.4f}" for values in columns.values()))
    return table


def _curl(prediction: Prediction) -> str:
    body = json.dumps({"instances": [prediction.row]})
    return f"curl -s {prediction.url} -H 'content-type: application/json' \\\n  -d '{body}'"


def _boto3(pipeline: MLPipeline, prediction: Prediction) -> str:
    base = prediction.url.split("/endpoints/")[0]
    return f"""import boto3, json
runtime = boto3.client("sagemaker-runtime", endpoint_url="{base}", region_name="us-east-1",
                       aws_access_key_id="local", aws_secret_access_key="local")
row = {prediction.row}
reply = runtime.invoke_endpoint(EndpointName="{pipeline.slug}", ContentType="application/json",
                                Body=json.dumps({{"instances": [row]}}))
print(reply["Body"].read())"""


def _next(pipeline: MLPipeline, as_of: str, registration: RegistrationRecord) -> Table:
    mlops = program()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("make ui", "the asset graph, its checks, plots and runs in Dagster's UI")
    table.add_row(f"{mlops} invoke {pipeline.name} --partition {as_of} --row 8", "another row")
    table.add_row(f"{mlops} reproduce {registration.package_arn}", "train again, compare bytes")
    table.add_row(f"{mlops} status", "what is running: endpoints, jobs, packages")
    table.add_row(f"{mlops} down", "stop the local SageMaker API and its endpoints")
    table.add_row("docs/tutorial.md", "your own pipeline, in ten minutes")
    return table
