"""Building the images of a commit, with `docker` and `aws` that only note what they are asked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlops_assets_tests.delivery.scripts import ROOT

AWS = """#!/bin/sh
echo "aws $*" >>"$LOG"
case "$*" in
    *describe-images*)
        name=$(echo "$*" | sed 's/.*repository-name \\([^ ]*\\).*/\\1/')
        [ -e "$PUSHED/$name" ] || exit 254
        echo "sha256:of-$name" ;;
    *get-login-password*) echo password ;;
esac
"""
DOCKER = """#!/bin/sh
echo "docker $*" >>"$LOG"
[ "$1" = push ] && touch "$PUSHED/$(basename "${2%:*}")"
[ "$1" = login ] && cat >/dev/null
echo "noise of docker"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    programs = tmp_path / "bin"
    (tmp_path / "pushed").mkdir()
    programs.mkdir()
    for name, text in (("aws", AWS), ("docker", DOCKER)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "LOG": str(tmp_path / "log"),
        "PUSHED": str(tmp_path / "pushed"),
        "REGISTRY": "123456789012.dkr.ecr.us-east-1.amazonaws.com",
        "CONTROL_PLANE_REPOSITORY": "control-plane",
        "IMAGE_REPOSITORY": "image",
        "PYTHON_DIGEST": "sha256:00",
    }


def image(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "deploy/pipelines/image.sh"), "c0ffee"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_what_is_said_is_the_digests_alone(environment: dict[str, str]) -> None:
    """The output becomes variables of the next steps: a line of Docker's would be one too."""
    done = image(environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "DAGSTER_DIGEST=sha256:of-control-plane",
        "SAGEMAKER_DIGEST=sha256:of-image",
    ]
    log = Path(environment["LOG"]).read_text()
    assert log.count("docker build") == 2
    assert log.count("--build-arg REVISION=c0ffee") == 2
    assert "--target sagemaker --tag 123456789012.dkr.ecr.us-east-1.amazonaws.com/image:c0ff" in log


def test_a_commit_is_built_once(environment: dict[str, str]) -> None:
    """Security demand 4: what passed the tests under a tag is not replaced by another build."""
    image(environment)
    Path(environment["LOG"]).unlink()
    again = image(environment)
    assert again.returncode == 0, again.stderr
    assert "sha256:of-image" in again.stdout
    assert "build" not in Path(environment["LOG"]).read_text()


def test_a_missing_variable_is_named(environment: dict[str, str]) -> None:
    """Without the digest, Docker would take whatever `python:3.11` is today."""
    del environment["PYTHON_DIGEST"]
    done = image(environment)
    assert done.returncode != 0
    assert "PYTHON_DIGEST: is not set" in done.stderr
