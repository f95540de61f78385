"""Dagster's instance: both files load, and they differ only where a deployment must."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / "dagster.yaml"
IMAGE = ROOT / "deploy" / "docker" / "dagster.yaml"
OF_THE_DEPLOYMENT = {
    "storage", "compute_logs", "local_artifact_storage", "run_launcher", "python_logs",
}  # fmt: skip


def _validated(path: Path, home: Path) -> dict[str, Any]:
    shutil.copyfile(path, home / "dagster.yaml")
    return dict(dagster_instance_config(str(home))[0])


@pytest.mark.parametrize("path", [LOCAL, IMAGE], ids=["local", "image"])
def test_config_is_valid(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt section stops the daemon at its start, on the day of the deployment."""
    for name in ("DB", "HOST", "PASSWORD", "USER"):
        monkeypatch.setenv(f"DAGSTER_POSTGRES_{name}", name.lower())
    monkeypatch.setenv("DAGSTER_POSTGRES_PORT", "5432")
    monkeypatch.setenv("DAGSTER_RUN_TASK_DEFINITION", "mlops-run")
    monkeypatch.setenv("MLOPS_BUCKET", "lake")
    config = _validated(path, tmp_path)
    assert config["telemetry"] == {"enabled": False}
    assert config["nux"] == {"enabled": False}
    assert config["run_monitoring"]["enabled"] is True


def test_unknown_section_is_refused(tmp_path: Path) -> None:
    """Negative control: the validation above does look."""
    broken = tmp_path / "broken.yaml"
    broken.write_text(LOCAL.read_text() + "run_monitorings: {enabled: true}\n")
    with pytest.raises(Exception, match="run_monitorings"):
        _validated(broken, tmp_path)


def test_only_storage_differs() -> None:
    """A retention or a retry that is tried on the laptop and other in the deployment."""
    local, image = (yaml.safe_load(path.read_text()) for path in (LOCAL, IMAGE))
    assert set(image) - set(local) == OF_THE_DEPLOYMENT
    assert {key: image[key] for key in local} == local


def test_no_secret_stands_in_the_file() -> None:
    """A password typed where only the name of its variable belongs."""
    image = yaml.safe_load(IMAGE.read_text())
    database = image["storage"]["custom"]["config"]["postgres_db"]
    assert database["password"] == {"env": "DAGSTER_POSTGRES_PASSWORD"}
    assert database["username"] == {"env": "DAGSTER_POSTGRES_USER"}
