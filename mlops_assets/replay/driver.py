"""A replay from its first month to its last: ask, let labels come, let the loop come to rest.

Here: the order of things and what is kept of each month. Not here: any of the parts (`traffic`,
`waiting`, `quality`), nor printing (`cli.replay`). Whatever interrupts it, it goes on where it was:
a month that was played is kept, and one that was asked is not asked again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import pandas as pd

from mlops_assets.assets.monitoring.quality.records import PerformanceRecord
from mlops_assets.assets.monitoring.records import Decision
from mlops_assets.replay import daemon, failures, records, traffic, waiting
from mlops_assets.replay import rows as rows_module
from mlops_assets.replay.daemon import Daemon
from mlops_assets.replay.plan import ReplayError, partitions
from mlops_assets.replay.quality import Answers
from mlops_assets.replay.records import Begun, Model, MonthRecord, Said
from mlops_assets.replay.rows import Month
from mlops_assets.replay.world import World
from mlops_assets.resources.monitoring import decisions
from mlops_assets.resources.records import RecordNotFound
from mlops_assets.sagemaker_local import lifecycle

_CAPTURED_S = 120.0
_FIRST = "first"
_DAWN = pd.Timestamp("1970-01-01", tz="UTC")


@dataclass
class Replay:
    """One replay; ``say`` hears what goes on, ``rest_s``: how long the loop may take to rest."""

    world: World
    say: Callable[[str], None]
    rest_s: float = 900.0
    _counted: dict[str, int] = field(default_factory=dict)

    def play(self) -> Iterator[MonthRecord]:
        """Every month's record, as it is played or was kept.

        Raises:
            ReplayError: something does not come to rest, ended or does not answer.
        """
        world, home = self.world, self.world.settings.home
        _, months = partitions(world.pipeline, world.plan.first, world.plan.last)
        if all(records.load(home, month) for month in months):
            yield from (found for month in months if (found := records.load(home, month)))
            return
        with world.instance as instance:
            try:
                world.sagemaker.client()  # up, with what it hosted: sensors start nothing
                failures.bury(instance)
                with daemon.running(home) as running:
                    kept = frozen = self._start(running)
                    for month in months:
                        found = records.load(home, month)
                        if found is None:
                            found = self._month(running, month, frozen, kept)
                            found.save(home)
                        kept = found.loop
                        yield found
                    self.say("what shows it all comes to rest")
                    self._rest(running, time.time(), all_of_it=True)
            finally:
                lifecycle.stop(world.settings.sagemaker_home)

    def _start(self, running: Daemon) -> Model:
        """History up to the first month, and the model that it makes."""
        world, home = self.world, self.world.settings.home
        if found := records.begun(home, _FIRST):
            return found.serving
        history = [p for p in sorted(world.pipeline.source.partitions()) if p <= world.plan.start]
        self.say(f"{history[0]} to {history[-1]} come in")
        self._advance(history[-1])
        self._rest(running, time.time())
        self._arrived(history, since=0.0)
        self.say("the first model is trained and deployed")
        first = world.serving() or world.train_first()
        self._rest(running, time.time())
        records.Begun(serving=first, decisions=0, at=time.time()).save(home, _FIRST)
        return first

    def _arrived(self, partitions: Sequence[str], *, since: float) -> list[failures.Failed]:
        """The runs that failed meanwhile.

        Raises:
            ReplayError: some of the partitions did not come in; says why.
        """
        failed = failures.since(self.world.instance, since)
        missing = [each for each in partitions if not self.world.arrived(each)]
        if missing:
            said = "; ".join(each.words for each in failed) or "no run brought it"
            raise ReplayError(f"{', '.join(missing)} did not come in: {said}")
        return failed

    def _month(self, running: Daemon, partition: str, frozen: Model, kept: Model) -> MonthRecord:
        world, began = self.world, time.monotonic()
        month = _rows(world, partition)
        asked = month.sample(world.plan.rows)
        begun = records.begun(world.settings.home, partition) or self._ask(asked, partition)
        loop = begun.serving
        sent = self._labels(partition)
        self._advance(partition)
        # From now on: a sensor that looked while labels were written has not seen them all.
        self._rest(running, time.time())
        failed = self._arrived([partition], since=begun.at)
        after = world.serving() or loop
        answers = Answers(world.pipeline, world.store, world.sagemaker.client(), month)
        noise = None
        if loop.arn != kept.arn:
            found = answers.difference(loop.arn, kept.arn)
            noise = (found.value, found.low, found.high)
        return MonthRecord(
            partition=partition,
            asked=len(asked.ids),
            labels_sent=sent,
            labelled=answers.labelled,
            frozen=frozen,
            kept=kept,
            loop=loop,
            after=after,
            metrics={
                name: answers.metrics(model.arn)
                for name, model in (("frozen", frozen), ("kept", kept), ("loop", loop))
            },
            noise=noise,
            served=self._served(partition),
            decided=self._said(partition, begun.decisions, loop, after),
            failed=tuple(
                f"{each.job} {each.partition}: {each.words} (run {each.run_id[:8]})"
                for each in failed
            ),
            seconds=round(time.monotonic() - began, 1),
        )

    def _ask(self, asked: Month, partition: str) -> Begun:
        world, at, decided = self.world, time.time(), len(self._decisions())
        loop = world.serving()
        if loop is None:
            raise ReplayError(f"nothing serves at endpoint {world.pipeline.slug}")
        self.say(f"{len(asked.ids):,} requests of {partition} to version {loop.version}")
        store, prefix = world.store.open(), world.store.uri("captures", world.pipeline.name)
        before = traffic.captured_lines(store, prefix, self._counted)
        traffic.ask(world.sagemaker.runtime(), world.pipeline, asked)
        traffic.until_captured(
            lambda: traffic.captured_lines(store, prefix, self._counted),
            before + len(asked.ids),
            timeout_s=_CAPTURED_S,
        )
        begun = Begun(serving=loop, decisions=decided, at=at)
        begun.save(world.settings.home, partition)
        return begun

    def _labels(self, partition: str) -> int:
        """Upload what became known since the last time, of this partition and the one before."""
        world = self.world
        _, months = partitions(world.pipeline, world.plan.first, world.plan.last)
        place = months.index(partition)
        until, sent = self._due(partition), 0
        for each, since in ((partition, _DAWN), *([(months[place - 1], None)] if place else [])):
            asked = _rows(world, each).sample(world.plan.rows)
            sent += traffic.upload_labels(
                world.store, world.pipeline, asked, since or self._due(each), until
            )
        return sent

    def _due(self, partition: str) -> pd.Timestamp:
        """When a partition is looked at: as late as its labels may be, and before the next ends."""
        window = self.world.pipeline.partitions.window(partition)
        if window is None:
            raise ReplayError(f"{partition} is no window of time")
        late = pd.Timedelta(self.world.pipeline.monitors.performance.labels_within)
        return window[1] + min(late, (window[1] - window[0]) / 2)

    def _advance(self, partition: str) -> None:
        now, due = self.world.clock.now(), self._due(partition)
        if now is None or now < due:
            self.world.clock.advance(due)

    def _rest(self, running: Daemon, since: float, *, all_of_it: bool = False) -> None:
        waiting.until_rest(
            self.world.instance,
            self.world.sensors if all_of_it else self.world.deciding,
            since,
            timeout_s=self.rest_s,
            alive=running.check,
            tell=self.say,
        )

    def _decisions(self) -> list[Decision]:
        return decisions.history(self.world.store, self.world.pipeline.name, Decision)

    def _said(self, partition: str, before: int, loop: Model, after: Model) -> tuple[Said, ...]:
        """What was decided since, and how the model as of the partition was judged."""
        said = [
            Said(what=f"{each.action} ({each.trigger})", words=each.words)
            for each in self._decisions()[before:]
        ]
        verdict = self.world.verdict(partition)
        said += [
            Said(what=f"{gate.name}: {'yes' if gate.passed else 'no'}", words=gate.description)
            for gate in (verdict.gates if verdict else ())
            if gate.name == "beats_champion" or not gate.passed
        ]
        if after.arn != loop.arn:
            words = f"version {after.version}, as of {after.as_of}, serves from now on"
            said.append(Said(what="promoted", words=words))
        elif verdict is not None:
            said.append(Said(what="champion kept", words=f"version {loop.version} goes on serving"))
        return tuple(said)

    def _served(self, partition: str) -> dict[str, float]:
        """The quality of the answers as they were captured."""
        name = self.world.pipeline.name
        try:
            found = self.world.store.load(PerformanceRecord, name, "performance", partition)
        except RecordNotFound:
            return {}
        return {metric: interval.value for metric, interval in found.metrics.items()}


@lru_cache(maxsize=2)
def _rows(world: World, partition: str) -> Month:
    return rows_module.month(world.pipeline, partition)
