"""How large a run's task is: declared with the pipeline, whatever starts the run."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.launcher import LaunchRunContext
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget

from mlops_assets.assets.station import common
from mlops_assets.automation.targets import targets
from mlops_assets.pipeline import DeclarationError
from mlops_assets.pipelines.digits import pipeline
from mlops_assets.run_size import NoSuchSize, Size, of_tags, on_fargate
from mlops_assets_tests.aws.fargate import CLUSTER, daemons_task
from mlops_assets_tests.aws.world import BUCKET, World, configure_dagster, create_bucket
from mlops_assets_tests.aws_server import aws_server

LOCATION = "mlops_assets_tests.aws.sized_location"
LARGE = {"ecs/cpu": "4096", "ecs/memory": "30720"}
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""


def test_the_jobs_and_assets_of_a_pipeline_carry_its_runs_size() -> None:
    """A partition that outgrows the task definition's memory ends each of its runs."""
    declared = dataclasses.replace(pipeline, run_tags={**LARGE, "team": "x"})
    large = targets(declared, [])
    for job in (large.loop_job, large.retraining_job):
        assert (job.tags or {}).items() >= {**LARGE, "pipeline": "digits"}.items()
    assert targets(pipeline, []).loop_job.tags == {"pipeline": "digits"}
    assert common(declared, set())["tags"] == {**LARGE, "pipeline": "digits"}
    assert common(pipeline, set())["tags"] == {"pipeline": "digits"}


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"ecs/memory": "30 GB"}, r"the tag ecs/memory is '30 GB': give a whole number \(MiB\)"),
        ({"ecs/cpu": "0"}, r"the tag ecs/cpu is '0'"),
        ({"ecs/memory": "122881"}, "more than a task of Fargate has: at most 16384 and 122880"),
    ],
)
def test_a_size_that_no_task_has_is_refused_when_it_is_declared(tags, words) -> None:
    """Otherwise it is found at the first run, by whoever is there then."""
    with pytest.raises(DeclarationError, match=f"run_tags: .*{words}"):
        dataclasses.replace(pipeline, run_tags=tags)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ((1, 1), (256, 512)),
        ((256, 1025), (256, 2048)),
        ((256, 2049), (512, 3072)),
        ((2048, 8192), (2048, 8192)),
        ((2048, 30720), (4096, 30720)),
        ((4097, 1), (8192, 16384)),
        ((8192, 16385), (8192, 20480)),
        ((16384, 32769), (16384, 40960)),
    ],
)
def test_a_size_is_rounded_up_to_one_that_exists(asked, given) -> None:
    """RunTask refuses all others, and the run is lost."""
    assert on_fargate(Size(*asked)) == Size(*given)
    assert on_fargate(Size(*given)) == Size(*given)


def test_what_is_no_number_is_named() -> None:
    with pytest.raises(NoSuchSize, match=r"ecs/cpu is '٣'"):
        of_tags({"ecs/cpu": "٣"}, Size(1, 1))


@dataclass(frozen=True)
class Ecs:
    """A daemon of the deployment's image, as far as it starts runs."""

    admin: World
    instance: dg.DagsterInstance
    workspace: WorkspaceProcessContext

    def materialize(self, *assets: str, job: str = "__ASSET_JOB", **tags: str) -> str:
        """As the UI does it; the run's id."""
        from dagster_graphql.test.utils import execute_dagster_graphql

        params = {
            "selector": {
                "repositoryLocationName": LOCATION,
                "repositoryName": "__repository__",
                "pipelineName": job,
                "assetSelection": [{"path": [name]} for name in assets] or None,
            },
            "mode": "default",
            "executionMetadata": {
                "tags": [{"key": f"ecs/{key}", "value": each} for key, each in tags.items()]
            },
        }
        answer = execute_dagster_graphql(
            self.workspace.create_request_context(), LAUNCH, variables={"params": params}
        ).data["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        run_id: str = answer["run"]["runId"]
        return run_id

    def dequeue(self, workspace: WorkspaceProcessContext | None = None) -> None:
        """One look of the daemon at the queue."""
        from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
            QueuedRunCoordinatorDaemon,
        )

        with QueuedRunCoordinatorDaemon(interval_seconds=1) as daemon:
            list(daemon.run_iteration(workspace or self.workspace))

    def size(self, run_id: str) -> tuple[str | None, str | None]:
        """What RunTask was asked for beside the task definition, for a run."""
        arn = self._tags(run_id)["ecs/task_arn"]
        tasks = self.admin.client("ecs").describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"]
        overrides = tasks[0]["overrides"]
        (container,) = overrides["containerOverrides"]
        found = (overrides.get("cpu"), overrides.get("memory"))
        assert found == tuple(
            str(container[key]) if key in container else None for key in ("cpu", "memory")
        )
        return found

    def _tags(self, run_id: str) -> Any:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.tags


@pytest.fixture(scope="module")
def ecs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ecs]:
    root = tmp_path_factory.mktemp("sizes")
    configure_dagster(root, ecs=True, concurrency={"runs": {"max_concurrent_runs": 50}})
    with aws_server() as moto, pytest.MonkeyPatch.context() as patch:
        admin = World(root, moto)
        create_bucket(admin.client("s3"), admin.client("kms").create_key()["KeyMetadata"]["Arn"])
        roles = {
            name: f"arn:aws:iam::1:role/{name}" for name in ("DagsterRole", "TaskExecutionRole")
        }
        with daemons_task(admin, roles) as (_, variables):
            world = replace(admin, settings={"MLOPS_BUCKET": BUCKET}, extra=variables)
            for name, each in world.environment.items():
                patch.setenv(name, each)
            with (
                dg.DagsterInstance.from_config(str(root / "dagster")) as instance,
                WorkspaceProcessContext(instance, _target()) as workspace,
            ):
                yield Ecs(admin, instance, workspace)


def _target() -> ModuleTarget:
    return ModuleTarget(
        module_name=LOCATION, attribute=None, working_directory=None, location_name=LOCATION
    )


@pytest.mark.integration
@pytest.mark.nightly
@pytest.mark.parametrize(
    ("assets", "tags", "size"),
    [
        (["usual"], {}, (None, None)),
        (["small"], {}, ("256", "512")),
        (["small", "usual"], {}, (None, None)),
        (["wide"], {}, ("4096", "18432")),
        (["quick", "wide", "small"], {}, ("4096", "18432")),
        # A person's own wish.
        (["wide"], {"memory": "6000"}, ("2048", "6144")),
    ],
)
def test_what_the_ui_materializes_gets_the_size_of_its_assets(
    ecs: Ecs, assets: Sequence[str], tags: dict[str, str], size: tuple[str | None, str | None]
) -> None:
    """The task definition's size, in which a partition that is known to be large ends its run."""
    run = ecs.materialize(*assets, **tags)
    ecs.dequeue()
    assert ecs.size(run) == size


@pytest.mark.integration
@pytest.mark.nightly
def test_a_job_without_tags_gets_it_too(ecs: Ecs) -> None:
    run = ecs.materialize(job="both")
    ecs.dequeue()
    assert ecs.size(run) == ("4096", "18432")


@pytest.mark.integration
@pytest.mark.nightly
def test_dagsters_own_launcher_gives_it_the_default(ecs: Ecs) -> None:
    """Negative control: without ours, the tags of assets say nothing."""
    from dagster_aws.ecs import EcsRunLauncher

    run_id = ecs.materialize("wide")
    run = ecs.instance.get_run_by_id(run_id)
    assert run is not None
    launcher: Any = ecs.instance.run_launcher
    EcsRunLauncher.launch_run(
        launcher, LaunchRunContext(run, ecs.workspace.create_request_context())
    )
    assert ecs.size(run_id) == (None, None)
    ecs.instance.report_run_canceled(run)


@pytest.mark.integration
@pytest.mark.nightly
def test_a_run_that_no_task_can_hold_fails_and_says_why(ecs: Ecs) -> None:
    """RunTask's own refusal names no asset, no tag and no remedy."""
    run_id = ecs.materialize("impossible")
    ecs.dequeue()
    run = ecs.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.status == dg.DagsterRunStatus.FAILURE
    logs = str(ecs.instance.all_logs(run_id))
    assert "ecs/memory 200000 is more than a task of Fargate has" in logs


@pytest.mark.integration
@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore:Error loading repository location:UserWarning")
def test_a_code_location_that_does_not_load_stops_no_launch(
    ecs: Ecs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad deployment while runs are queued: they get a task, of the task definition's size."""
    run = ecs.instance.get_run_by_id(ecs.materialize("wide"))
    assert run is not None
    monkeypatch.setenv("SIZED_LOCATION", "broken")
    with WorkspaceProcessContext(ecs.instance, _target()) as broken:
        entry = broken.create_request_context().get_code_location_entries()[LOCATION]
        assert entry.load_error is not None
        for workspace in (broken.create_request_context(), None):
            ecs.instance.run_launcher.launch_run(LaunchRunContext(run, workspace))
            assert ecs.size(run.run_id) == (None, None)
    ecs.instance.report_run_canceled(run)


@pytest.mark.integration
@pytest.mark.nightly
def test_the_launcher_is_light_and_of_no_beta() -> None:
    """Daemon and webserver load it when they start, and a warning of theirs is in every log."""
    script = (
        "import sys, mlops_assets.resources.run_launcher\n"
        "print([n for n in sys.modules if n.startswith(('mlops_assets.', 'pandas', 'pyarrow'))])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(
        ["mlops_assets.resources", "mlops_assets.run_size", "mlops_assets.resources.run_launcher"]
    )
