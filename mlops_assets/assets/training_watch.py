"""One training while it runs: its metrics told to MLflow, and held against its rules.

Here: what a log line leads to, and what is known of the run. Not here: the rules
(`ml.training_rules`), MLflow (`resources.experiments`), following the job (`resources.sagemaker`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from mlops_assets.assets.artifacts import fetch
from mlops_assets.assets.commit import commit
from mlops_assets.assets.records import SplitRecord
from mlops_assets.checks.results import Verdict
from mlops_assets.ml.training_rules.trained import ClassImbalance
from mlops_assets.ml.training_rules.watch import Finding, Watch
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.datasets import read_split
from mlops_assets.resources.experiments.experiments import Experiments, Recorder
from mlops_assets.resources.experiments.metric_stream import MetricStream
from mlops_assets.resources.experiments.run_log import RunLog, Status
from mlops_assets.resources.experiments.tracking import now_ms
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.logs import LogLine
from mlops_assets.resources.sagemaker.requests import TrainingSpec, encode_hyperparameters
from mlops_assets.resources.sagemaker.training import PipesSageMakerTrainingClient

STATUSES: Mapping[str, Status] = {
    "Completed": "FINISHED",
    "Failed": "FAILED",
    "Stopped": "KILLED",
}
_FIRST_HOST = "algo-1"


@dataclass
class TrainingWatch:
    """Watches the training job of one partition; a listener of its log."""

    pipeline: MLPipeline
    context: dg.AssetExecutionContext
    experiments: Experiments
    spec: TrainingSpec
    split: SplitRecord
    stopped_by: Finding | None = None
    _recorder: Recorder | None = None
    _stream: MetricStream = field(init=False)
    _watch: Watch = field(init=False)

    def train(self, jobs: PipesSageMakerTrainingClient) -> dg.PipesClientCompletedInvocation:
        """The job to its end.

        Raises:
            dagster.Failure: as the client does; with the rule that stopped it, where one did.
        """
        try:
            return jobs.run_spec(context=self.context, spec=self.spec, listener=self)
        except dg.Failure as failure:
            found = self.stopped_by
            if found is None:
                raise
            raise dg.Failure(
                f"{failure.description} The rule {found.rule} stopped it: {found.words}",
                metadata=failure.metadata,
                allow_retries=False,
            ) from None

    def verdict(self, store: Store, artifact_uri: str) -> Verdict:
        """What all rules say of a job that completed."""
        training = self.pipeline.training
        found = {finding.rule: finding.words for finding in self._watch.findings}
        for rule in training.trained_rules:
            if isinstance(rule, ClassImbalance):
                words = rule.judge_labels(self._labels(store))
            else:
                words = rule.judge_importance(_importance(store, artifact_uri))
            if words:
                found[rule.name] = words
        said = "; ".join(f"{name}: {words}" for name, words in found.items())
        return Verdict(not found, said or f"{len(training.rules)} rules found nothing")

    def begins(self, job_name: str) -> None:
        """The job that is followed: created, or adopted; then its log is read from the start."""
        self._stream = MetricStream(self.pipeline.training.metrics)
        self._watch = Watch(self.pipeline.training.stream_rules)
        self.stopped_by = None
        log = run_log(self.pipeline, self.spec, self.split, job_name)
        log.tags["dagster.run"] = self.context.run.run_id
        self._recorder = self.experiments.begin(log)

    def lines(self, lines: Sequence[LogLine]) -> str:
        """New lines of the log; why the job is to be stopped, empty while it is not."""
        # All hosts of a distributed training print the same metrics.
        said = [(line.timestamp, line.text) for line in lines if line.host == _FIRST_HOST]
        points = self._stream.feed(said)
        if self._recorder is not None:
            self._recorder.points(points)
        for found in self._watch.feed((point.metric, point.value) for point in points):
            self.context.log.warning(f"{found.rule}: {found.words}")
            if found.stop and self.stopped_by is None:
                self.stopped_by = found
        stopped = self.stopped_by
        return "" if stopped is None else f"{stopped.rule} found that {stopped.words}"

    def ends(self, status: str) -> None:
        """How the job ended, in SageMaker's words."""
        if self._recorder is None:
            return
        for found in self._watch.findings:
            self._recorder.log.tags[f"rule.{found.rule}"] = found.words
        self._recorder.end(STATUSES.get(status, "FAILED"))
        if self._recorder.run_id:
            self.context.log.info(f"MLflow has it as run {self._recorder.run_id}.")

    def _labels(self, store: Store) -> dict[str, int]:
        train = read_split(store.open(), self.split.dataset_uri, "train")
        counts = train[self.pipeline.label.column].value_counts()
        return {str(label): int(rows) for label, rows in counts.items()}


def _importance(store: Store, artifact_uri: str) -> dict[str, float]:
    """{column: its share of the model's gain}, where the script left it."""
    with fetch(store, artifact_uri) as directory:
        path = directory / "importance.json"
        return dict(json.loads(path.read_bytes())) if path.is_file() else {}


def run_log(pipeline: MLPipeline, spec: TrainingSpec, split: SplitRecord, job_name: str) -> RunLog:
    """What is known of a training before it begins."""
    return RunLog(
        experiment=pipeline.name,
        name=job_name,
        started_ms=now_ms(),
        params=encode_hyperparameters(spec.hyperparameters),
        tags={
            "mlops.pipeline": pipeline.name,
            "mlops.station": spec.asset,
            "mlops.partition": spec.partition,
            "mlops.commit": commit(),
            "mlops.script": pipeline.training.program,
            "mlops.dataset": split.digest,
            "mlops.features_snapshot": str(split.features_snapshot),
            "mlops.trained_on": ", ".join(split.train_partitions),
            "mlops.instance": f"{spec.instance_count} × {spec.instance_type}",
        },
        artifacts={"split.json": split.model_dump_json(indent=1)},
    )
