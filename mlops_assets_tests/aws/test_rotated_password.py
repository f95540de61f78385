"""The database's password is changed under running processes, on a real Postgres: they go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import sqlalchemy
from dagster_postgres.storage import DagsterPostgresStorage
from moto import mock_aws

from mlops_assets.resources import postgres_storage
from mlops_assets.resources.postgres_storage import SCHEME, SECRET, RotatingPostgresStorage
from mlops_assets_tests.aws.postgres import Cluster
from mlops_assets_tests.aws.world import configure_dagster

pytestmark = pytest.mark.integration


class Database:
    """One that asks for a password, and the secret that holds it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self.config = {
            "username": "asked", "password": "first", "hostname": "127.0.0.1",
            "port": cluster.port, "db_name": name,
        }  # fmt: skip
        self.secrets: Any = boto3.client("secretsmanager")
        made = self.secrets.create_secret(Name="rds!cluster-1", SecretString=self._text("first"))
        self.secret: str = made["ARN"]
        self.change_password("first")

    def change_password(self, password: str) -> None:
        """In the database, as RDS does it first."""
        self._cluster._sql(f"ALTER ROLE asked PASSWORD '{password}'")

    def change_secret(self, password: str) -> None:
        self.secrets.put_secret_value(SecretId=self.secret, SecretString=self._text(password))

    @staticmethod
    def _text(password: str) -> str:
        return json.dumps({"username": "asked", "password": password})

    def url(self, scheme: str = SCHEME, name: str = "") -> str:
        of = {**self.config, "db_name": name or self.config["db_name"]}
        return "{}://{username}:{password}@{hostname}:{port}/{db_name}".format(scheme, **of)


@pytest.fixture(scope="module")
def asking(postgres: Cluster) -> Cluster:
    """The server asks one user for a password, and trusts the other as before."""
    rules = postgres.folder / "data" / "pg_hba.conf"
    rules.write_text("host all asked 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    postgres._sql("SELECT pg_reload_conf()")
    postgres._sql("CREATE ROLE asked LOGIN SUPERUSER")
    postgres.new_database("rotated")
    return postgres


@pytest.fixture
def database(asking: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    for name, value in {
        "ACCESS_KEY_ID": "x",
        "SECRET_ACCESS_KEY": "x",
        "DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setattr(postgres_storage, "_newest", {})
    with mock_aws():
        made = Database(asking, "rotated")
        monkeypatch.setenv(SECRET, made.secret)
        yield made


def test_a_running_process_outlives_a_new_password(database: Database) -> None:
    """Every seventh day each run that is under way fails at its next event."""
    storage = RotatingPostgresStorage.from_config_value(None, {"postgres_db": database.config})
    plain = DagsterPostgresStorage(database.url("postgresql+psycopg2"))
    engines = [storage.run_storage._engine, plain.run_storage._engine]  # type: ignore[attr-defined]
    assert storage.run_storage.get_runs_count() == plain.run_storage.get_runs_count() == 0
    database.change_password("second")
    database.change_secret("second")
    assert storage.run_storage.get_runs_count() == 0
    assert list(storage.schedule_storage.all_instigator_state()) == []
    engines[0].connect().close()
    with pytest.raises(sqlalchemy.exc.OperationalError, match="password authentication failed"):
        engines[1].connect()  # negative control: Dagster's own does not


def test_the_secret_comes_later_than_the_password(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seconds between RDS's two steps, in which the secret is still the old one."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            database.change_secret("third")

    monkeypatch.setattr(postgres_storage.time, "sleep", sleep)
    database.change_password("third")
    sqlalchemy.create_engine(database.url()).connect().close()
    assert slept == [0, 1, 2]
    # Known from then on, by every engine of the process.
    sqlalchemy.create_engine(database.url()).connect().close()
    assert slept == [0, 1, 2]


def test_a_wrong_password_is_an_error_in_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that waits for ever for a password that nobody will set."""
    slept: list[float] = []
    monkeypatch.setattr(postgres_storage.time, "sleep", slept.append)
    database.change_password("unknown to the secret")
    with pytest.raises(sqlalchemy.exc.OperationalError, match="password authentication failed"):
        sqlalchemy.create_engine(database.url()).connect()
    assert sum(slept) == 30


def test_other_refusals_are_not_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing database, or none to ask about: said at once, and no secret is read for it."""
    monkeypatch.setattr(postgres_storage, "_current", lambda secret: pytest.fail("was read"))
    with pytest.raises(sqlalchemy.exc.OperationalError, match="does not exist"):
        sqlalchemy.create_engine(database.url(name="nowhere")).connect()
    monkeypatch.delenv(SECRET)
    database.change_password("other")
    with pytest.raises(sqlalchemy.exc.OperationalError, match="password authentication failed"):
        sqlalchemy.create_engine(database.url()).connect()


def test_the_images_instance_has_it_and_hands_it_to_its_runs(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class that no dagster.yaml names, or that a run, which is told of its instance, has not."""
    from dagster import DagsterInstance
    from dagster._core.instance.ref import InstanceRef

    configure_dagster(tmp_path, postgres=True)
    monkeypatch.setenv("MLOPS_BUCKET", "lake")
    names = {"username": "USER", "hostname": "HOST", "db_name": "DB"}
    for name, value in database.config.items():
        monkeypatch.setenv(f"DAGSTER_POSTGRES_{names.get(name, name.upper())}", str(value))
    with DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        told = InstanceRef.from_dict(instance.get_ref().to_dict())
        database.change_password("fourth")
        database.change_secret("fourth")
        assert instance.get_runs_count() == 0
    with DagsterInstance.from_ref(told) as of_a_run:
        assert of_a_run.get_runs_count() == 0
