"""Fargate for tests: runs the command of each task that somebody starts in moto's ECS.

Here: a cluster with the task definitions of deploy/cloudformation/dagster.yaml, the task that the
daemon is in, its metadata endpoint, and a thread that does what Fargate does with new tasks. Not
here: what the tasks do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mlops_assets_tests.aws.guarded import Guarded
from mlops_assets_tests.aws.world import World
from mlops_assets_tests.aws_server import REGION
from mlops_assets_tests.deploy.template import platform

CLUSTER = "mlops"
_POLL_S = 0.3


@dataclass
class Fargate:
    """``tasks``: what RunTask was asked for, as DescribeTasks tells it, by the task's ARN."""

    variables: dict[str, str]
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Path] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def said(self) -> str:
        """The ends of all tasks' logs, for a test that fails."""
        return "\n".join(path.read_text()[-3000:] for path in self.outputs.values())


@contextmanager
def fargate(guarded: Guarded) -> Iterator[Fargate]:
    """A cluster whose tasks run as processes of the world, with the role that they are given.

    ``variables`` are what a container finds there: the address of its metadata, and the name of the
    run's task definition.
    """
    with daemons_task(guarded.admin, guarded.authority.place.roles) as (own, variables):
        made, over = Fargate(variables), threading.Event()
        arguments = (guarded, made, own, over)
        thread = threading.Thread(target=_run_tasks, args=arguments, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            over.set()
            thread.join()
            for process in made.running.values():
                process.kill()
                process.wait()


def tags_of(task: dict[str, Any]) -> dict[str, str]:
    """A task's tags, as DescribeTasks tells it."""
    return {tag["key"]: tag["value"] for tag in task["tags"]}


@contextmanager
def daemons_task(admin: World, roles: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The cluster, and the ARN of the daemon's task in it with the variables that it finds there.

    Args:
        roles: ARNs by the templates' names.
    """
    ecs, network = admin.client("ecs"), _network(admin)
    ecs.create_cluster(clusterName=CLUSTER)
    for resource in ("DaemonTask", "RunTask"):
        _register(ecs, resource, roles)
    own = ecs.run_task(
        cluster=CLUSTER,
        taskDefinition=f"{CLUSTER}-daemon",
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
    )["tasks"][0]
    with _metadata({"Cluster": own["clusterArn"], "TaskARN": own["taskArn"]}) as url:
        yield (
            own["taskArn"],
            {
                "ECS_CONTAINER_METADATA_URI_V4": url,
                "DAGSTER_RUN_TASK_DEFINITION": f"{CLUSTER}-run",
            },
        )


def _run_tasks(guarded: Guarded, made: Fargate, own: str, over: threading.Event) -> None:
    ecs = guarded.admin.client("ecs")
    while not over.wait(_POLL_S):
        listed = ecs.list_tasks(cluster=CLUSTER, desiredStatus="RUNNING")["taskArns"]
        new = [arn for arn in listed if arn != own and arn not in made.tasks]
        found = _described(ecs, new)
        for task in found:
            _start(guarded.dagster, made, task)
        for arn, process in list(made.running.items()):
            if process.poll() is not None:
                del made.running[arn]
                ended = f"Essential container in task exited: exit status {process.returncode}"
                ecs.stop_task(cluster=CLUSTER, task=arn, reason=ended)
            elif arn not in listed:
                process.terminate()  # somebody called StopTask


def _described(ecs: Any, tasks: list[str]) -> list[dict[str, Any]]:
    if not tasks:
        return []
    asked = ecs.describe_tasks(cluster=CLUSTER, tasks=tasks, include=["TAGS"])
    found: list[dict[str, Any]] = asked["tasks"]
    return found


def _start(world: World, made: Fargate, task: dict[str, Any]) -> None:
    arn = task["taskArn"]
    (container,) = task["overrides"]["containerOverrides"]
    program, *arguments = container["command"]
    assert program == "dagster", "a verb of the image's entry point"
    made.tasks[arn] = task
    made.outputs[arn] = world.root / f"task-{arn.rpartition('/')[2]}.log"
    with made.outputs[arn].open("wb") as log:
        made.running[arn] = subprocess.Popen(
            [sys.executable, "-m", "dagster", *arguments],
            env={**world.environment, **made.variables},
            cwd=world.root,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _register(ecs: Any, resource: str, roles: Mapping[str, str]) -> None:
    """As the stack makes it, as far as moto and the run launcher look at it."""
    template = platform()["Resources"][resource]["Properties"]
    (container,) = template["ContainerDefinitions"]
    ecs.register_task_definition(
        family=template["Family"]["Fn::Sub"].replace("${ClusterName}", CLUSTER),
        requiresCompatibilities=template["RequiresCompatibilities"],
        networkMode=template["NetworkMode"],
        cpu=template["Cpu"],
        memory=template["Memory"],
        taskRoleArn=roles["DagsterRole"],
        executionRoleArn=roles["TaskExecutionRole"],
        containerDefinitions=[
            {
                "name": container["Name"],
                "image": "dagster@sha256:0",
                "memory": int(template["Memory"]),  # of all its containers, which moto adds up
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": f"/mlops/{CLUSTER}/tasks",
                        "awslogs-region": REGION,
                        "awslogs-stream-prefix": container["Name"],
                    },
                },
            }
        ],
    )


def _network(admin: World) -> dict[str, Any]:
    ec2 = admin.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    # As in network.yaml: without it, moto's interfaces have no name, and its tasks do not start.
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="tasks", Description="tasks", VpcId=vpc)
    return {
        "subnets": [subnet],
        "securityGroups": [group["GroupId"]],
        "assignPublicIp": "DISABLED",
    }


@contextmanager
def _metadata(document: dict[str, str]) -> Iterator[str]:
    """ECS's task metadata endpoint, version 4: who asks is in this task."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: the tests' output is for what fails."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
