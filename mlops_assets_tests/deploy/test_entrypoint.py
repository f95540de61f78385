"""The image's entrypoint, run as the image runs it but for Docker: by sh, with the verb."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENTRYPOINT = Path(__file__).resolve().parents[2] / "deploy" / "docker" / "entrypoint.sh"


def _run(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    bin_directory = path or Path(sys.executable).parent
    return subprocess.run(
        ["sh", str(ENTRYPOINT), *arguments],
        env={"PATH": f"{bin_directory}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("arguments", [(), ("bash",), ("python", "-c", "1")])
def test_unknown_verb_is_refused(arguments: tuple[str, ...]) -> None:
    """An image that runs whatever it is told to."""
    result = _run(*arguments)
    assert result.returncode == 64
    assert f"there is no verb '{arguments[0] if arguments else ''}'" in result.stderr


@pytest.fixture
def echoing(tmp_path: Path) -> Path:
    """A bin directory whose commands say their process id and how they were called."""
    for name in ("python", "dagster", "dagster-daemon", "dagster-webserver"):
        command = tmp_path / name
        command.write_text(f'#!/bin/sh\necho "{name} $*"\nexit 7\n')
        command.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        (("train",), "python -m mlops_assets.containers train"),
        (("serve",), "python -m mlops_assets.containers serve"),
        (("dagster", "api", "grpc"), "dagster api grpc"),
        (("dagster-daemon", "run"), "dagster-daemon run"),
        (("dagster-webserver", "--read-only"), "dagster-webserver --read-only"),
    ],
)
def test_verb_runs_its_command(echoing: Path, arguments: tuple[str, ...], called: str) -> None:
    """A verb that SageMaker or ECS calls, wired to the wrong command; a lost exit status."""
    result = _run(*arguments, path=echoing)
    assert result.stdout.strip() == called
    assert result.returncode == 7


def test_verbs_replace_the_shell(tmp_path: Path) -> None:
    """A shell that stays the first process and keeps SIGTERM to itself."""
    command = tmp_path / "dagster"
    command.write_text("#!/bin/sh\necho $$\n")
    command.chmod(0o755)
    with subprocess.Popen(
        ["sh", str(ENTRYPOINT), "dagster"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said, _ = process.communicate(timeout=60)
    assert int(said) == process.pid


@pytest.mark.integration
def test_train_reports_a_missing_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verb reaches the real container code: a job without configuration fails and says why."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    result = subprocess.run(
        ["sh", str(ENTRYPOINT), "train"],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode != 0
    assert (tmp_path / "output" / "failure").read_text()
