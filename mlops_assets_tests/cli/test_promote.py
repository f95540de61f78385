"""`mlops promote`: a second person where approval is manual, and the end of an A/B test."""

import subprocess

import pytest

from mlops_assets.resources.sagemaker.hosting.endpoint_spec import CHALLENGER
from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets_tests.cli.promotions import Served, deployed, materialized_endpoint, shell_path
from mlops_assets_tests.cli.test_commands import Shell

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.mark.nightly
def test_where_approval_is_manual_it_takes_somebody_else(tmp_path) -> None:
    """Security demand 12. On one's own machine one may, and the registry keeps that one did."""
    shell = Shell(tmp_path)
    git = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.email"}
    shell.environment |= {"TINY_APPROVAL": "manual", **git, "GIT_CONFIG_VALUE_0": "ada@example.com"}
    try:
        waiting = shell.mlops("demo", "diabetes")
        assert "waits for approval" in waiting.stdout, waiting.stdout + waiting.stderr
        package = registry.describe(Served(shell).client, "diabetes/1")
        assert (package.state, package.trained_by) == ("candidate", "ada@example.com")
        refused = shell.mlops("promote", "diabetes")
        assert refused.returncode == 1
        assert "ada@example.com trained version 1 (as of all): somebody else" in refused.stderr
        own = shell.mlops("promote", "diabetes", "--self-approve")
        assert own.returncode == 0, own.stderr
        decision = registry.describe(Served(shell).client, "diabetes/1").decision
        assert decision == "approved by ada@example.com (who trained it)"
        shell.environment["GIT_CONFIG_VALUE_0"] = "bob@example.com"
        second = shell.mlops("promote", "diabetes", "1", "--reason", "looked at the slices")
        assert second.returncode == 0, second.stderr
        assert "The sensor diabetes_approval starts its rollout" in second.stdout
        line = next(line for line in second.stdout.splitlines() if line.startswith("dagster asset"))
        done = subprocess.run(
            ["bash", "-c", line.replace("dagster", "python -m dagster", 1)],
            capture_output=True, text=True, check=False, env=shell.environment | shell_path(),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        found = registry.describe(Served(shell).client, "diabetes/1")
        assert found.state == "champion"
        assert found.decision == "approved by bob@example.com: looked at the slices"
    finally:
        shell.mlops("down")


@pytest.mark.nightly
def test_an_ab_test_is_ended_for_either_side_by_one_command(tmp_path) -> None:
    """Until a person decides, both serve; afterwards one does, and the registry says which."""
    shell = Shell(tmp_path)
    shell.environment["TINY_ROLLOUT"] = "ab"
    served = Served(shell)
    try:
        deployed(shell, rounds=10)
        deployed(shell, rounds=40)
        assert (served.version(), served.version(CHALLENGER)) == (1, 2)
        assert served.states() == ["champion", "approved"], "a trial is no promotion"
        back = shell.mlops("rollback", "diabetes", "--reason", "complaints")
        assert back.returncode == 0, back.stdout + back.stderr
        assert (served.version(), served.version(CHALLENGER)) == (1, 0)
        assert served.states() == ["champion", "rolled-back"]
        assert shell.mlops("promote", "diabetes", "2").returncode == 0
        again = materialized_endpoint(shell)
        assert again.returncode == 0, again.stdout + again.stderr
        assert (served.version(), served.version(CHALLENGER)) == (1, 2)
        done = shell.mlops("promote", "diabetes", "--reason", "fewer complaints")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "The A/B test is over: version 2 (as of all) gets all traffic" in done.stdout
        assert (served.version(), served.version(CHALLENGER)) == (2, 0)
        assert served.states() == ["previous", "champion"]
    finally:
        shell.mlops("down")
