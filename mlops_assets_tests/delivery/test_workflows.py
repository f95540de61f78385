"""GitHub's workflows: no key to steal, nothing that moves under its name, one way to production."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops_assets_tests.delivery.scripts import ROOT
from mlops_assets_tests.deploy.template import FOLDER, parse

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ZIZMOR = Path(sys.executable).with_name("zizmor")


def jobs() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{path.stem}.{name}", job)
        for path in WORKFLOWS
        for name, job in yaml.safe_load(path.read_text())["jobs"].items()
    ]


def unpinned(text: str) -> list[str]:
    """Actions that are named by a tag or a branch; those of this repository are of its commit."""
    used = re.findall(r"uses:\s*(\S+)", text)
    return [u for u in used if not re.fullmatch(r"\$/\S+|[\w./-]+@[0-9a-f]{40}", u)]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_commit(path: Path) -> None:
    """Security demand 6: a tag is moved, and other code runs with our token."""
    assert unpinned(path.read_text()) == []


def test_an_action_by_tag_is_found() -> None:
    """Negative control."""
    assert unpinned("uses: actions/checkout@v5\n") == ["actions/checkout@v5"]
    assert unpinned("uses: actions/checkout@main\n")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_workflow_holds_a_long_lived_key(path: Path) -> None:
    """A key in a repository's secrets outlives whoever made it; OIDC leaves none to steal."""
    assert not re.search(r"secrets\.|AWS_(SECRET_)?ACCESS_KEY", path.read_text())


def test_only_jobs_that_take_a_role_get_a_token() -> None:
    """With the token, any step of a job can be us in AWS."""
    for name, job in jobs():
        asks = job.get("permissions", {}).get("id-token") == "write"
        runs = [step.get("run", "") for step in job.get("steps", [])]
        called = job.get("uses", "").endswith("/release.yml")
        assert asks == (called or "deploy/pipelines/assume-role.sh" in runs), name


# The variable of the role that a job takes: the template of that role, and what its job is.
ROLES = {
    "CI_ROLE_ARN": ("iam.yaml", "CiRole", "environment:${GitHubEnvironment}"),
    "DEPLOY_ROLE_ARN": ("release.yaml", "ReleaserRole", "environment:${GitHubEnvironment}"),
    "BRANCH_ROLE_ARN": ("branches.yaml", "BranchRole", "pull_request"),
}


@pytest.mark.parametrize("variable", ROLES)
def test_a_job_is_whom_its_role_trusts(variable: str) -> None:
    """GitHub's token says the job's environment, else the event or branch: a role that trusts one
    of the three gives nothing to the others, and that is seen first in the account."""
    (job,) = (
        job for _, job in jobs() if f"vars.{variable}" in job.get("env", {}).get("AWS_ROLE_ARN", "")
    )
    template, name, subject = ROLES[variable]
    role = parse(FOLDER / template)["Resources"][name]["Properties"]
    assert f"repo:${{GitHubRepository}}:{subject}" in json.dumps(role["AssumeRolePolicyDocument"])
    assert ("environment" in job) == subject.startswith("environment:")


def test_the_images_job_is_of_the_environment_that_the_role_trusts_unasked() -> None:
    """The iam stack with its defaults, and an environment that no workflow has."""
    deploy = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())["jobs"]
    trusted = parse(FOLDER / "iam.yaml")["Parameters"]["GitHubEnvironment"]["Default"]
    assert deploy["image"]["environment"] == trusted


def test_every_variable_is_written_down_and_no_other() -> None:
    """A variable that nobody knows to set: the release then starts with an empty word."""
    read = {name for path in WORKFLOWS for name in re.findall(r"vars\.(\w+)", path.read_text())}
    rows = re.findall(r"^\| (`[A-Z_`, ]+`) \|", (ROOT / "docs/security.md").read_text(), re.M)
    assert {name for row in rows for name in re.findall(r"\w+", row)} == read
    steps = (ROOT / "docs/deploy.md").read_text()
    assert set(re.findall(r"`(\w+_ROLE_ARN)`", steps)) <= read


def test_by_default_a_workflow_may_only_read() -> None:
    """What is not said is what the repository's settings say, which may be everything."""
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}, path.name


def test_production_comes_after_staging_and_both_after_the_tests() -> None:
    """Nothing reaches production that was not tested, built once and smoke-tested in staging."""
    deploy = yaml.safe_load((ROOT / ".github/workflows/deploy.yml").read_text())["jobs"]
    assert deploy["ci"]["uses"] == "$/.github/workflows/ci.yml"
    assert deploy["image"]["needs"] == "ci"
    assert deploy["staging"]["needs"] == "image"
    assert deploy["production"]["needs"] == ["image", "staging"]
    # The same digests: production runs what staging ran.
    given = [deploy[each]["with"] for each in ("staging", "production")]
    assert [each.pop("environment") for each in given] == ["staging", "production"]
    assert given[0] == given[1]
    release = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]
    assert release["release"]["environment"] == "${{ inputs.environment }}", "that is the approval"
    last = release["release"]["steps"][-1]["run"]
    assert "--smoke" in last
    assert "--alarms" in last


def test_newer_pythons_are_those_that_the_tests_run_in() -> None:
    """make takes the first Python that it finds, 3.11 before others: green, and nothing newer."""
    newer = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["newer"]
    assert newer["env"] == {"PYTHON": "python${{ matrix.python }}"}
    assert "PYTHON ?=" in (ROOT / "Makefile").read_text(), "which reads it"


@pytest.mark.integration
def test_zizmor_finds_nothing_and_would_find_something(tmp_path: Path) -> None:
    """Security demand 6. The control: a title of a pull request in a shell line is an injection."""

    def look(folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ZIZMOR), "--offline", "--no-progress", str(folder)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    clean = look(ROOT / ".github" / "workflows")
    assert clean.returncode == 0, clean.stdout
    planted = tmp_path / ".github" / "workflows"
    planted.mkdir(parents=True)
    (planted / "bad.yml").write_text(
        "on: pull_request\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n"
        '      - run: echo "${{ github.event.pull_request.title }}"\n'
    )
    found = look(planted)
    assert found.returncode != 0
    assert "template-injection" in found.stdout
