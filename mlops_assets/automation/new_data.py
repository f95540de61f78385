"""The sensor `new_data`: partitions that appear or change at the source are brought in.

Here: which runs are asked for. Not here: in which order partitions come (`arriving`), whose past
has changed (`looking_back`), reading a source (`assets.raw`), nor training.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from mlops_assets.automation.arriving import Arrival, Step, next_step
from mlops_assets.automation.asking import mark_seen, run_states, under_way
from mlops_assets.automation.looking_back import Whereabouts, outdated
from mlops_assets.automation.targets import Targets
from mlops_assets.pipeline import MLPipeline
from mlops_assets.resources.lake.resource import LakeResource
from mlops_assets.resources.monitoring.begun import Begun
from mlops_assets.resources.records import Store

# What brings rows in; the rest of the data stations makes something of them.
ROWS = ("raw", "clean", "quarantine")
_SHOWN = 5


def build(found: Targets) -> dg.SensorDefinition:
    """Ingests partitions as they appear or change at the source; once a version."""
    pipeline = found.pipeline
    made_of_rows = tuple(name for name in found.data if name not in ROWS)
    stations: Mapping[Step, tuple[str, ...]] = {
        "all": found.data, "rows": ROWS, "features": made_of_rows,
    }  # fmt: skip

    @dg.sensor(
        name=f"{pipeline.name}_new_data",
        target=found.selection(*found.data),
        minimum_interval_seconds=60,
        description=_describe(pipeline),
        tags=found.tags,
    )
    def new_data(
        context: dg.SensorEvaluationContext, store: Store, lake: LakeResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        begun = Begun(store, pipeline.name, "new_data")
        arriving = Arriving(pipeline, begun, context.instance)
        asked, waiting = False, []
        for partition, version in arriving.versions.items():
            arrival = arriving.arrivals[partition]
            step = next_step(arrival, arriving.before(partition))
            if step is None:
                waiting += [partition] * arriving.waits(partition)
                continue
            asked = True
            key = arriving.rows_key(partition) if step == "rows" else arriving.key(partition)
            yield dg.RunRequest(
                run_key=key,
                partition_key=partition,
                asset_selection=[found.key(name) for name in stations[step]],
                tags={"reason": "new data", "source_version": version},
            )
        anew = outdated(pipeline, store, lake.open(), begun, context.instance, arriving.whereabouts)
        for partition, key in anew:
            asked = True
            yield dg.RunRequest(
                run_key=key,
                partition_key=partition,
                asset_selection=[found.key(name) for name in made_of_rows],
                tags={"reason": "rows that its features look back on have changed"},
            )
        if not asked:
            yield dg.SkipReason(arriving.words(waiting))

    return new_data


@dataclass(frozen=True)
class Arriving:
    """What the source has, and how far each partition of it has come in, at one tick."""

    pipeline: MLPipeline
    begun: Begun
    instance: dg.DagsterInstance

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """{declared partition: its version at the source}."""
        declared = set(self.pipeline.partitions.definition.get_partition_keys())
        source = self.pipeline.source
        return {p: source.version(p) for p in source.partitions() if p in declared}

    def key(self, partition: str) -> str:
        return f"{self.pipeline.name}:{partition}:{self.versions[partition]}"

    def rows_key(self, partition: str) -> str:
        return f"{self.key(partition)}:rows"

    @cached_property
    def arrivals(self) -> Mapping[str, Arrival]:
        """Of what has come in long ago, only that: Dagster is asked about the others."""
        mark_seen(map(self.key, self.versions), self.begun, self.instance)
        running = under_way(self.instance)
        unfinished = [
            p for p in self.versions if not self.begun.has(self.key(p)) or self.key(p) in running
        ]
        rows = run_states([self.rows_key(p) for p in unfinished], self.begun, self.instance)
        rest = run_states([self.key(p) for p in unfinished], self.begun, self.instance)
        found = {
            p: Arrival(rows=rows[self.rows_key(p)], rest=rest[self.key(p)]) for p in unfinished
        }
        return {p: found.get(p, Arrival(rest="forgotten")) for p in self.versions}

    def before(self, partition: str) -> list[Arrival]:
        """The partitions that its features look back on and that the source has."""
        if self.arrivals[partition].rest != "none" or not self.pipeline.lookback:
            return []  # nothing of it waits
        wanted = self.pipeline.partitions.before(partition, self.pipeline.lookback)
        return [self.arrivals[p] for p in wanted if p in self.arrivals]

    def waits(self, partition: str) -> bool:
        arrival = self.arrivals[partition]
        return arrival.rest == "none" and arrival.rows not in ("under way", "failed")

    def whereabouts(self, partition: str) -> Whereabouts:
        """Whether its rows can be looked back on."""
        if partition not in self.versions:
            return "here"
        keys = self.key(partition), self.rows_key(partition)
        states = set(run_states(keys, self.begun, self.instance).values())
        if self.arrivals[partition].rest in ("none", "under way"):
            return "broken" if self.arrivals[partition].rows == "failed" else "coming"
        return "broken" if "failed" in states else "here"

    def words(self, waiting: list[str]) -> str:
        """Why nothing is asked for."""
        if not waiting:
            return "Everything that the source has is in, or on its way."
        shown = ", ".join(waiting[:_SHOWN]) + (" …" if len(waiting) > _SHOWN else "")
        return f"Features of {shown} wait for the rows that they look back on."


def _describe(pipeline: MLPipeline) -> str:
    words = (
        f"Watches the source ({pipeline.source.describe()}) and brings new or changed "
        "partitions through raw, clean and features, and compares them with what the model "
        "was trained on."
    )
    if not pipeline.lookback:
        return words
    return (
        f"{words} Features look back {pipeline.lookback}: they are made when the rows before them "
        "are in (rows whose run failed are not waited for), and made anew when those change."
    )
