"""`mlops`, as a newcomer uses it: what it prints is true, what it says to run runs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlops_assets_tests import forked
from mlops_assets_tests.diabetes import write_csv

pytestmark = [pytest.mark.integration, pytest.mark.slow]
ROOT = Path(__file__).parents[2]


class Shell:
    """Runs commands in one home."""

    def __init__(self, home: Path) -> None:
        write_csv(home / "csv")
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "DAGSTER_"))},
            # Its tables are there already.
            "MLOPS_TRACKING_URI": os.environ["MLOPS_TRACKING_URI"],
            "MLOPS_HOME": str(home / "home"),
            "MLOPS_PIPELINES": "mlops_assets_tests.cli.tiny",
            "TINY_CSV": str(home / "csv"),
            "COLUMNS": "200",
        }

    def python(self, *arguments: str, fresh: bool = False) -> subprocess.CompletedProcess[str]:
        """``fresh``: by an interpreter that has imported nothing."""
        if not fresh:
            return forked.run(arguments, cwd=ROOT, env=self.environment)
        return subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=self.environment,
        )

    def mlops(self, *arguments: str, fresh: bool = False) -> subprocess.CompletedProcess[str]:
        return self.python(
            "-c", "from mlops_assets.cli import main; main()", *arguments, fresh=fresh
        )


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    shell = Shell(tmp_path_factory.mktemp("cli"))
    yield shell
    shell.mlops("down")


@pytest.fixture(scope="module")
def demo(shell):
    done = shell.mlops("demo", "diabetes", fresh=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_help_is_light_and_names_every_command(shell):
    done = shell.python(
        "-c",
        "import sys; from mlops_assets.cli import app\n"
        "print(sorted({'dagster', 'pandas', 'boto3'} & set(sys.modules)))",
        fresh=True,
    )
    assert done.stdout.strip() == "[]"
    said = shell.mlops("--help", fresh=True).stdout
    for command in (
        "demo", "up", "down", "status", "invoke", "promote", "rollback", "reproduce", "ui",
        "health", "scorecard",
    ):  # fmt: skip
        assert f" {command} " in said


def test_demo_shows_the_model_beside_its_baseline(demo):
    assert re.search(r"rmse +\d+\.\d+ +\d+\.\d+", demo)
    assert "what came true" in demo


def test_the_printed_curl_line_runs_as_it_is(demo, shell):
    line = next(line for line in demo.splitlines() if line.startswith("curl "))
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert len(json.loads(done.stdout)["predictions"]) == 1


def test_the_printed_boto3_lines_run_as_they_are(demo, shell):
    start = demo.index("import boto3")
    snippet = demo[start : demo.index("print(reply", start)] + 'print(reply["Body"].read())'
    done = shell.python("-c", snippet)
    assert "predictions" in done.stdout, done.stderr


def test_the_second_demo_changes_nothing(demo, shell):
    before = shell.mlops("status", fresh=True).stdout
    assert re.search(r"model-package/diabetes/1 +champion", before)
    assert "older" not in before
    again = shell.mlops("demo", "diabetes")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("up to date") == 2
    assert shell.mlops("status").stdout == before


def test_what_comes_next_names_the_report_on_how_it_is_doing(demo, shell):
    """Who has a model that serves asks next whether it is well."""
    assert "mlops health diabetes" in demo
    assert "diabetes_monitoring fills" in demo
    done = shell.mlops("health", "diabetes")
    assert "Serving" in done.stdout, done.stderr


def test_reproduce_gives_the_same_bytes(demo, shell):
    package = re.search(r"arn:aws:sagemaker:\S+model-package/diabetes/\d+", demo)
    assert package
    done = shell.mlops("reproduce", package[0])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "byte for byte" in done.stdout
    assert "differs" not in done.stdout
    card = json.loads(shell.mlops("scorecard", "diabetes", "--json").stdout)
    (line,) = [line for line in card["lines"] if line["id"] == "infrastructure-1"]
    assert line["state"] == "automatic", "what was reproduced is evidence"


@pytest.mark.nightly
def test_down_stops_and_up_hosts_again(demo, shell):
    assert "Stopped" in shell.mlops("down").stdout
    assert "not running" in shell.mlops("status").stdout
    assert "answers at http://127.0.0.1" in shell.mlops("up").stdout
    done = shell.mlops("invoke", "diabetes", "--partition", "all", "--row", "3")
    assert "what came true" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("demo", "nothing"), "there is no pipeline 'nothing'. Declared: "),
        (("demo", "diabetes", "--partition", "some"), "--partition some: the source has all"),
        (("invoke", "diabetes", "--partition", "some"), "no partition some"),
        (("invoke", "diabetes", "--partition", "all", "--row", "9999"), "has rows 0 to 441"),
        (("reproduce", "arn:aws:sagemaker:us-east-1:000000000000:model-package/x/1"), "no model"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(demo, shell, arguments, message):
    done = shell.mlops(*arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_one_line(shell):
    shell.environment["MLOPS_ENV"] = "azure"
    try:
        done = shell.mlops("status")
    finally:
        del shell.environment["MLOPS_ENV"]
    assert done.returncode == 1
    assert done.stderr.startswith("mlops: MLOPS_ENV='azure'")


@pytest.mark.nightly
def test_a_wrong_declaration_is_one_line_and_down_still_stops(shell, tmp_path):
    """A typo in any pipeline must not leave a user with servers that cannot be stopped."""
    (tmp_path / "mistaken.py").write_text(
        "from mlops_assets_tests.diabetes import declare\n"
        "import dataclasses\n"
        "from mlops_assets.pipeline import Label\n"
        "label = Label(column='progres', kind='regression')\n"
        "pipeline = dataclasses.replace(declare('csv'), label=label)\n"
    )
    other = Shell(tmp_path)
    other.environment |= {"MLOPS_PIPELINES": "mistaken", "PYTHONPATH": str(tmp_path)}
    assert other.mlops("up").returncode == 0
    try:
        done = other.mlops("demo", "diabetes")
        assert done.returncode == 1
        assert done.stderr.startswith("mlops: label.column: 'progres' is not a column")
    finally:
        stopped = other.mlops("down")
    assert "Stopped" in stopped.stdout, stopped.stderr


def test_an_empty_source_is_one_line(tmp_path):
    shell = Shell(tmp_path)
    (tmp_path / "csv" / "patients.csv").unlink()
    done = shell.mlops("demo", "diabetes")
    assert done.returncode == 1
    assert "has no data. Put data there" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_demo_does_not_go_round_a_blocking_check(tmp_path):
    """A station whose check stopped the run counts as materialized in Dagster."""
    shell = Shell(tmp_path)
    path = tmp_path / "csv" / "patients.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines + [lines[1]] * 300) + "\n")
    for _ in range(3):
        done = shell.mlops("demo", "diabetes")
        assert done.returncode == 1, done.stdout
        assert "✗ quarantine_share" in done.stdout
        assert "splits" not in done.stdout


@pytest.mark.nightly
def test_manual_approval_says_how_and_the_next_demo_deploys(tmp_path):
    """The printed lines, run as they are, must be all that a person needs."""
    shell = Shell(tmp_path)
    shell.environment["TINY_APPROVAL"] = "manual"
    try:
        waiting = shell.mlops("demo", "diabetes")
        assert waiting.returncode == 0, waiting.stdout + waiting.stderr
        assert "waits for approval" in waiting.stdout
        start = waiting.stdout.index("import boto3")
        lines = waiting.stdout[start : waiting.stdout.index("Or by a word")]
        assert shell.python("-c", lines).returncode == 0
        deployed = shell.mlops("demo", "diabetes")
        assert "what came true" in deployed.stdout, deployed.stdout + deployed.stderr
    finally:
        shell.mlops("down")
