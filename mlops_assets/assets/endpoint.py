"""Station ``endpoint``: the newest approved model of the run, rolled out, proven and live.

Here: which package goes live, and what is kept of its rollout. Not here: how a rollout is done and
when it counts as right (`resources.sagemaker.rollout`), what is shown of it (`rollout_page`).
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets.assets import rollout_page
from mlops_assets.assets.records import RegistrationRecord, RolloutLine, RolloutRecord, RolloutState
from mlops_assets.assets.serve import endpoint_spec, held_out
from mlops_assets.assets.station import check, key, station
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.records import RecordNotFound, Store
from mlops_assets.resources.sagemaker.hosting.endpoints import serving_package
from mlops_assets.resources.sagemaker.registry import promotion, registry
from mlops_assets.resources.sagemaker.registry.signing import Signing
from mlops_assets.resources.sagemaker.requests import Placement
from mlops_assets.resources.sagemaker.rollout.rollout import Outcome, RolloutFailed, roll_out
from mlops_assets.resources.sagemaker.rollout.rollout_plan import Plan, describe
from mlops_assets.resources.sagemaker.session import SageMakerResource

ROLLOUT, LAST = "rollout", "last"
_POLL_S = {True: 0.25, False: 2.0}


def build(pipeline: MLPipeline) -> dg.AssetsDefinition:
    @station(
        pipeline,
        "endpoint",
        description=(
            f"The live endpoint {pipeline.slug}: the newest approved model, rolled out by "
            f"{describe(pipeline.endpoint.rollout)}."
        ),
        kinds={"sagemaker"},
        code_version=pipeline.code_version(roll_out, pipeline.endpoint),
        deps=[
            key(pipeline, "registered_model"),
            key(pipeline, "splits"),
            # What the container reads must be there, and right, before it is asked.
            *([key(pipeline, "online_features")] if pipeline.endpoint.online else []),
        ],
        checks=[
            check(pipeline, "endpoint", name, words, blocking=name == "answers")
            for name, words in rollout_page.CHECKS.items()
        ],
        output_required=False,
    )
    def endpoint(
        context: dg.AssetExecutionContext,
        store: Store,
        sagemaker: SageMakerResource,
        placement: dg.ResourceParam[Placement],
        signing: Signing,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        # Of a range, the newest: the older ones are a back-test.
        as_of = context.partition_keys[-1]
        chosen = store.load(RegistrationRecord, pipeline.name, "registered_model", as_of)
        if approved := context.run.tags.get(promotion.PACKAGE_TAG):
            # What was approved, whatever was registered for the partition since.
            chosen = chosen.model_copy(update={"package_arn": approved})
        reason = _not_deployed(sagemaker, pipeline, chosen)
        if chosen.package_arn is None or reason:
            context.log.warning(reason)
            for name in rollout_page.CHECKS:
                yield dg.AssetCheckResult(
                    check_name=name,
                    passed=False,
                    severity=dg.AssetCheckSeverity.WARN,
                    description=f"{reason} What served before serves on."
                    if name == "answers"
                    else "Nothing was rolled out.",
                )
            return
        client = sagemaker.client()
        package = registry.describe(client, chosen.package_arn)
        registry.verify(client, store.open(), package, signer=signing)
        diary = _Diary(pipeline, store, context.run.run_id, as_of, package.arn)
        diary.champion_arn = serving_package(client, pipeline.slug)
        try:
            outcome = roll_out(
                sagemaker,
                endpoint_spec(
                    pipeline, store, placement, package.arn, champion_arn=diary.champion_arn
                ),
                held_out(pipeline, store, package, _serving(client, diary.champion_arn)),
                on_step=context.log.info,
                on_plan=diary.begin,
                previous_config=diary.interrupted(),
                objects=store.open(),
                poll_s=_POLL_S[sagemaker.is_local],
            )
        except RolloutFailed as failure:
            diary.end(failure.outcome, "failed")
            yield from rollout_page.results(failure.outcome)
            if _is_the_models_fault(failure.outcome):
                promotion.mark_rolled_back(
                    client, pipeline.slug, package.arn, reason=str(failure)[:400]
                )
            raise dg.Failure(
                f"{package.arn} was not promoted: {failure}",
                metadata=rollout_page.rollout_metadata(pipeline, failure.outcome),
                allow_retries=False,
            ) from failure
        diary.end(outcome, "trial" if outcome.plan.trial else "proven")
        if not outcome.plan.trial:
            promotion.mark_champion(
                client, pipeline.slug, package.arn, reason=f"proven by run {context.run.run_id}"
            )
        arn = serving_package(client, pipeline.slug) or package.arn
        champion = registry.describe(client, arn)
        yield dg.MaterializeResult(
            data_version=dg.DataVersion(outcome.plan.changes[-1].config_name),
            metadata={
                **rollout_page.endpoint_metadata(
                    sagemaker,
                    pipeline,
                    package,
                    client.describe_endpoint(EndpointName=pipeline.slug),
                    champion,
                ),
                "changed": outcome.plan.changed,
                "previous configuration": outcome.previous_config or "none",
                **rollout_page.rollout_metadata(pipeline, outcome),
            },
            check_results=[*rollout_page.results(outcome), rollout_page.serves(champion)],
        )

    return endpoint


def _serving(client: Any, arn: str | None) -> registry.ModelPackage | None:
    """What serves, as far as the registry knows it."""
    try:
        return registry.describe(client, arn) if arn else None
    except registry.RegistryError:
        return None


def _not_deployed(
    sagemaker: SageMakerResource, pipeline: MLPipeline, record: RegistrationRecord
) -> str:
    """Why the model may not serve; empty when it may. Approval is asked of the registry, now."""
    if record.package_arn is None:
        return f"No model passed its gates ({record.reason})."
    package = registry.describe(sagemaker.client(), record.package_arn)
    if package.group != pipeline.slug:
        return f"{package.arn} is of group {package.group}, not of {pipeline.slug}."
    if package.status == "Approved":
        return ""
    return (
        f"{package.arn} is {package.status}: approve it in the registry or with "
        f"`mlops promote {pipeline.name} {package.version}`, then materialize "
        f"endpoint[{record.as_of}]."
    )


def _is_the_models_fault(outcome: Outcome) -> bool:
    """An endpoint that could not be changed says nothing of the model; any other line does."""
    failed = {line.name for line in outcome.verdict.lines if line.status == "failed"}
    return outcome.previous_config is not None and bool(failed - {"health"})


class _Diary:
    """Keeps the record of a rollout, from its plan to its end."""

    def __init__(
        self, pipeline: MLPipeline, store: Store, run_id: str, as_of: str, package_arn: str
    ) -> None:
        self._pipeline = pipeline
        self._store = store
        self._run_id = run_id
        self._as_of = as_of
        self._package_arn = package_arn
        self._started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        self.champion_arn: str | None = None

    def interrupted(self) -> str | None:
        """What served before a rollout of this package that nobody saw the end of."""
        try:
            last = self._store.load(RolloutRecord, self._pipeline.name, ROLLOUT, LAST)
        except RecordNotFound:
            return None
        mine = last.package_arn == self._package_arn and last.state == "running"
        return last.previous_config if mine else None

    def begin(self, plan: Plan) -> None:
        if plan.changed:
            self._save(plan, "running")

    def end(self, outcome: Outcome, state: RolloutState) -> None:
        if outcome.plan.changed or self.interrupted() is not None:
            self._save(outcome.plan, state, outcome)

    def _save(self, plan: Plan, state: RolloutState, outcome: Outcome | None = None) -> None:
        lines = outcome.verdict.lines if outcome else ()
        record = RolloutRecord(
            as_of=self._as_of,
            package_arn=self._package_arn,
            champion_arn=self.champion_arn,
            config=plan.changes[-1].config_name,
            previous_config=outcome.previous_config if outcome else plan.previous_config,
            policy=describe(plan.rollout),
            state=state,
            started=self._started,
            run_id=self._run_id,
            seconds=round(outcome.seconds, 1) if outcome else None,
            steps=outcome.steps if outcome else (),
            lines=tuple(RolloutLine(**vars(line)) for line in lines),
        )
        self._store.save(self._pipeline.name, ROLLOUT, LAST, record)
