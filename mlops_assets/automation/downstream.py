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
}  # fmt: skip
# Made for the first time by something else: what these follow may come before what they need.
AGAIN = frozenset({"drift"})


def condition(
    found: Targets, *names: str, again: bool = False
) -> dg.AutomationCondition[dg.AssetKey]:
    """Once for each change of what is followed, when nothing of it is in progress.

    Args:
        again: only what was made before.
    """
    changed = dg.AutomationCondition.any_deps_updated().allow(found.selection(*names))
    busy = dg.AutomationCondition.any_deps_in_progress().allow(found.selection(*names))
    wanted = changed.since_last_handled() & ~busy & ~dg.AutomationCondition.in_progress()
    if again:
        wanted &= ~dg.AutomationCondition.missing()
    return wanted.with_label(f"after {', '.join(found.existing(*names))}")


def conditioned(found: Targets, assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets, each with the condition of its station."""

    def add(spec: dg.AssetSpec) -> dg.AssetSpec:
        station = spec.key.path[-1]
        names = FOLLOWS.get(station, ())
        if not found.existing(*names):
            return spec
        follows = condition(found, *names, again=station in AGAIN)
        return spec.replace_attributes(automation_condition=follows)

    return [asset.map_asset_specs(add) for asset in assets]


def build(found: Targets) -> dg.AutomationConditionSensorDefinition:
    """Evaluates the conditions of one pipeline's stations."""
    stations = [
        f"{name} after {', '.join(found.existing(*names))}"
        for name, names in FOLLOWS.items()
        if found.existing(name) and found.existing(*names)
    ]
    return dg.AutomationConditionSensorDefinition(
        f"{found.pipeline.name}_downstream",
        target=found.selection(*FOLLOWS),
        minimum_interval_seconds=30,
        description="Re-materializes what shows and judges, for the partitions concerned: "
        + "; ".join(stations)
        + ".",
        tags=found.tags,
        run_tags={**found.tags, "reason": "what it follows has changed"},
        emit_backfills=False,
    )
