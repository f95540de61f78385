"""The workflows' own lines, run by the shell as GitHub runs them: on AWS as it can be had here.

Taking the role is test_assume_role.py's, building the images test_images.py's. What would take an
hour (make's targets) or an account (`mlops env`) notes that it was asked, and how.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from mlops_assets_tests.aws_server import REGION, environment
from mlops_assets_tests.delivery.make import prompt
from mlops_assets_tests.delivery.scripts import ROOT
from mlops_assets_tests.delivery.test_stages import STAGES

pytestmark = pytest.mark.integration
STACK, NOWHERE = "mlops-dagster", "http://127.0.0.1:9"
OLD, NEW = "sha256:" + "0a" * 32, "sha256:" + "0b" * 32
DAGSTER = """
Parameters:
  ImageDigest: {Type: String}
  ImageOfJobsDigest: {Type: String}
  UiUrl: {Type: String}
Resources:
  Service: {Type: AWS::SQS::Queue}
Outputs:
  Image: {Description: MLOPS_IMAGE_URI, Value: !Ref ImageDigest}
  Subnets: {Description: MLOPS_SUBNETS, Value: "subnet-a,subnet-b"}
"""


def lines(workflow: str, job: str) -> list[str]:
    """What the job's steps run."""
    jobs = yaml.safe_load((ROOT / ".github/workflows" / workflow).read_text())["jobs"]
    return [step["run"] for step in jobs[job]["steps"] if "run" in step]


class Runner:
    """A checkout with a virtual environment, programs that note what they are asked, and AWS."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.programs = folder / "bin"
        (folder / ".venv/bin").mkdir(parents=True)
        self.programs.mkdir()
        (folder / "deploy").symlink_to(ROOT / "deploy")
        self.program(folder / ".venv/bin/python", f'exec "{sys.executable}" "$@"')
        self.environment = prompt(
            PATH=f"{self.programs}:{os.environ['PATH']}",
            BIN=str(folder / ".venv/bin"),
            LOG=str(self.log),
            RUNNER_TEMP=str(folder),
        )

    def program(self, path: Path, text: str) -> None:
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def run(self, line: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        script = self.folder / "step.sh"
        script.write_text(line)
        return subprocess.run(
            ["bash", "-e", str(script)],
            cwd=cwd or self.folder, env=self.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def said(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


@pytest.mark.parametrize(
    ("job", "targets"),
    [
        ("ci", STAGES),
        ("newer", ["lint-code", "unit", "integration"]),
        ("nightly", ["test-nightly"]),
    ],
)
def test_what_ci_runs_are_targets_that_make_has(
    job: str, targets: list[str], runner: Runner
) -> None:
    """A target renamed in the Makefile alone is missed by the workflow an hour later; a stage's
    name misspelt, by none that looks at the lines as text."""
    make = shutil.which("make")
    assert make is not None
    # `make ci` as it is; of the targets that it and the workflow ask for, that they can be made.
    runner.program(
        runner.programs / "make",
        f"""case "$*" in ci|ci\\ *) exec {make} "$@" ;; esac
        echo "${{@: -1}}" >>"$LOG"
        exec {make} --dry-run "$@" >/dev/null""",
    )
    # In CI, what is missing is installed: here nothing may be.
    runner.environment |= {"CI": "true"}
    for name in ("sudo", "apt-get"):
        runner.program(runner.programs / name, "exit 1")
    (line,) = lines("ci.yml", job)
    done = runner.run(line, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert runner.said() == targets


@pytest.fixture
def deployed(runner: Runner, aws: str) -> Iterator[Any]:
    """A runner that has a role, and an account with Dagster's stack."""
    runner.environment |= environment(aws)
    client = boto3.client(
        "cloudformation", endpoint_url=aws, region_name=REGION,
        aws_access_key_id="a", aws_secret_access_key="b",
    )  # fmt: skip

    def parameters(digest: str) -> list[dict[str, str]]:
        given = {"ImageDigest": digest, "ImageOfJobsDigest": digest, "UiUrl": NOWHERE}
        return [{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()]

    client.create_stack(StackName=STACK, TemplateBody=DAGSTER, Parameters=parameters("none"))
    # moto takes what a stack was created with for what it has, and refuses a way back to that.
    asked = {"StackName": STACK, "ChangeSetName": "first"}
    client.create_change_set(
        **asked, ChangeSetType="UPDATE", UsePreviousTemplate=True, Parameters=parameters(OLD)
    )
    client.execute_change_set(**asked)
    yield client
    client.delete_stack(StackName=STACK)


@pytest.fixture
def images(aws: str) -> Iterator[None]:
    """The account's registry has both images."""
    ecr = boto3.client(
        "ecr", endpoint_url=aws, region_name=REGION,
        aws_access_key_id="a", aws_secret_access_key="b",
    )  # fmt: skip
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    names = ("mlops-assets/dagster", "mlops-assets/sagemaker")
    for name in names:
        ecr.create_repository(repositoryName=name)
        ecr.put_image(repositoryName=name, imageManifest=f'{{"mediaType": "{kind}"}}',
                      imageDigest=NEW)  # fmt: skip
    yield
    for name in names:
        ecr.delete_repository(repositoryName=name, force=True)


def digests(client: Any) -> dict[str, str]:
    (stack,) = client.describe_stacks(StackName=STACK)["Stacks"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("smoke", "status", "now"), [("true", 0, NEW), ("false", 1, OLD)], ids=["stays", "goes back"]
)
def test_a_release_is_smoke_tested_and_stays_or_goes_back(
    smoke: str, status: int, now: str, runner: Runner, deployed: Any
) -> None:
    """Words of a variable that the shell takes apart, or a failed smoke test that ends green."""
    runner.program(runner.programs / "make", f'echo "make $*" >>"$LOG"; {smoke}')
    runner.environment |= {
        "DAGSTER_DIGEST": NEW,
        "SAGEMAKER_DIGEST": NEW,
        "DAGSTER_STACK": STACK,
        "ALARM_ARNS": "",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/mlops-release",
    }
    done = runner.run(lines("release.yml", "release")[-1])
    assert done.returncode == status, done.stderr
    assert runner.said() == ["make smoke"]
    assert digests(deployed) == {"ImageDigest": now, "ImageOfJobsDigest": now, "UiUrl": NOWHERE}
    assert (f"{STACK}: taken back" in done.stderr) == (status == 1)


@pytest.mark.skipif(shutil.which("aws") is None, reason="needs AWS's command line")
def test_the_smoke_test_asks_where_the_stack_says(runner: Runner, deployed: Any) -> None:
    """A release whose UI is not there, and a traceback in place of its address."""
    done = runner.run("deploy/smoke.sh ui", cwd=ROOT)
    assert done.returncode != 0
    assert done.stderr.startswith(f"{NOWHERE} cannot be reached: ")


MLOPS = """echo "mlops $*; $MLOPS_ENV; $MLOPS_IMAGE_URI; $MLOPS_SUBNETS" >>"$LOG" """


@pytest.mark.parametrize(
    ("closed", "asked"), [("false", "env create pr42"), ("true", "env delete pr42 --yes")]
)
def test_a_branch_gets_its_environment_in_the_account(
    closed: str, asked: str, runner: Runner, deployed: Any
) -> None:
    """An environment made on GitHub's machine, for nothing said which account."""
    runner.program(runner.folder / ".venv/bin/mlops", MLOPS)
    runner.environment |= {"NAME": "pr42", "CLOSED": closed}
    done = runner.run(lines("branch.yml", "environment")[-1])
    assert done.returncode == 0, done.stderr
    assert runner.said() == [f"mlops {asked}; aws; {OLD}; subnet-a,subnet-b"]


def test_without_an_answer_no_environment_is_made(runner: Runner) -> None:
    """Green, and nothing made: `eval "$(…)"` goes on after a command that failed."""
    runner.program(runner.folder / ".venv/bin/mlops", MLOPS)
    runner.environment |= {"NAME": "pr42", "CLOSED": "false", **environment(NOWHERE)}
    runner.environment |= {"AWS_MAX_ATTEMPTS": "1"}
    done = runner.run(lines("branch.yml", "environment")[-1])
    assert done.returncode != 0
    assert runner.said() == []
