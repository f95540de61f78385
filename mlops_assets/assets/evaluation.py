"""Station ``evaluation``: is this model good enough, better than simple, better than the champion?

Here: the asset, its blocking checks and the page that people see. Not here: judging (`judge`).
"""

import dagster as dg

from mlops_assets.assets.champion import champion
from mlops_assets.assets.judge import Judged, judge, metric_function
from mlops_assets.assets.preview import image, metrics_table, slices_table
from mlops_assets.assets.station import check, key, station
from mlops_assets.checks.gates import absolute
from mlops_assets.checks.results import Verdict, combine
from mlops_assets.ml import baselines, metrics, plots
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.session import SageMakerResource

GATES = {
    "quality": "Held-out metrics keep their declared bounds.",
    "beats_baselines": "A simpler model is not better.",
    "beats_champion": "The serving model is not better on the same held-out rows.",
    "no_leak": "The result is not too good to be true.",
}


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @station(
        pipeline,
        "evaluation",
        description=f"Held-out quality of the model; compared by {pipeline.evaluation.primary}.",
        kinds={"onnx"},
        code_version=pipeline.code_version(
            judge,
            absolute,
            metrics.binary,
            baselines.fit_predict,
            pipeline.evaluation,
            pipeline.baselines,
        ),
        deps=[key(pipeline, "model"), key(pipeline, "splits")],
        checks=[
            check(pipeline, "evaluation", name, description, blocking=True)
            for name, description in GATES.items()
        ],
    )
    def evaluation(
        context: dg.AssetExecutionContext, store: Store, sagemaker: SageMakerResource
    ) -> dg.MaterializeResult:
        now = champion(sagemaker.client(), pipeline)
        judged = {p: judge(pipeline, store, p, now) for p in context.partition_keys}
        for partition, result in judged.items():
            store.save(pipeline.name, "evaluation", partition, result.record)
            value = result.record.metrics[pipeline.evaluation.primary]
            context.log.info(f"{partition}: {pipeline.evaluation.primary} {value:.4f}")
        # Older partitions of a range are a back-test: they are shown, the newest is what is gated.
        newest = judged[context.partition_keys[-1]]
        return dg.MaterializeResult(
            metadata=_show(pipeline, judged, newest),
            check_results=[
                combine(
                    gate.name,
                    {newest.record.as_of: Verdict(gate.passed, gate.description)},
                )
                for gate in newest.record.gates
            ],
        )

    return evaluation


def _show(
    pipeline: MLPipeline, judged: dict[str, Judged], newest: Judged
) -> dict[str, dg.MetadataValue | int]:
    measure = metric_function(pipeline)
    shown: dict[str, dg.MetadataValue | int] = {
        "metrics": metrics_table({n: measure(newest.truth, a) for n, a in newest.answers.items()}),
        "holdout rows": newest.record.rows,
    }
    # As numbers, for the plots over partitions: what the model is judged by.
    gated = dict.fromkeys(
        [pipeline.evaluation.primary, *(g.metric for g in pipeline.evaluation.gates)]
    )
    for metric in gated:
        shown[metric] = dg.MetadataValue.float(round(newest.record.metrics[metric], 5))
    if len(judged) > 1:
        shown["as of"] = metrics_table({p: j.record.metrics for p, j in judged.items()})
    if not newest.slices.empty:
        shown["slices"] = slices_table(newest.slices, pipeline.evaluation.primary)
    if newest.importance:
        shown["importance"] = image(plots.importance(newest.importance), "feature importance")
    if pipeline.label.kind == "binary" and len(set(newest.truth)) == 2:
        shown["roc"] = image(
            plots.roc({n: metrics.roc_points(newest.truth, a) for n, a in newest.answers.items()}),
            "ROC",
        )
        shown["calibration"] = image(
            plots.calibration(
                {
                    n: metrics.calibration_points(newest.truth, a, 10)
                    for n, a in newest.answers.items()
                    if n in ("model", "champion")
                }
            ),
            "calibration",
        )
    return shown
