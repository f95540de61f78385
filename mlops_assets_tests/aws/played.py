"""Both reference pipelines played through the deployment's world, and what that left.

Here: the order of it all. Not here: each step (reference), what must then be so
(test_reference_pipelines).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_assets_tests.aws import reference
from mlops_assets_tests.aws.fargate import Fargate, fargate
from mlops_assets_tests.aws.guarded import Guarded, finished, guarded_world, start
from mlops_assets_tests.aws.postgres import Cluster
from mlops_assets_tests.aws.reference import DATA, WATCHING, Scene
from mlops_assets_tests.aws.world import Run

DATABASE = "reference"


@dataclass(frozen=True)
class Played:
    """The world after all of it."""

    guarded: Guarded
    tasks: Fargate
    data: list[Run]
    ends: dict[str, str]
    captured: dict[str, set[str]]
    watching: list[Run]
    ticks: dict[str, dict[str, Any]]


@contextmanager
def play(root: Path, postgres: Cluster, scenes: Sequence[Scene]) -> Iterator[Played]:
    """From raw rows to drift of captured ones, and a look of every sensor."""
    with (
        guarded_world(
            root,
            postgres.new_database(DATABASE),
            ecs=True,
            run_queue={"dequeue_interval_seconds": 1},
        ) as made,
        fargate(made) as tasks,
    ):
        guarded = reference.with_tasks(made, tasks)
        data = reference.materialize(guarded, scenes, DATA, since_first=True)
        assert all(run.success for run in data), why(guarded, data)
        # Dagster makes a pool's row at its first claim, and of two at once one fails the run.
        limit = ("instance", "concurrency", "set", "sagemaker_training", "2")
        limited = finished([start(guarded.dagster, "dagster", *limit)])
        assert all(run.success for run in limited), why(guarded, limited)
        ends = reference.train(guarded, tasks, postgres, DATABASE, scenes)
        assert set(ends.values()) == {"SUCCESS"}, f"{guarded.authority.refused} {tasks.said()}"
        asked = {scene.name: reference.ask(guarded, scene) for scene in scenes}
        captured = {
            scene.name: reference.until_captured(guarded, scene, asked[scene.name])
            for scene in scenes
        }
        watching = reference.materialize(guarded, scenes, WATCHING, since_first=False)
        yield Played(guarded, tasks, data, ends, captured, watching, reference.tick(guarded))


def why(guarded: Guarded, runs: list[Run]) -> str:
    """What runs that failed said, and what was refused."""
    said = [run.output[-3000:] for run in runs if not run.success]
    return "\n".join([*guarded.authority.refused, *guarded.authority.unknown, *said])
