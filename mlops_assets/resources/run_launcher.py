"""Dagster's ECS run launcher, with tasks as large as what they run says, wherever the run is from.

Dagster's own looks at a run's tags alone. Those of a job are there; what a person materializes in
the UI, a backfill, or a condition's request has none. Here: the size by the assets' tags, as the
task is started. Not here: sizes (`run_size`), whose tags those are (`assets.station`).
"""

from collections.abc import Set
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import dagster as dg
from dagster._core.launcher import LaunchRunContext, ResumeRunContext
from dagster_aws.ecs import EcsRunLauncher

from mlops_assets.run_size import TAGS, Size, greatest, of_tags, on_fargate

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.remote_asset_graph import RemoteWorkspaceAssetGraph

_Context = TypeVar("_Context", LaunchRunContext, ResumeRunContext)


class SizedEcsRunLauncher(EcsRunLauncher):
    """Configured like its parent, with a ``task_definition`` that exists.

    A run's own tags come first, then the greatest of its assets', then the task definition.

    Raises:
        NoSuchSize: when a run is launched: a tag is no number, or no task is large enough. Dagster
            fails the run with it.
    """

    def launch_run(self, context: LaunchRunContext) -> None:
        super().launch_run(self._sized(context))

    def resume_run(self, context: ResumeRunContext) -> None:
        super().resume_run(self._sized(context))

    def _sized(self, context: _Context) -> _Context:
        """The same, its run with the tags of its size.

        They are not kept with the run: re-executing it would take them for a person's wish,
        whatever is declared by then.
        """
        run = context.dagster_run
        size = on_fargate(of_tags(run.tags, self._of_assets(context)))
        if size == self._default and run.tags.keys().isdisjoint(TAGS):
            return context
        self._instance.report_engine_event(
            f"Its task has {size.cpu:,} CPU units (1,024 a core) and {size.memory:,} MiB.",
            dagster_run=run,
            cls=type(self),
        )
        return context._replace(dagster_run=run.with_tags({**run.tags, **size.tags}))

    def _of_assets(self, context: LaunchRunContext | ResumeRunContext) -> Size:
        """The most that any asset of the run asks for; one that says nothing, the default.

        What is not known, such as assets of a code location that does not load, says nothing.
        """
        sizes = [self._default]
        if context.workspace is not None:
            graph, run = context.workspace.asset_graph, context.dagster_run
            known = [graph.get(key).tags for key in _assets(run, graph) if graph.has(key)]
            sizes = [of_tags(tags, self._default) for tags in known] or sizes
        return greatest(sizes)

    @cached_property
    def _default(self) -> Size:
        """The task definition's."""
        found = self.ecs.describe_task_definition(taskDefinition=self.task_definition)
        return Size(int(found["taskDefinition"]["cpu"]), int(found["taskDefinition"]["memory"]))


def _assets(run: dg.DagsterRun, graph: "RemoteWorkspaceAssetGraph") -> Set[dg.AssetKey]:
    """Those that a run materializes or checks: what was selected, else its whole job."""
    checks = run.asset_check_selection or frozenset()
    chosen = {*(run.asset_selection or ()), *(check.asset_key for check in checks)}
    return chosen or graph.asset_keys_for_job(run.job_name)
