"""Secrets of the platform's environment, looked for in all that a real run leaves behind."""

from __future__ import annotations

import dataclasses
import tarfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mlops_assets.resources.sagemaker.registry import registry
from mlops_assets_tests.diabetes import declare, write_csv
from mlops_assets_tests.worlds import TestWorld

pytestmark = pytest.mark.integration

WEBHOOK, PASSWORD, KEY = "canary-webhook-7f3a", "canary-password-91bc", "canary-key-55de"
# What a script that is being debugged does: all that its process was given goes to its log.
TELLTALE = "import os\nprint('environment of the job:', dict(os.environ), flush=True)\n"


def everywhere(canary: bytes, *folders: Path) -> list[str]:
    """The files below folders that hold these bytes, archives' members included."""
    found = []
    for path in sorted(each for folder in folders for each in folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        if canary in path.read_bytes() or canary in str(path).encode():
            found.append(str(path))
        if path.name.endswith(".tar.gz"):
            with tarfile.open(path) as archive:
                members = [archive.extractfile(each) for each in archive if each.isfile()]
                found += [str(path) for each in members if each and canary in each.read()]
    return found


@dataclasses.dataclass
class Ran:
    """A world that has run, and the secrets that its process held."""

    world: TestWorld
    run_id: str
    secrets: tuple[bytes, ...]

    def holding(self, canary: bytes) -> list[str]:
        """The files that hold it, of all that was written: Dagster's, the lake's, MLflow's, …"""
        experiments = Path(self.world.settings.mlflow_uri.removeprefix("sqlite:///")).parent
        return everywhere(canary, self.world.home.parent, experiments)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """From raw rows to a signed model package, with secrets in the environment; and one alert."""
    folder = tmp_path_factory.mktemp("canary")
    # Beside the home: it is where an operator keeps it, not where the platform writes.
    pem = tmp_path_factory.mktemp("keys") / "signing.pem"
    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem.write_bytes(private)
    write_csv(folder / "csv")
    pipeline = declare(folder / "csv")
    script = folder / "train.py"
    script.write_text(TELLTALE + pipeline.training.script.read_text())
    training = dataclasses.replace(pipeline.training, script=script)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MLOPS_ALERT_WEBHOOK", f"http://127.0.0.1:9/{WEBHOOK}")
        environment.setenv("MLOPS_SIGNING_KEY", str(pem))
        environment.setenv("AWS_SECRET_ACCESS_KEY", KEY)
        environment.setenv("DAGSTER_POSTGRES_URL", f"postgresql://dagster:{PASSWORD}@db/dagster")
        (folder / "dagster").mkdir()
        with dg.DagsterInstance.local_temp(str(folder / "dagster")) as instance:
            changed = dataclasses.replace(pipeline, training=training)
            world = TestWorld(folder / "home", changed, instance)
            try:
                stations = ("splits", "model", "evaluation", "registered_model")
                done = world.run(*pipeline.data_stations, *stations, partition="all")
                assert done.success
                lines = tuple(line for line in private.splitlines() if b"-----" not in line)
                secrets = (WEBHOOK.encode(), PASSWORD.encode(), KEY.encode(), lines[0])
                yield Ran(world, done.run_id, secrets)
            finally:
                world.stop()


def test_no_secret_is_in_what_the_run_left(ran: Ran) -> None:
    """Security demand 9: run config, tags, event log, metadata, job logs, archives, MLflow."""
    assert registry.latest(ran.world.client, "diabetes") is not None
    assert [each for secret in ran.secrets for each in ran.holding(secret)] == []


def test_the_search_looks_where_secrets_turn_up(ran: Ran) -> None:
    """Negative control: logs of jobs and runs, archives of scripts and MLflow are read."""
    assert any("log" in name for name in ran.holding(b"environment of the job: {"))
    run = ran.holding(ran.run_id.encode())
    assert any("runs" in name for name in run)
    assert any(name.endswith("mlflow.db") for name in run)
    assert any(name.endswith("tar.gz") for name in ran.holding(TELLTALE.encode()))
