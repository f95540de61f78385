"""What re-materializes by declaration: the stations that judge and show what others have measured.

Each gets an automation condition; the sensor `downstream` evaluates them. Here: which station
follows what. Not here: what follows from new files (`captures`, `labels`), which is asked for by
partition and version.
"""

from collections.abc import Mapping

import dagster as dg

from mlops_assets.automation.targets import Targets

# {station: what it follows}. Partitioned stations follow for the partitions concerned only.
FOLLOWS: Mapping[str, tuple[str, ...]] = {
    "bias": ("captures",),
    "explanation": ("captures",),
    "label_queue": ("captures",),
    # Its part about the answers; the one about the features comes with them, in their run.
    "drift": ("served_profile",),
    "audit": ("model",),
    "staleness": ("model",),
    "health": (
        "drift", "skew", "performance", "bias", "explanation", "staleness", "endpoint",
    ),
    "scorecard": ("health", "audit", "evaluation"),
    # Where the declaration says so (`follows`).
    "predictions": ("features",),
}  # fmt: skip
# Made for the first time by something else: what these follow may come before what they need.
AGAIN = frozenset({"drift"})
# {station: what must have been made at least once before}.
NEEDS: Mapping[str, str] = {"predictions": "endpoint"}


def follows(found: Targets) -> Mapping[str, tuple[str, ...]]:
    """What re-materializes by itself in this pipeline."""
    batch = found.pipeline.batch
    left_out = () if batch is not None and batch.automatic else ("predictions",)
    return {name: after for name, after in FOLLOWS.items() if name not in left_out}


def condition(
    found: Targets, *names: str, again: bool = False, needs: str | None = None
) -> dg.AutomationCondition[dg.AssetKey]:
    """Once for each change of what is followed, when nothing of it is in progress.

    Args:
        again: only what was made before.
        needs: a station that must have been made, for any of the partitions that this one sees.
    """
    changed = dg.AutomationCondition.any_deps_updated().allow(found.selection(*names))
    busy = dg.AutomationCondition.any_deps_in_progress().allow(found.selection(*names))
    wanted = changed.since_last_handled() & ~busy & ~dg.AutomationCondition.in_progress()
    if again:
        wanted &= ~dg.AutomationCondition.missing()
    if needs is not None:
        there = dg.AutomationCondition.any_deps_match(~dg.AutomationCondition.missing())
        wanted &= there.allow(found.selection(needs))
    return wanted.with_label(f"after {', '.join(found.existing(*names))}")


def conditioned(found: Targets, assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets, each with the condition of its station."""

    wanted = follows(found)

    def add(spec: dg.AssetSpec) -> dg.AssetSpec:
        station = spec.key.path[-1]
        names = wanted.get(station, ())
        if not found.existing(*names):
            return spec
        after = condition(found, *names, again=station in AGAIN, needs=NEEDS.get(station))
        return spec.replace_attributes(automation_condition=after)

    return [asset.map_asset_specs(add) for asset in assets]


def build(found: Targets) -> dg.AutomationConditionSensorDefinition:
    """Evaluates the conditions of one pipeline's stations."""
    stations = [
        f"{name} after {', '.join(found.existing(*names))}"
        for name, names in follows(found).items()
        if found.existing(name) and found.existing(*names)
    ]
    return dg.AutomationConditionSensorDefinition(
        f"{found.pipeline.name}_downstream",
        target=found.selection(*follows(found)),
        minimum_interval_seconds=30,
        description="Re-materializes what shows and judges, for the partitions concerned: "
        + "; ".join(stations)
        + ".",
        tags=found.tags,
        run_tags={**found.tags, "reason": "what it follows has changed"},
        emit_backfills=False,
    )
