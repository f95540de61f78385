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
        name=$(echo "$*" | sed 's/.*repository-name \\([^ ]*\\).*imageTag=\\([^ ]*\\).*/\\1:\\2/')
        [ -e "$PUSHED/$name" ] || exit 254
        echo "sha256:of-$name" ;;
    *get-login-password*) echo password ;;
esac
"""
DOCKER = """#!/bin/sh
echo "docker $*" >>"$LOG"
[ "$1" = push ] && touch "$PUSHED/$(basename "$2")"
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


def image(environment: dict[str, str], *targets: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "deploy/pipelines/image.sh"), "c0ffee", *targets],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_what_is_said_is_the_digests_alone(environment: dict[str, str]) -> None:
    """The output becomes variables of the next steps: a line of Docker's would be one too."""
    done = image(environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "DAGSTER_DIGEST=sha256:of-control-plane:c0ffee",
        "SAGEMAKER_DIGEST=sha256:of-image:c0ffee",
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
    assert "PYTHON_DIGEST is not set" in done.stderr
    assert not Path(environment["LOG"]).exists()


def test_images_that_a_declaration_asks_for_are_built_by_name(environment: dict[str, str]) -> None:
    """GPU and Spark images over the tag of the image that serves, or on a base nobody chose."""
    lacking = image(environment, "sagemaker", "emr")
    assert lacking.returncode == 2
    assert "SPARK_REPOSITORY is not set: the target emr needs it" in lacking.stderr
    assert not Path(environment["LOG"]).exists()
    chosen = {
        "SPARK_REPOSITORY": "spark",
        "EMR_BASE_TAG": "8.0.0",
        "EMR_BASE_DIGEST": "sha256:01",
        "GPU_BASE_TAG": "2.13-sagemaker",
        "GPU_BASE_DIGEST": "sha256:02",
    }
    done = image(environment | chosen, "spark", "gpu", "emr")
    assert done.stdout.splitlines() == [
        "SPARK_DIGEST=sha256:of-image:c0ffee-spark",
        "GPU_DIGEST=sha256:of-image:c0ffee-gpu",
        "EMR_DIGEST=sha256:of-spark:c0ffee",
    ]
    built = Path(environment["LOG"]).read_text()
    assert "--build-arg GPU_BASE_TAG=2.13-sagemaker --build-arg GPU_BASE_DIGEST=sha256:02" in built
    assert "--build-arg EMR_BASE_TAG=8.0.0 --build-arg EMR_BASE_DIGEST=sha256:01" in built
    assert built.count("PYTHON_DIGEST=sha256:00") == 1


def test_a_target_that_is_none_is_refused(environment: dict[str, str]) -> None:
    done = image(environment, "serve")
    assert done.returncode == 2
    assert "serve is no target of the Dockerfile" in done.stderr
