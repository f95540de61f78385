"""Station ``load_test``: the cheapest instances that keep the declared promise.

Here: the asset and its page. Not here: measuring (`resources.sagemaker.hosting.load_test`), prices
and the choice (`resources.sagemaker.hosting.cost`).
"""

import dagster as dg
import pandas as pd

from mlops_assets.assets.preview import table
from mlops_assets.assets.records import RegistrationRecord
from mlops_assets.assets.serve import endpoint_spec, held_out
from mlops_assets.assets.station import check, key, station
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import Store
from mlops_assets.resources.sagemaker.hosting.cost import Fleet, fleets, prices
from mlops_assets.resources.sagemaker.hosting.load_test import Measured, measure
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.session import SageMakerResource
from mlops_assets.serving import LoadTest


def build(pipeline: MLPipeline, promise: LoadTest) -> dg.AssetsDefinition:
    @station(
        pipeline,
        "load_test",
        description=(
            f"Which of {', '.join(promise.instance_types)} holds {promise.p99_ms:g} ms (p99) at "
            f"{promise.requests_per_second:g} requests/s for least, by a measured rate per core."
        ),
        kinds={"sagemaker"},
        code_version=pipeline.code_version(measure, fleets, promise),
        deps=[key(pipeline, "registered_model"), key(pipeline, "splits")],
        checks=[check(pipeline, "load_test", "promise_held", "Some fleet keeps the promise.")],
        output_required=False,
    )
    def load_test(
        context: dg.AssetExecutionContext,
        store: Store,
        sagemaker: SageMakerResource,
        placement: dg.ResourceParam[Placement],
    ) -> dg.MaterializeResult:
        as_of = context.partition_keys[-1]
        chosen = store.load(RegistrationRecord, pipeline.name, "registered_model", as_of)
        if chosen.package_arn is None:
            raise dg.Failure(
                f"{pipeline.name}/registered_model[{as_of}] has no package to test: "
                f"{chosen.reason}",
                allow_retries=False,
            )
        package = registry.describe(sagemaker.client(), chosen.package_arn)
        measured = measure(
            sagemaker,
            endpoint_spec(pipeline, store, placement, package.arn),
            held_out(pipeline, store, package).rows,
            p99_ms=promise.p99_ms,
            on_step=context.log.info,
        )
        found = (
            fleets(promise.instance_types, measured.best.per_second, promise.requests_per_second)
            if measured.best
            else []
        )
        return dg.MaterializeResult(
            metadata=_show(promise, measured, found),
            check_results=[_held(promise, measured, found)],
        )

    return load_test


def _held(promise: LoadTest, measured: Measured, found: list[Fleet]) -> dg.AssetCheckResult:
    if not found:
        words = f"no rate held p99 ≤ {promise.p99_ms:g} ms, not even of one caller"
    else:
        words = f"{found[0].count} × {found[0].instance_type}: {found[0].usd_per_hour:.3f} USD/h"
    return dg.AssetCheckResult(
        check_name="promise_held",
        passed=bool(found),
        severity=dg.AssetCheckSeverity.WARN,
        description=words,
    )


def _show(
    promise: LoadTest, measured: Measured, found: list[Fleet]
) -> dict[str, dg.MetadataValue | float | str]:
    points = pd.DataFrame(
        {
            "callers": [p.callers for p in measured.points],
            "requests/s": [f"{p.per_second:.0f}" for p in measured.points],
            "p99 ms": [f"{p.p99_ms:.1f}" for p in measured.points],
            "errors": [p.errors for p in measured.points],
            "limited by": ["callers" if p.caller_bound else "" for p in measured.points],
        }
    )
    shown: dict[str, dg.MetadataValue | float | str] = {"measured on one core": table(points)}
    if measured.best is None:
        return shown
    shown["requests a second and core"] = round(measured.best.per_second, 1)
    shown["cheapest"] = f"{found[0].count} × {found[0].instance_type}"
    shown["fleets"] = table(
        pd.DataFrame(
            {
                "instances": [f"{f.count} × {f.instance_type}" for f in found],
                "holds requests/s": [f"{f.holds_per_second:.0f}" for f in found],
                "USD/h": [f"{f.usd_per_hour:.3f}" for f in found],
                "USD per 1,000": [f"{f.usd_per_thousand:.6f}" for f in found],
            }
        )
    )
    at_least = (
        ", which the callers limited: the endpoint may hold more" * measured.best.caller_bound
    )
    shown["assumptions"] = (
        f"a vCPU is half of the measured core; 70 % of the measured rate is planned with"
        f"{at_least}; on demand prices of {prices().region}, {prices().as_of}: {prices().source}"
    )
    return shown
