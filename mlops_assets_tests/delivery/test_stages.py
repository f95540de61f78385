"""`make ci` is the one thing that GitHub's workflow and CodeBuild run; its stages are all tests."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops_assets_tests.delivery.make import making, prompt
from mlops_assets_tests.delivery.scripts import ROOT

STAGES = [
    "lint-code", "unit", "validate", "materialize", "integration", "templates", "browser", "audit",
]  # fmt: skip


def load(path: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / path).read_text())


def made(steps: list[str]) -> list[str]:
    """Of a list of commands, those that start make."""
    return [step for step in steps if step.startswith("make ")]


def test_both_run_make_ci_and_nothing_else() -> None:
    """A step that one of the two has and the other lacks: green here, red there."""
    build = load("buildspec.yml")
    assert [phase["commands"] for phase in build["phases"].values()] == [["make ci"]]
    job = load(".github/workflows/ci.yml")["jobs"]["ci"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make ci"]
    # GitHub sets CI by itself. Neither lets an audit pass that did not happen (AUDIT).
    assert build["env"]["variables"] == {"CI": "true"}
    assert "env" not in job


def test_what_is_built_is_kept_by_both() -> None:
    """An SBOM that is made and thrown away."""
    build = load("buildspec.yml")
    steps = load(".github/workflows/ci.yml")["jobs"]["ci"]["steps"]
    (kept,) = (step["with"]["path"].split() for step in steps if "path" in step.get("with", {}))
    reports = build["reports"]["tests"]
    assert kept == [
        *build["artifacts"]["files"],
        f"{reports['base-directory']}/{reports['files'][0]}",
    ]
    assert "build/" in (ROOT / ".gitignore").read_text().split()


def test_make_ci_has_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage that fell out of `make ci` is missed by nobody. Seen from `make ci STAGES=…`, too."""
    monkeypatch.setenv("STAGES", "unit")
    assert making("ci").splitlines()[-1].split() == ["deploy/ci.sh", *STAGES]


def test_what_is_checked_on_each_change_is_part_of_it() -> None:
    """`.ci/run` is lint and tests: each command of theirs is in one of the stages."""
    assert made((ROOT / ".ci/run").read_text().splitlines()) == [
        "make --keep-going lint",
        "make test",
    ]

    def commands(*targets: str) -> set[str]:
        found = {
            line.strip().removeprefix("@")
            for line in making(*targets).splitlines()
            if re.match(r"\.venv(-checkov)?/bin/(?!python -m (pip|pytest))", line)
        }
        return {line for line in found if "pip" not in line}

    lint = commands("lint")
    assert any("ruff check" in line for line in lint)
    assert any("zizmor" in line for line in lint)
    assert lint <= commands(*STAGES)


@pytest.mark.parametrize("stage", ["unit", "integration", "templates", "browser"])
def test_each_stage_of_tests_has_a_report_of_its_own(stage: str) -> None:
    """Of two that write to one file, only the last is seen."""
    assert f"--junitxml=build/reports/{stage}.xml" in making(stage)


def pytest_arguments(stage: str) -> list[str]:
    line = next(line for line in making(stage).splitlines() if " -m pytest " in line)
    return re.findall(r'"[^"]*"|\S+', line.split(" -m pytest ", 1)[1])


def test_no_test_is_left_out_between_the_stages() -> None:
    """What neither stage selects is never run: the marks and the folders are complementary."""
    elsewhere = {"mlops_assets_tests/deploy", "mlops_assets_tests/ui"}
    for stage, marks in (
        ("unit", '"not integration and not nightly"'),
        ("integration", '"integration and not nightly"'),
    ):
        given = pytest_arguments(stage)
        assert given[given.index("-m") + 1] == marks
        ignored = {each.removeprefix("--ignore=") for each in given if "--ignore" in each}
        assert ignored == elsewhere
    assert pytest_arguments("templates")[-1] == "mlops_assets_tests/deploy"
    assert pytest_arguments("browser")[-1] == "mlops_assets_tests/ui"
    assert all((ROOT / folder).is_dir() for folder in elsewhere)


def stages(tmp_path: Path, **targets: str) -> subprocess.CompletedProcess[str]:
    """deploy/ci.sh with a Makefile of its own."""
    makefile = tmp_path / "Makefile"
    rules = [f"{name}:\n\t@{recipe}\n" for name, recipe in targets.items()]
    makefile.write_text(".PHONY: " + " ".join(targets) + "\n" + "\n".join(rules))
    return subprocess.run(
        ["deploy/ci.sh", *targets],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=prompt(MAKE=f"make -f {makefile}"),
    )  # fmt: skip


def test_a_stage_that_fails_fails_the_run_and_hides_no_other(tmp_path: Path) -> None:
    """One run tells all that is wrong; and red is red, wherever it was."""
    done = stages(tmp_path, first="false", second="echo still run")
    assert done.returncode == 1
    assert "still run" in done.stdout
    assert re.search(r"first +FAILED.*\nsecond +passed", done.stdout)


def test_all_stages_passed_is_a_pass(tmp_path: Path) -> None:
    """The other way round."""
    assert stages(tmp_path, first="true", second="true").returncode == 0
